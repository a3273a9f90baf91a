"""Rows of Tastytrade's answers and pushes, read one by one into our own structs; pure.

Every field may be missing, numbers come as texts or numbers, words that nobody knows stay words. A
row that cannot be read costs that row and is counted. The SDK's own models (tastytrade 13.2.3)
refuse a whole list for one unknown status or one missing time.

Source: Tastytrade's "Positions and balances" and "Order flow", and recorded answers. Amounts are
positive; `<name>-effect` says Debit (negative), Credit or None.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from gateway.portfolio.holding import SIGNS, Direction, Holding
from gateway.streams.account_records import Source

MAX_ITEMS = 20_000
"""Of one list; more than any account has, and it bounds what an answer can make us keep."""

T = TypeVar("T")
Row = Mapping[str, Any]


class UnreadableRow(ValueError):
    """A row lacks what it cannot be used without."""


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One position of one account."""

    account: str
    holding: Holding
    streamer_symbol: str | None
    close_price: Decimal | None
    updated_at: datetime | None
    expires_at: datetime | None = None
    source: Source = "rest"

    def with_mark(self, mark: Decimal | None) -> "PositionRow":
        """Return the row with the broker's mark of another one."""
        held = msgspec.structs.replace(self.holding, broker_mark=mark)
        return msgspec.structs.replace(self, holding=held)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a leg that was executed."""

    fill_id: str
    quantity: Decimal
    price: Decimal
    filled_at: datetime | None


class LegRow(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of an order."""

    action: str
    instrument_type: str
    broker_symbol: str
    quantity: Decimal | None
    remaining: Decimal | None
    fills: tuple[Fill, ...]
    filled: Decimal | None = None
    """How much was executed."""


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order of one account; `price` is signed, a credit is positive."""

    account: str
    order_id: str
    status: str
    underlying: str | None
    order_type: str | None
    time_in_force: str | None
    price: Decimal | None
    size: Decimal | None
    legs: tuple[LegRow, ...]
    received_at: datetime | None
    updated_at: datetime | None
    replaces: str | None
    replaced_by: str | None
    reject_reason: str | None
    is_terminal: bool = False
    """Whether the broker says when it ended."""
    source: Source = "rest"

    @property
    def fill_count(self) -> int:
        """How many executions there were."""
        return sum(len(leg.fills) for leg in self.legs)


class MetricsRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker knows of an underlying besides its price; ranks are fractions of 1."""

    symbol: str
    implied_volatility_index: Decimal | None
    implied_volatility_rank: Decimal | None
    implied_volatility_percentile: Decimal | None
    beta: Decimal | None
    liquidity_rating: int | None
    earnings_on: date | None
    earnings_time: str | None
    dividend_ex_on: date | None
    dividend_yield: Decimal | None
    market_cap: Decimal | None


def list_items(data: Any) -> list[Any]:
    """Return the items of `{items: […]}`.

    Raises:
        ValueError: when that is not what it is: an answer of another form is not an empty list.
    """
    items = data.get("items") if isinstance(data, Mapping) else None
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise ValueError("the answer has no list of items")
    return items


def read_rows(items: Iterable[Any], read: Callable[[Row], T]) -> tuple[list[T], int]:
    """Return the rows that can be read, and how many cannot."""
    found: list[T] = []
    unreadable = 0
    for item in items:
        try:
            found.append(read(item))
        except (UnreadableRow, LookupError, TypeError, ValueError, AttributeError):
            unreadable += 1
    return found, unreadable


def list_orders_of(data: Any) -> list[Any]:
    """Return the orders that a complex order is made of, the one that triggers the others too."""
    if not isinstance(data, Mapping):
        return []
    orders = data.get("orders")
    found = list(orders) if isinstance(orders, list) else []
    trigger = data.get("trigger-order")
    return [*found, trigger] if isinstance(trigger, Mapping) else found


def read_position(row: Row) -> PositionRow:
    """Return a position.

    Raises:
        UnreadableRow: when account, symbol, quantity or direction is missing or unknown.
    """
    direction = read_text(row, "quantity-direction")
    if direction not in SIGNS:
        raise UnreadableRow("quantity-direction")
    known: Direction = direction
    return PositionRow(
        account=read_text(row, "account-number"),
        holding=Holding(
            broker_symbol=read_text(row, "symbol"),
            instrument_type=read_text(row, "instrument-type"),
            underlying=read_optional_text(row, "underlying-symbol") or read_text(row, "symbol"),
            quantity=_required(row, "quantity"),
            direction=known,
            multiplier=read_number(row, "multiplier") or Decimal(1),
            average_open_price=read_number(row, "average-open-price"),
            average_daily_price=read_number(row, "average-daily-market-close-price"),
            realized_day_gain=read_signed(row, "realized-day-gain"),
            realized_day_date=read_date(row, "realized-day-gain-date"),
            realized_today=read_signed(row, "realized-today"),
            realized_today_date=read_date(row, "realized-today-date"),
            expires_on=read_date(row, "expires-at"),
            broker_mark=read_number(row, "mark-price"),
        ),
        streamer_symbol=read_optional_text(row, "streamer-symbol"),
        close_price=read_number(row, "close-price") or None,  # 0.0 on the first day
        updated_at=read_time(row, "updated-at"),
        expires_at=read_time(row, "expires-at"),
    )


