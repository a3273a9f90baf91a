"""Records to publish, told apart by one number each."""

from decimal import Decimal
from typing import Any

from gateway.streams.account_records import (
    BalanceUpdate,
    OrderUpdate,
    PortfolioUpdate,
    PositionUpdate,
)
from gateway.streams.records import QuoteUpdate, Status, TradeUpdate, Upstream
from gateway.streams.topics import MAIN_LOGIN, Topic, balance_topic, market_topic, status_topic

AT = "2026-11-20T15:30:00.123Z"

_QUOTE: dict[str, Any] = dict.fromkeys(
    each
    for each in QuoteUpdate.__struct_fields__
    if each not in ("symbol", "updated_at", "source", "stale", "refused")
)


def make_quote(symbol: str = "SPY", last: Any = None, **values: Any) -> QuoteUpdate:
    """A quote in which only what is given is known."""
    given = {"last": None if last is None else Decimal(last), **values}
    return QuoteUpdate(symbol=symbol, updated_at=AT, **_QUOTE | given)


def make_trade(symbol: str = "SPY", price: Any = None) -> TradeUpdate:
    """A trade of which only the price is known."""
    return TradeUpdate(
        symbol=symbol,
        updated_at=AT,
        price=None if price is None else Decimal(price),
        size=None,
        volume=None,
        turnover=None,
        time=None,
        tick_direction=None,
        extended_hours=None,
    )


def make_balance(
    account: str = "5WX00001", balance: Any = 1, login: str = MAIN_LOGIN
) -> BalanceUpdate:
    """A balance of which only the net liquidating value is known."""
    return BalanceUpdate(
        login=login,
        account=account,
        balance=Decimal(balance),
        buying_power=None,
        equity_buying_power=None,
        cash=None,
        currency="USD",
        timestamp=1_795_188_600_456,
        source="rest",
    )


def make_status(
    upstream: Upstream = "feed", reason: str | None = None, login: str = MAIN_LOGIN
) -> Status:
    """A live upstream."""
    return Status(upstream=upstream, state="live", since=AT, reason=reason, login=login)


def topic_of(kind: str, subject: str, login: str = MAIN_LOGIN) -> Topic:
    """Return the topic of a record, as a client can tell it from its JSON."""
    if kind == "balance_update":
        return balance_topic(subject, login)
    return status_topic(subject, login) if kind == "status" else market_topic(kind, subject)


def make_position(
    account: str = "5WX00001", symbol: str = "SPY", quantity: Any = 1, **values: Any
) -> PositionUpdate:
    """A position of which only what is given is known."""
    known: dict[str, Any] = dict.fromkeys(PositionUpdate.__struct_fields__)
    given: dict[str, Any] = {
        "account": account,
        "symbol": symbol,
        "broker_symbol": symbol,
        "instrument_type": "Equity",
        "underlying": symbol,
        "description": symbol,
        "quantity": Decimal(quantity),
        "multiplier": Decimal(1),
        "realized_day": Decimal(0),
        "updated_at": AT,
        "source": "rest",
        "login": MAIN_LOGIN,
        "stale": False,
    }
    return PositionUpdate(**known | given | values)


def make_order(
    account: str = "5WX00001", order_id: str = "1", status: str = "Live", **values: Any
) -> OrderUpdate:
    """An order of which only what is given is known."""
    known: dict[str, Any] = dict.fromkeys(OrderUpdate.__struct_fields__)
    given: dict[str, Any] = {
        "account": account,
        "order_id": order_id,
        "status": status,
        "description": "Buy to Open 1 SPY",
        "legs": (),
        "is_working": status == "Live",
        "source": "rest",
        "login": MAIN_LOGIN,
        "stale": False,
    }
    return OrderUpdate(**known | given | values)


def make_portfolio(
    account: str = "5WX00001", net_liq: Any = None, **values: Any
) -> PortfolioUpdate:
    """A portfolio without a position."""
    zero: dict[str, Any] = dict.fromkeys(
        ("value", "pnl_open", "pnl_day", "delta", "theta", "beta_delta"), Decimal(0)
    )
    given: dict[str, Any] = {
        "account": account,
        "net_liq": None if net_liq is None else Decimal(net_liq),
        "net_liq_reported": None,
        "cash": None,
        "day_change": None,
        "unknown": 0,
        "missing_basis": 0,
        "missing_greeks": 0,
        "updated_at": AT,
    }
    return PortfolioUpdate(**zero | given | values)
