"""The desk of one login: what its accounts hold and order, valued and given to the publisher.

Positions come from `Holdings`, prices from what the feed has published. A position is valued again
when its own prices or row have changed, four times a second at most, and once a second for what it
is weighed against. Nothing is kept here that cannot be found again.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.portfolio.net_liq import LiveNetLiq
from gateway.portfolio.totals import total
from gateway.streams.account_records import (
    BalanceUpdate,
    OrderUpdate,
    PortfolioUpdate,
    removal_of,
)
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.records import (
    MetricsUpdate,
    format_time,
)
from gateway.streams.reports import DeskReport
from gateway.streams.topics import MAIN_LOGIN
from gateway.streams.upstream.account_updates import (
    make_order_update,
    make_portfolio_update,
    make_position_update,
)
from gateway.streams.upstream.accounts import Accounts
from gateway.streams.upstream.day_basis import DayBasis
from gateway.streams.upstream.held_position import HeldPosition
from gateway.streams.upstream.held_symbols import HeldSymbols
from gateway.streams.upstream.instruments import (
    INDEX_FUND,
    UNDERLYING_TYPES,
    InstrumentKey,
    Instruments,
)
from gateway.streams.upstream.order_book import OrderChanges, OrderKey
from gateway.streams.upstream.position_book import Changes, PositionKey

TICK_S = 0.25
SLOW_TICKS = 4
"""Between two looks at what positions are weighed against, and two sums."""


class Desk:
    """Positions, orders and portfolios of one login, published as they change.

    What it holds is followed for the owner: held symbols first, then their underlyings and SPY.
    """

    def __init__(
        self,
        accounts: Accounts,
        instruments: Instruments,
        basis: DayBasis,
        publisher: Publisher,
        demand: Demand | None = None,
        *,
        login: str = MAIN_LOGIN,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.drift: Decimal | None = None
        """How far the last live net liquidating value was off, as a fraction of the broker's."""
        self._accounts = accounts
        self._holdings = accounts.holdings
        self._instruments = instruments
        self._basis = basis
        self._publisher = publisher
        self._symbols = None if demand is None else HeldSymbols(demand)
        self._login = login
        self._clock = clock
        self._held: dict[PositionKey, HeldPosition] = {}
        self._orders: dict[OrderKey, OrderUpdate] = {}
        self._portfolios: dict[str, PortfolioUpdate] = {}
        self._balances: dict[str, BalanceUpdate] = {}
        self._net_liqs: dict[str, LiveNetLiq] = {}
        self._moved: set[str] = set()
        self._stale: set[str] = set()
        """Accounts whose positions are not known to be live."""
        self._stale_orders: set[str] = set()
        self._today = self._holdings.today
        self._ticks = 0
        self._holdings.on_positions = self._on_positions
        self._holdings.on_orders = self._on_orders
        accounts.on_balance = self._on_balance
        accounts.on_cash_moved = basis.read_again
        instruments.on_found = self._on_instruments
        basis.on_changed = self._moved.add

    async def run(self) -> None:
        """Value what is held until cancelled."""
        try:
            while True:
                self.tick()
                await asyncio.sleep(TICK_S)
        finally:
            if self._symbols is not None:
                self._symbols.close()

    def report(self) -> DeskReport:
        """Return what `/status` shows: counts and a fraction, never an amount."""
        return DeskReport(
            positions=len(self._held),
            orders=len(self._orders),
            not_followed=0 if self._symbols is None else self._symbols.left_out,
            net_liq_drift=None if self.drift is None else float(self.drift),
        )

    def list_underlyings(self) -> dict[str, str]:
        """Return the underlyings of what is held that have metrics, by streamer symbol."""
        return {
            held.underlying: held.row.holding.underlying
            for held in self._held.values()
            if held.underlying is not None
            and UNDERLYING_TYPES.get(held.row.holding.instrument_type) == "Equity"
        }

    def tick(self) -> None:
        """Value again what has changed, and publish it."""
        self._ticks += 1
        is_slow = self._ticks % SLOW_TICKS == 1
        if (today := self._holdings.today) != self._today:
            self._today = today
            self._holdings.end_day()
            self._mark_dirty(self._held.values())
            self._moved.update(self._portfolios)
        if is_slow:
            self._check_stale()
            self._follow()
        latest, at = self._publisher.latest, format_time(self._clock.now_ms())
        for held in self._held.values():
            if held.look(latest, is_slow=is_slow):
                self._value(held, at)
        if is_slow:
            self._moved |= self._holdings.accounts - self._portfolios.keys()
            for account in sorted(self._moved):
                self._publish_portfolio(account, at)
            self._moved.clear()

    # --- what changed ----------------------------------------------------------------------------

    def _on_positions(self, changes: Changes) -> None:
        for key in changes.removed:
            held = self._held.pop(key, None)
            self._moved.add(key.account)
            if held is not None and held.record is not None:
                self._publisher.publish(removal_of(held.record))
        at = format_time(self._clock.now_ms())
        for key in changes.changed:
            row = self._holdings.positions.get(key)
            if row is None:
                continue
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = HeldPosition(row)
            held.take(row, self._instruments)
            held.look(self._publisher.latest, is_slow=True)
            self._value(held, at)
        if changes.changed or changes.removed:
            self._follow()
        moved = {key.account for key in (*changes.changed, *changes.removed)}
        for account in moved | (self._holdings.accounts - self._portfolios.keys()):
            self._publish_portfolio(account, at)
            self._moved.discard(account)

    def _on_orders(self, changes: OrderChanges) -> None:
        for key in changes.removed:
            if (record := self._orders.pop(key, None)) is not None:
                self._publisher.publish(removal_of(record))
        self._publish_orders(changes.changed)

    def _on_balance(self, balance: BalanceUpdate) -> None:
        before = self._balances.get(balance.account)
        if before is not None and before.cash != balance.cash:
            self._basis.read_again(balance.account)  # it may have come from outside
        self._balances[balance.account] = balance
        if self._has_read(balance.account):
            values = self._list_values(balance.account)
            net_liq = self._net_liqs.setdefault(balance.account, LiveNetLiq())
            drift = net_liq.read(balance.balance, values)
            if drift is not None and balance.balance:
                self.drift = abs(drift / balance.balance)
        self._moved.add(balance.account)

    def _on_instruments(self) -> None:
        for held in self._held.values():
            if held.symbol is None or held.underlying is None:
                held.take(held.row, self._instruments)
        self._mark_dirty(
            held for held in self._held.values() if held.holding.instrument_type == "Future"
        )
        lacking = [
            key for key, order in self._orders.items() if any(not leg.symbol for leg in order.legs)
        ]
        self._publish_orders(lacking)
        self._follow()

    def _check_stale(self) -> None:
        """Publish again what has become stale, or is so no more."""
        accounts = {key.account for key in self._held} | {key.account for key in self._orders}
        accounts |= set(self._balances)
        for account in accounts:
            is_stale = self._accounts.is_stale
            stale = is_stale or self._holdings.is_stale(account, "positions")
            if (account in self._stale) != stale:
                self._stale ^= {account}
                self._mark_dirty(h for k, h in self._held.items() if k.account == account)
                self._moved.add(account)
            stale = is_stale or self._holdings.is_stale(account, "orders")
            if (account in self._stale_orders) != stale:
                self._stale_orders ^= {account}
                self._publish_orders([key for key in self._orders if key.account == account])

    def _mark_dirty(self, some: Iterable[HeldPosition]) -> None:
        for held in some:
            held.is_dirty = True

    def _follow(self) -> None:
        if self._symbols is None:
            return
        open_ = [held for held in self._held.values() if not held.holding.is_closed]
        symbols = [held.symbol for held in open_ if held.symbol is not None]
        if symbols:
            symbols.append(INDEX_FUND)
        symbols += [held.underlying for held in open_ if held.underlying is not None]
        self._symbols.change(symbols)

    # --- what is published -----------------------------------------------------------------------

    def _value(self, held: HeldPosition, at: str) -> None:
        account = held.row.account
        worth, before = held.value(self._today), held.record
        is_same = before is not None and worth == held.worth
        metrics = held.metrics
        record = make_position_update(
            held.row,
            worth,
            login=self._login,
            symbol=held.symbol,
            description=held.description,
            expires_at=held.expires_at,
            multiplier=held.holding.multiplier,
            rank=(metrics.implied_volatility_rank if isinstance(metrics, MetricsUpdate) else None),
            stale=account in self._stale,
            updated_at=before.updated_at if is_same and before is not None else at,
        )
        held.worth = worth
        if is_same:
            if record == before:
                return
            record = msgspec.structs.replace(record, updated_at=at)
        held.record = record
        self._moved.add(account)
        self._publisher.publish(record)

    def _publish_orders(self, keys: Iterable[OrderKey]) -> None:
        for key in keys:
            row = self._holdings.orders.get(key)
            if row is None:
                continue
            stale = key.account in self._stale_orders
            record = make_order_update(row, self._find_symbol, login=self._login, stale=stale)
            if record != self._orders.get(key):
                self._orders[key] = record
                self._publisher.publish(record)

    def _find_symbol(self, instrument_type: str, symbol: str) -> str | None:
        found = self._instruments.find(InstrumentKey(instrument_type, symbol))
        return None if found is None else found.streamer_symbol

    def _publish_portfolio(self, account: str, at: str) -> None:
        if not self._has_read(account):
            return
        balance = self._balances.get(account)
        if balance is not None and account not in self._net_liqs:
            self._net_liqs[account] = LiveNetLiq()
            self._net_liqs[account].read(balance.balance, self._list_values(account))
        net_liq = self._net_liqs.get(account)
        worths = [
            held.worth
            for key, held in self._held.items()
            if key.account == account and held.worth is not None
        ]
        before = self._portfolios.get(account)
        record = make_portfolio_update(
            account,
            total(worths),
            balance,
            login=self._login,
            net_liq=None if net_liq is None else net_liq.live(self._list_values(account)),
            basis=self._basis.find(account),
            stale=account in self._stale,
            updated_at=at if before is None else before.updated_at,
        )
        if record != before:
            record = msgspec.structs.replace(record, updated_at=at)
            self._portfolios[account] = record
            self._publisher.publish(record)

    def _has_read(self, account: str) -> bool:
        return account in self._holdings.accounts

    def _list_values(self, account: str) -> dict[str, Decimal]:
        return {
            key.broker_symbol: held.worth.value
            for key, held in self._held.items()
            if key.account == account and held.worth is not None and held.worth.value is not None
        }