def read_order(row: Row) -> OrderRow:
    """Return an order.

    Raises:
        UnreadableRow: when account, id or status is missing.
    """
    legs, _ = read_rows(row.get("legs") or (), _read_leg)
    return OrderRow(
        account=read_text(row, "account-number"),
        order_id=_required_id(row, "id"),
        status=read_text(row, "status"),
        underlying=read_optional_text(row, "underlying-symbol"),
        order_type=read_optional_text(row, "order-type"),
        time_in_force=read_optional_text(row, "time-in-force"),
        price=read_signed(row, "price"),
        size=read_number(row, "size"),
        legs=tuple(legs),
        received_at=read_time(row, "received-at"),
        updated_at=read_time(row, "updated-at"),
        replaces=_optional_id(row, "replaces-order-id"),
        replaced_by=_optional_id(row, "replacing-order-id"),
        reject_reason=read_optional_text(row, "reject-reason"),
        is_terminal=read_time(row, "terminal-at") is not None,
    )


def read_metrics(row: Row) -> MetricsRow:
    """Return the metrics of an underlying.

    Raises:
        UnreadableRow: when it names no symbol.
    """
    earnings = row.get("earnings")
    earnings = earnings if isinstance(earnings, Mapping) else {}
    rating = read_number(row, "liquidity-rating")
    return MetricsRow(
        symbol=read_text(row, "symbol"),
        implied_volatility_index=read_number(row, "implied-volatility-index"),
        implied_volatility_rank=read_number(row, "implied-volatility-index-rank"),
        implied_volatility_percentile=read_number(row, "implied-volatility-percentile"),
        beta=read_number(row, "beta"),
        liquidity_rating=None if rating is None else int(rating),
        earnings_on=read_date(earnings, "expected-report-date"),
        earnings_time=read_optional_text(earnings, "time-of-day"),
        dividend_ex_on=read_date(row, "dividend-ex-date"),
        dividend_yield=read_number(row, "dividend-yield"),
        market_cap=read_number(row, "market-cap"),
    )


def _read_leg(row: Row) -> LegRow:
    fills, _ = read_rows(row.get("fills") or (), _read_fill)
    quantity, remaining = read_number(row, "quantity"), read_number(row, "remaining-quantity")
    filled: Decimal | None = None
    if isinstance(row.get("fills"), list):
        filled = sum((fill.quantity for fill in fills), Decimal(0))
    elif quantity is not None and remaining is not None:
        filled = quantity - remaining
    return LegRow(
        action=read_text(row, "action"),
        instrument_type=read_text(row, "instrument-type"),
        broker_symbol=read_text(row, "symbol"),
        quantity=quantity,
        remaining=remaining,
        fills=tuple(fills),
        filled=filled,
    )


def _read_fill(row: Row) -> Fill:
    return Fill(
        fill_id=str(row["fill-id"]),
        quantity=_required(row, "quantity"),
        price=_required(row, "fill-price"),
        filled_at=read_time(row, "filled-at"),
    )


def read_number(row: Row, name: str) -> Decimal | None:
    """Return a finite number that came as text or number; None for anything else."""
    value = row.get(name)
    if (
        value is None
        or isinstance(value, bool)
        or not isinstance(value, str | int | float | Decimal)
    ):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def read_signed(row: Row, name: str) -> Decimal | None:
    """Return an amount with the sign of its effect; None when either is not known."""
    amount = read_number(row, name)
    effect = row.get(f"{name}-effect")
    if amount is None:
        return None
    if effect == "Debit":
        return -amount
    # "None" stands beside an amount of 0.
    return amount if effect in ("Credit", "None", None) else None


def read_time(row: Row, name: str) -> datetime | None:
    """Return an instant that came as ISO text or as milliseconds since the epoch, in UTC."""
    value = row.get(name)
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def read_date(row: Row, name: str) -> date | None:
    """Return the calendar day of a date, or of an ISO instant as it is written."""
    value = row.get(name)
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def read_text(row: Row, name: str) -> str:
    """Return a text that is not empty.

    Raises:
        UnreadableRow: when it is not there.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise UnreadableRow(name)
    return value


def read_optional_text(row: Row, name: str) -> str | None:
    """Return a text that is not empty; None for anything else."""
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def _optional_id(row: Row, name: str) -> str | None:
    value = row.get(name)
    return str(value) if isinstance(value, str | int) and value else None


def _required_id(row: Row, name: str) -> str:
    found = _optional_id(row, name)
    if found is None:
        raise UnreadableRow(name)
    return found


def _required(row: Row, name: str) -> Decimal:
    number = read_number(row, name)
    if number is None or number < 0:
        raise UnreadableRow(name)
    return number
