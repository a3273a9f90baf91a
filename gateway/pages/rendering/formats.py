"""Numbers and times as people read them: `–` for what is unknown, true minus signs; pure.

Every function takes None, NaN and infinities as unknown, so no page ever shows one of these words.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

UNKNOWN = "–"
MINUS = "−"

EXCHANGE_TIME = ZoneInfo("America/New_York")
EXCHANGE_TIME_NAME = "ET"

MIN_DECIMALS = 2
CENT = Decimal("0.01")
MAX_DECIMALS = ((Decimal(10_000), 2), (Decimal(1_000), 4), (Decimal(1), 6))
"""At most so many decimals from this magnitude on: no instrument's tick is finer."""
MAX_DECIMALS_BELOW_ONE = 8
SMALLEST = "0.00000001"
"""A known number nearer to 0 is shown as less than this, never as 0."""

TOO_LONG = Decimal(10) ** 15
"""From here on a number is no price and no volume; it is shown in powers of ten."""

SCALES = (
    (Decimal(10) ** 12, "T"),
    (Decimal(10) ** 9, "B"),
    (Decimal(10) ** 6, "M"),
    (Decimal(10) ** 3, "K"),
)
ABBREVIATE_FROM = Decimal(10_000)

CURRENCY_SIGNS = {"USD": "$", "": ""}

REMEMBERED = 8_192
"""Texts of numbers: most of a row is as it was, and prices come again. More than the cells of the
longest table, so that it is not emptied by every look at it; full, a few MB."""

Direction = Literal["up", "down", "flat", "unknown"]


def is_known(value: Decimal | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and value.is_finite()


def direction_of(value: Decimal | None) -> Direction:
    """Which way a change points."""
    if value is None or not value.is_finite():
        return "unknown"
    return "up" if value > 0 else "down" if value < 0 else "flat"


def decimals_of(*prices: Decimal | None) -> int:
    """How many decimals show all these prices of one instrument, so that its cells line up."""
    decimals = MIN_DECIMALS
    for price in prices:
        # Two decimals, as most prices have, are found out by one cheap question.
        if price is not None and not price.same_quantum(CENT) and price.is_finite():
            decimals = max(decimals, _decimals_of(price))
    return decimals


@lru_cache(REMEMBERED)
def _decimals_of(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= MIN_DECIMALS:
        return MIN_DECIMALS
    magnitude = abs(price)
    most = next((most for from_, most in MAX_DECIMALS if magnitude >= from_), None)
    most = MAX_DECIMALS_BELOW_ONE if most is None else most
    # A binary fraction may carry digits that mean nothing, and zeros that say nothing.
    digits = f"{round(price, most):f}" if magnitude < TOO_LONG else ""
    return max(MIN_DECIMALS, len(digits.rstrip("0").partition(".")[2]))


def format_number(value: Decimal | None, decimals: int = MIN_DECIMALS) -> str:
    """`5,912.25`, `−0.35`, `–`."""
    return UNKNOWN if value is None or not value.is_finite() else _format_number(value, decimals)


@lru_cache(REMEMBERED)
def _format_number(value: Decimal, decimals: int) -> str:
    if abs(value) >= TOO_LONG:
        return f"{value:.2e}".replace("-", MINUS)
    text = f"{abs(value):,.{decimals}f}"
    if value and not text.strip("0.,"):
        return _format_tiny(value)
    return f"{MINUS}{text}" if value < 0 else text


def _format_tiny(value: Decimal) -> str:
    """Write what rounds to 0 by its first digit that does not, so that a 0 is always a 0."""
    decimals = -value.adjusted()
    if decimals <= MAX_DECIMALS_BELOW_ONE:
        text = f"{abs(value):.{decimals}f}"
        return f"{MINUS}{text}" if value < 0 else text
    return f">{MINUS}{SMALLEST}" if value < 0 else f"<{SMALLEST}"


def format_change(value: Decimal | None, decimals: int = MIN_DECIMALS) -> str:
    """The number with its sign, plus too: `+1.20`."""
    text = format_number(value, decimals)
    return f"+{text}" if direction_of(value) == "up" and text[0] != "<" else text


def format_percent(value: Decimal | None) -> str:
    """A change in percent with its sign: `+0.27%`."""
    text = format_change(value)
    return text if text == UNKNOWN else f"{text}%"


def format_quantity(value: Decimal | None) -> str:
    """Sizes and volumes: `1,200`, `48.2K`, `1.23M`; fractions of a coin in four digits."""
    return UNKNOWN if value is None or not value.is_finite() else _format_quantity(value)


@lru_cache(REMEMBERED)
def _format_quantity(value: Decimal) -> str:
    magnitude = abs(value)
    if magnitude >= TOO_LONG:
        return format_number(value)
    sign = MINUS if value < 0 else ""
    if magnitude >= ABBREVIATE_FROM:
        scale, letter = next(each for each in SCALES if magnitude >= each[0])
        scaled = magnitude / scale
        decimals = 2 if scaled < 10 else 1 if scaled < 100 else 0
        return f"{sign}{scaled:.{decimals}f}{letter}"
    if magnitude == magnitude.to_integral_value():
        return f"{sign}{magnitude:,.0f}"
    if magnitude >= 100:
        return f"{sign}{magnitude:,.1f}"
    text = f"{magnitude:.4f}".rstrip("0").rstrip(".")
    return _format_tiny(value) if text == "0" else f"{sign}{text}"


def format_money(value: Decimal | None, currency: str = "USD") -> str:
    """`$100,000.00`, `−$12.50`, `€`-like currencies by their name: `12.50 EUR`."""
    text = format_number(value)
    if text == UNKNOWN:
        return UNKNOWN
    sign = CURRENCY_SIGNS.get(currency)
    if sign is None:
        return f"{text} {currency}"
    digits = text.lstrip(f"<>{MINUS}")
    return f"{text.removesuffix(digits)}{sign}{digits}"


def format_clock(timestamp_ms: int | None) -> str:
    """The time of day at the exchange, to the second: `15:30:04`."""
    moment = _moment(timestamp_ms)
    return moment.astimezone(EXCHANGE_TIME).strftime("%H:%M:%S") if moment else UNKNOWN


def format_iso(timestamp_ms: int | None) -> str:
    """For the `datetime` attribute of `<time>`; empty when unknown."""
    moment = _moment(timestamp_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def parse_iso(text: str) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 time with a zone; None when it is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp() * 1000) if moment.tzinfo else None


def _moment(timestamp_ms: int | None) -> datetime | None:
    if timestamp_ms is None or timestamp_ms <= 0:
        return None
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
