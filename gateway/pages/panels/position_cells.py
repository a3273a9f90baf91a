"""The columns of positions: their heads, their cells, and what explains a row."""

from collections.abc import Callable
from decimal import Decimal

from markupsafe import escape

from gateway.pages.panel import RowChange
from gateway.pages.panels.sorting import Head
from gateway.pages.rendering.formats import (
    UNKNOWN,
    decimals_of,
    direction_of,
    format_change,
    format_number,
    format_percent,
    format_quantity,
)
from gateway.portfolio.totals import Totals
from gateway.streams.account_records import PositionUpdate

HEADS = {
    "account": Head("Account"),
    "quantity": Head("Qty", meaning="Quantity; short is negative"),
    "trade": Head("Trade", meaning="Average price paid or received for one unit"),
    "mark": Head(
        "Mark",
        meaning="What one unit is valued at: shares at the last trade within bid and ask, options "
        "and coins at the middle of bid and ask",
    ),
    "pnl_day": Head(
        "P/L day",
        meaning="(Mark − the day's basis) × quantity × multiplier, and what was realized today",
    ),
    "pnl_open": Head(
        "P/L open", meaning="(Mark − trade) × quantity × multiplier, and what was realized today"
    ),
    "pnl_open_pct": Head("P/L %", meaning="P/L open in per cent of what was paid"),
    "beta_delta": Head(
        "βΔ", meaning="Delta weighted by beta: as many shares of SPY move as much as this position"
    ),
    "delta": Head("Δ", meaning="Delta of the whole position"),
    "gamma": Head("Γ", meaning="Gamma of the whole position"),
    "theta": Head("Θ", meaning="Theta of the whole position: a day costs or brings so much"),
    "vega": Head("Vega", meaning="Vega of the whole position"),
    "iv_rank": Head("IV rank", meaning="Rank of the underlying's implied volatility in a year"),
    "dte": Head("DTE", meaning="Days to expiration"),
    "realized": Head("Realized", meaning="Realized today, measured from the day's basis"),
    "value": Head("Value", meaning="Mark × quantity × multiplier; short is negative"),
}
"""The columns by their names, in the order of the documentation."""

COLUMNS = (
    *("quantity", "trade", "mark", "pnl_day", "pnl_open", "pnl_open_pct"),
    *("beta_delta", "theta", "dte", "value"),
)

PRICE_DECIMALS = 4
"""At most: an average price has more, which mean nothing."""

SOURCES = {
    "last": "marked at the last trade",
    "mid": "marked in the middle of bid and ask",
    "theo": "marked at the theoretical price",
    "rest": "marked as the broker last said",
}


def explain_position(record: PositionUpdate) -> str:
    """Return the inputs of a row's figures, for its tooltip."""
    parts = [
        record.broker_symbol,
        f"account {record.account}",
        f"{format_quantity(record.quantity)} × {format_quantity(record.multiplier)}",
        f"opened at {_price(record.average_open_price)}",
        f"the day counts from {_price(record.day_basis)}",
        SOURCES.get(record.mark_source or "", "no mark is known"),
    ]
    return " · ".join(parts)


def _price(value: Decimal | None) -> str:
    return format_number(value, min(decimals_of(value), PRICE_DECIMALS))


def _money(value: Decimal | None) -> tuple[str, str]:
    return direction_of(value), format_change(value)


def _plain(value: Decimal | None, decimals: int = 2) -> tuple[str, str]:
    return "", format_number(value, decimals)


CELLS: dict[str, Callable[[PositionUpdate, RowChange], tuple[str, str]]] = {
    "account": lambda record, move: ("", escape(record.account)),
    "quantity": lambda record, move: ("", format_quantity(record.quantity)),
    "trade": lambda record, move: ("", _price(record.average_open_price)),
    "mark": lambda record, move: (
        f"c-last flash-{move.flash}" if move.flash else "c-last",
        _price(record.mark),
    ),
    "pnl_day": lambda record, move: _money(record.pnl_day),
    "pnl_open": lambda record, move: _money(record.pnl_open),
    "pnl_open_pct": lambda record, move: (
        direction_of(record.pnl_open_pct),
        format_percent(record.pnl_open_pct),
    ),
    "beta_delta": lambda record, move: _plain(record.beta_delta),
    "delta": lambda record, move: _plain(record.delta),
    "gamma": lambda record, move: _plain(record.gamma, 4),
    "theta": lambda record, move: _plain(record.theta),
    "vega": lambda record, move: _plain(record.vega),
    "iv_rank": lambda record, move: ("", _percent(record.implied_volatility_rank)),
    "dte": lambda record, move: (
        "",
        "" if record.days_to_expiration is None else f"{record.days_to_expiration}",
    ),
    "realized": lambda record, move: _money(record.realized_day or None),
    "value": lambda record, move: _plain(record.value),
}
"""The class and the content of a position's cell, by column."""

SUMMED = frozenset({"pnl_day", "pnl_open", "beta_delta", "delta", "theta", "value"})


def write_sum(column: str, totals: Totals) -> tuple[str, str]:
    """Return the class and the content of a sum's cell; empty where there is no sum."""
    if column == "realized":
        return _money(totals.realized_day or None)
    if column not in SUMMED:
        return "", ""
    value = getattr(totals, column)
    return _money(value) if column.startswith("pnl") else _plain(value)


def _percent(fraction: Decimal | None) -> str:
    text = format_number(None if fraction is None else fraction * 100, 0)
    return text if text == UNKNOWN else f"{text}%"
