"""Sums over positions, which say how many positions are in none of them; pure."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from gateway.portfolio.valuation import Valuation


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of some positions; of each sum those that are unknown in it are left out.

    `unknown` counts the positions without a mark, `missing_greeks` those whose greeks or beta are
    not known: a total that leaves something out must say so.
    """

    value: Decimal = Decimal(0)
    pnl_open: Decimal = Decimal(0)
    pnl_day: Decimal = Decimal(0)
    realized_day: Decimal = Decimal(0)
    delta: Decimal = Decimal(0)
    theta: Decimal = Decimal(0)
    beta_delta: Decimal = Decimal(0)
    unknown: int = 0
    missing_greeks: int = 0
    is_stale: bool = False

    def __add__(self, other: "Totals") -> "Totals":
        """Return the totals of both together."""
        return Totals(
            **{
                name: getattr(self, name) + getattr(other, name)
                for name in self.__struct_fields__
                if name != "is_stale"
            },
            is_stale=self.is_stale or other.is_stale,
        )


def total(valuations: Iterable[Valuation]) -> Totals:
    """Return the sums of these positions.

    In one loop, because it is asked for once a second of every position of a desk.
    """
    value = pnl_open = pnl_day = realized_day = Decimal(0)
    delta = theta = beta_delta = Decimal(0)
    unknown = missing_greeks = 0
    is_stale = False
    for each in valuations:
        is_stale = is_stale or each.is_stale
        if each.value is None:
            unknown += 1
            missing_greeks += 1
            continue
        if each.delta is None or each.theta is None or each.beta_delta is None:
            missing_greeks += 1
        value += each.value
        realized_day += each.realized_day
        pnl_open += each.pnl_open or 0
        pnl_day += each.pnl_day or 0
        delta += each.delta or 0
        theta += each.theta or 0
        beta_delta += each.beta_delta or 0
    return Totals(
        value=value,
        pnl_open=pnl_open,
        pnl_day=pnl_day,
        realized_day=realized_day,
        delta=delta,
        theta=theta,
        beta_delta=beta_delta,
        unknown=unknown,
        missing_greeks=missing_greeks,
        is_stale=is_stale,
    )
