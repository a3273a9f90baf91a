"""A desk without a broker: rows by hand, prices from a hub, a clock that the test moves."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.clock import Clock
from gateway.settings import BrokerSettings
from gateway.streams.account_records import (
    BalanceUpdate,
    OrderUpdate,
    PortfolioUpdate,
    PositionUpdate,
)
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.topics import account_topic
from gateway.streams.upstream.accounts import Accounts
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.day_basis import DayBasis
from gateway.streams.upstream.desk import Desk
from gateway.streams.upstream.instruments import Instruments
from gateway.streams.upstream.rows import PositionRow, Row, read_position
from tests.streams.samples import make_balance

ACCOUNT = "5WX00001"
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""In New York, on a trading day."""
TODAY = "2026-11-20"


class SessionStandIn:
    """A session that is live and never asked."""

    login = "main"
    state = "live"

    def __init__(self) -> None:
        self.listeners: list[Any] = []


class Stage:
    """A desk whose positions were read once, and what it publishes into."""

    def __init__(self, *accounts: str, demand: Demand | None = None) -> None:
        self.now_s = NOON.timestamp()
        clock = Clock(monotonic_s=lambda: self.now_s, wall_s=lambda: self.now_s)
        self.hub = Hub(epoch="test", clock=clock)
        session: Any = SessionStandIn()
        budget = RequestBudget(session, clock=clock)
        self.accounts = Accounts(session, self.hub, BrokerSettings(), clock=clock, budget=budget)
        self.holdings = self.accounts.holdings
        self.instruments = Instruments(budget, clock=clock)
        self.basis = DayBasis(budget, clock=clock)
        self.desk = Desk(self.accounts, self.instruments, self.basis, self.hub, demand, clock=clock)
        for account in accounts or (ACCOUNT,):
            self.holdings.take_positions(account, [], self.now_s)

    def read(self, *rows: Row, account: str = ACCOUNT) -> None:
        """Take these rows as a reading of REST."""
        self.holdings.take_positions(account, [read_position(row) for row in rows], self.now_s)

    def tick(self, seconds: float = 0.25) -> None:
        """Let time go on, and value what has changed."""
        self.now_s += seconds
        self.desk.tick()

    def settle(self) -> None:
        """Tick until everything has been looked at."""
        for _ in range(5):
            self.tick()

    def balance(self, amount: Any, account: str = ACCOUNT) -> BalanceUpdate:
        """Publish a balance as the accounts do."""
        record = make_balance(account, amount)
        self.hub.publish(record)
        self.accounts.on_balance(record)
        return record

    def position(self, symbol: str, account: str = ACCOUNT) -> PositionUpdate | None:
        record = self.hub.latest(account_topic("position_update", account, symbol))
        assert record is None or isinstance(record, PositionUpdate)
        return record

    def held(self, symbol: str, account: str = ACCOUNT) -> PositionUpdate:
        record = self.position(symbol, account)
        assert record is not None
        return record

    def portfolio(self, account: str = ACCOUNT) -> PortfolioUpdate:
        record = self.hub.latest(account_topic("portfolio_update", account, account))
        assert isinstance(record, PortfolioUpdate)
        return record

    def order(self, order_id: str, account: str = ACCOUNT) -> OrderUpdate | None:
        record = self.hub.latest(account_topic("order_update", account, order_id))
        assert record is None or isinstance(record, OrderUpdate)
        return record


def make_row(symbol: str = "AAPL", quantity: Any = 10, **fields: Any) -> dict[str, Any]:
    """A row as the broker writes it; a negative quantity is a short one."""
    amount = Decimal(str(quantity))
    row: dict[str, Any] = {
        "account-number": ACCOUNT,
        "symbol": symbol,
        "instrument-type": "Equity",
        "underlying-symbol": symbol,
        "quantity": str(abs(amount)),
        "quantity-direction": "Zero" if not amount else "Long" if amount > 0 else "Short",
        "average-open-price": "100",
        "average-daily-market-close-price": "101",
        "multiplier": 1,
        "streamer-symbol": symbol,
    }
    return row | {name.replace("_", "-"): value for name, value in fields.items()}


def to_row(row: Row) -> PositionRow:
    """The row as it is read."""
    return read_position(row)
