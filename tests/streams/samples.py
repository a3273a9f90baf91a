"""Records to publish, told apart by one number each."""

from decimal import Decimal
from typing import Any

from gateway.streams.account_records import BalanceUpdate
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
