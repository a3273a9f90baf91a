"""Records of positions, orders and portfolios from the broker's rows and what they are worth; pure.

Prices of orders are signed as the broker's cash is: a credit is positive.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from gateway.portfolio.totals import Totals
from gateway.portfolio.valuation import Valuation
from gateway.streams.account_records import (
    BalanceUpdate,
    OrderLeg,
    OrderUpdate,
    PortfolioUpdate,
    PositionUpdate,
)
from gateway.streams.records import format_time
from gateway.streams.upstream.rows import LegRow, OrderRow, PositionRow

TERMINAL = frozenset(
    {
        *("Filled", "Cancelled", "Canceled", "Expired", "Rejected", "Removed"),
        "Partially Removed",
    }
)
"""An order of any other status, also one that nobody knows, may still be filled."""

PRICE_DIGITS = Decimal("0.000001")

_OCC = re.compile(r"(?P<root>[A-Z0-9./]+) *(?P<date>\d{6})(?P<side>[CP])(?P<strike>\d{8})\Z")
_FUTURE_OPTION = re.compile(
    r"\.?/?\S+ +(?P<root>\S+) +(?P<date>\d{6})(?P<side>[CP])(?P<strike>[\d.]+)\Z"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def describe_instrument(instrument_type: str, symbol: str) -> str:
    """Return a broker's symbol for people: `SPY 18 Dec 26 600 C`; what is no option as it is."""
    if instrument_type == "Equity Option" and (parts := _OCC.match(symbol)):
        return _describe_option(parts, Decimal(parts["strike"]) / 1000) or symbol
    if instrument_type == "Future Option" and (parts := _FUTURE_OPTION.match(symbol)):
        return _describe_option(parts, Decimal(parts["strike"])) or symbol
    return symbol


def _describe_option(parts: "re.Match[str]", strike: Decimal) -> str | None:
    text = parts["date"]
    try:
        day = date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return None
    shown = f"{strike.normalize():f}"
    month = _MONTHS[day.month - 1]
    return f"{parts['root']} {day.day} {month} {day:%y} {shown} {parts['side']}"


def make_position_update(
    row: PositionRow,
    worth: Valuation,
    *,
    login: str,
    symbol: str | None,
    description: str,
    expires_at: str | None,
    multiplier: Decimal,
    rank: Decimal | None,
    stale: bool,
    updated_at: str,
) -> PositionUpdate:
    """Return the record of a position; `multiplier` is the one that it was valued with."""
    held = row.holding
    return PositionUpdate(
        account=row.account,
        symbol=symbol,
        broker_symbol=held.broker_symbol,
        instrument_type=held.instrument_type,
        underlying=held.underlying,
        description=description,
        quantity=held.signed_quantity,
        multiplier=multiplier,
        average_open_price=held.average_open_price,
        day_basis=held.average_daily_price,
        mark=worth.mark,
        mark_source=worth.mark_source,
        value=worth.value,
        pnl_open=worth.pnl_open,
        pnl_open_pct=worth.pnl_open_pct,
        pnl_day=worth.pnl_day,
        realized_day=worth.realized_day,
        delta=worth.delta,
        gamma=worth.gamma,
        theta=worth.theta,
        vega=worth.vega,
        beta_delta=worth.beta_delta,
        implied_volatility_rank=rank,
        expires_at=expires_at,
        days_to_expiration=worth.days_to_expiration,
        updated_at=updated_at,
        source=row.source,
        login=login,
        stale=stale or worth.is_stale,
    )


def make_portfolio_update(
    account: str,
    totals: Totals,
    balance: BalanceUpdate | None,
    *,
    login: str,
    net_liq: Decimal | None,
    basis: Decimal | None,
    stale: bool,
    updated_at: str,
) -> PortfolioUpdate:
    """Return the record of an account's positions together.

    `basis` is the net liquidating value that the day began with, deposits since then included.
    """
    return PortfolioUpdate(
        account=account,
        net_liq=net_liq,
        net_liq_reported=None if balance is None else balance.balance,
        cash=None if balance is None else balance.cash,
        value=totals.value,
        pnl_open=totals.pnl_open,
        pnl_day=totals.pnl_day,
        day_change=None if net_liq is None or basis is None else net_liq - basis,
        delta=totals.delta,
        theta=totals.theta,
        beta_delta=totals.beta_delta,
        unknown=totals.unknown,
        missing_basis=totals.missing_basis,
        missing_greeks=totals.missing_greeks,
        updated_at=updated_at,
        login=login,
        stale=stale or totals.is_stale or (balance is not None and balance.stale),
    )


FindSymbol = Callable[[str, str], str | None]
"""Returns the streamer symbol of a type and a broker symbol; None while it is not known."""


def make_order_update(
    row: OrderRow, find_symbol: FindSymbol, *, login: str, stale: bool
) -> OrderUpdate:
    """Return the record of an order."""
    return OrderUpdate(
        account=row.account,
        order_id=row.order_id,
        status=row.status,
        underlying=row.underlying,
        description=" · ".join(map(_describe_leg, row.legs)) or (row.underlying or ""),
        legs=tuple(
            OrderLeg(
                action=leg.action,
                symbol=find_symbol(leg.instrument_type, leg.broker_symbol),
                broker_symbol=leg.broker_symbol,
                quantity=leg.quantity,
                filled=leg.filled,
            )
            for leg in row.legs
        ),
        order_type=row.order_type,
        time_in_force=row.time_in_force,
        price=row.price,
        fill_price=find_fill_price(row),
        filled=find_filled(row),
        size=row.size,
        received_at=None if row.received_at is None else to_text(row.received_at.timestamp()),
        updated_at=None if row.updated_at is None else to_text(row.updated_at.timestamp()),
        replaces=row.replaces,
        reject_reason=row.reject_reason,
        is_working=row.status not in TERMINAL and not row.is_terminal,
        source=row.source,
        login=login,
        stale=stale,
    )


def find_fill_price(row: OrderRow) -> Decimal | None:
    """Return the average price of a unit of the order, a credit positive; None before all legs
    have an execution."""
    if not row.legs or not row.size:
        return None
    total = Decimal(0)
    for leg in row.legs:
        executed = sum((fill.quantity for fill in leg.fills), Decimal(0))
        if not executed or leg.quantity is None:
            return None
        paid = sum((fill.quantity * fill.price for fill in leg.fills), Decimal(0))
        sign = 1 if leg.action.startswith("Sell") else -1
        total += sign * paid / executed * leg.quantity / row.size
    return total.quantize(PRICE_DIGITS).normalize() + Decimal(0)


def find_filled(row: OrderRow) -> Decimal | None:
    """Return how many units of the order are executed: as many as of the leg that lags behind."""
    units = [
        leg.filled * row.size / leg.quantity
        for leg in row.legs
        if leg.quantity and row.size and leg.filled is not None
    ]
    return min(units) if row.legs and len(units) == len(row.legs) else None


def to_text(at_s: float) -> str:
    """Return an instant as records write it."""
    return format_time(round(at_s * 1000))


def _describe_leg(leg: LegRow) -> str:
    quantity = "" if leg.quantity is None else f"{leg.quantity.normalize():f} "
    return f"{leg.action} {quantity}{describe_instrument(leg.instrument_type, leg.broker_symbol)}"
