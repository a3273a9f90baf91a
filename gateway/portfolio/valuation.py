"""What a position is worth and what it has gained, from the broker's row and the feed; pure.

Formulas are Tastytrade's ("Positions and balances"). With the signed quantity q and multiplier m:
value = mark · q · m, open gain = (mark − average open) · q · m, day's gain = (mark − day's basis) ·
q · m, each gain plus what was realized today. Gross of fees. What depends on an unknown is unknown.
"""

from datetime import date
from decimal import Decimal

import msgspec

from gateway.portfolio.holding import CASH_SETTLED_DAILY, OPTIONS, Holding
from gateway.portfolio.marks import MarkSource, Prices, find_mark

PERCENT_DIGITS = Decimal("0.0001")
GREEK_DIGITS = Decimal("0.0001")


class Greeks(msgspec.Struct, frozen=True, kw_only=True):
    """Sensitivities of one unit; None where unknown."""

    delta: Decimal | None = None
    gamma: Decimal | None = None
    theta: Decimal | None = None
    vega: Decimal | None = None


ONE_UNIT = Greeks(delta=Decimal(1), gamma=Decimal(0), theta=Decimal(0), vega=Decimal(0))
"""Of what is no option."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What a position is weighed against: its underlying and the index fund; None where unknown."""

    underlying_price: Decimal | None = None
    beta: Decimal | None = None
    index_price: Decimal | None = None
    """The price of SPY."""
    index_equivalent: Decimal | None = None
    """How many shares of SPY one contract is worth, where the broker says so (futures)."""


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one position; amounts in its currency, greeks of the whole position.

    `value` of a future is its move since the last settlement, which is all of it that is not yet
    in the cash.
    """

    mark: Decimal | None
    mark_source: MarkSource | None
    value: Decimal | None
    pnl_open: Decimal | None
    pnl_open_pct: Decimal | None
    pnl_day: Decimal | None
    realized_day: Decimal
    delta: Decimal | None
    gamma: Decimal | None
    theta: Decimal | None
    vega: Decimal | None
    beta_delta: Decimal | None
    days_to_expiration: int | None
    is_stale: bool

    @property
    def is_unknown(self) -> bool:
        """Whether it has no mark, so that it is in none of the sums."""
        return self.value is None


def value_holding(
    holding: Holding,
    prices: Prices,
    today: date,
    *,
    greeks: Greeks | None = None,
    reference: Reference | None = None,
) -> Valuation:
    """Return the figures of a position; `today` is the date in New York.

    `greeks` are of one unit and needed for options only.
    """
    reference = reference or Reference()
    realized_day = holding.realized_of_day(today)
    realized_open = holding.realized_open(today)
    days = None if holding.expires_on is None else (holding.expires_on - today).days
    quantity = holding.signed_quantity
    if not quantity:
        zero = Decimal(0)
        return Valuation(
            mark=None,
            mark_source=None,
            value=zero,
            pnl_open=realized_open,
            pnl_open_pct=None,
            pnl_day=realized_day,
            realized_day=realized_day,
            delta=zero,
            gamma=zero,
            theta=zero,
            vega=zero,
            beta_delta=zero,
            days_to_expiration=days,
            is_stale=False,
        )
    mark = find_mark(holding.instrument_type, prices, holding.broker_mark)
    units = quantity * holding.multiplier
    unrealized_open = _gain(mark.price, holding.average_open_price, units)
    unrealized_day = _gain(mark.price, holding.average_daily_price, units)
    if holding.instrument_type in CASH_SETTLED_DAILY:
        value = unrealized_day
    else:
        value = None if mark.price is None else mark.price * units
    unit = greeks or Greeks() if holding.instrument_type in OPTIONS else ONE_UNIT
    delta = _times(unit.delta, units)
    pnl_open = _plus(unrealized_open, realized_open)
    return Valuation(
        mark=mark.price,
        mark_source=mark.source,
        value=value,
        pnl_open=pnl_open,
        pnl_open_pct=_percent(pnl_open, holding, units),
        pnl_day=_plus(unrealized_day, realized_day),
        realized_day=realized_day,
        delta=delta,
        gamma=_times(unit.gamma, units),
        theta=_times(unit.theta, units),
        vega=_times(unit.vega, units),
        beta_delta=_weigh(delta, unit.delta, holding, reference),
        days_to_expiration=days,
        is_stale=prices.is_stale or mark.source == "rest",
    )


def _gain(price: Decimal | None, basis: Decimal | None, units: Decimal) -> Decimal | None:
    return None if price is None or basis is None else (price - basis) * units


def _plus(amount: Decimal | None, more: Decimal) -> Decimal | None:
    return None if amount is None else amount + more


def _times(amount: Decimal | None, units: Decimal) -> Decimal | None:
    return None if amount is None else amount * units


def _percent(gain: Decimal | None, holding: Holding, units: Decimal) -> Decimal | None:
    """Return the gain in per cent of what was paid or received at the opening."""
    if gain is None or not holding.average_open_price:
        return None
    return (gain / abs(holding.average_open_price * units) * 100).quantize(PERCENT_DIGITS)


def _weigh(
    delta: Decimal | None, unit_delta: Decimal | None, holding: Holding, reference: Reference
) -> Decimal | None:
    """Return the delta in shares of the index fund that move as much."""
    beta, index = reference.beta, reference.index_price
    if delta is None or unit_delta is None:
        return None
    if reference.index_equivalent is not None:
        weighed = unit_delta * holding.signed_quantity * reference.index_equivalent
        return weighed.quantize(GREEK_DIGITS)
    if beta is None or not index or reference.underlying_price is None:
        return None
    return (delta * beta * reference.underlying_price / index).quantize(GREEK_DIGITS)
