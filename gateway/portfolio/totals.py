"""Sums over positions, which say how many positions are in none of them; pure."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

import msgspec


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of some positions; of each sum those that are unknown in it are left out.

    A total that leaves something out must say so: `unknown` counts the positions without a mark,
    `missing_basis` those that are valued but have no price to measure a gain from, and
    `missing_greeks` those whose greeks or beta are not known.
    """

    value: Decimal = Decimal(0)
    pnl_open: Decimal = Decimal(0)
    pnl_day: Decimal = Decimal(0)
    realized_day: Decimal = Decimal(0)
    delta: Decimal = Decimal(0)
    theta: Decimal = Decimal(0)
    beta_delta: Decimal = Decimal(0)
    unknown: int = 0
    missing_basis: int = 0
    missing_greeks: int = 0
    is_stale: bool = False


class Valued(Protocol):
    """A position with its figures: a valuation, or the record that was made of one."""

    @property
    def value(self) -> Decimal | None:
        """What it is worth; None without a mark, and then it is in no sum."""

    @property
    def pnl_open(self) -> Decimal | None:
        """The gain since it was opened."""

    @property
    def pnl_day(self) -> Decimal | None:
        """The gain of the day."""

    @property
    def realized_day(self) -> Decimal:
        """What of it was realized."""

    @property
    def delta(self) -> Decimal | None:
        """Of the whole position."""

    @property
    def theta(self) -> Decimal | None:
        """Of the whole position."""

    @property
    def beta_delta(self) -> Decimal | None:
        """Of the whole position, in shares of the index fund."""

    @property
    def is_stale(self) -> bool:
        """Whether a figure is known to be old."""


def total(valuations: Iterable[Valued]) -> Totals:
    """Return the sums of these positions.

    In one loop, because it is asked for once a second of every position of a desk.
    """
    value = pnl_open = pnl_day = realized_day = Decimal(0)
    delta = theta = beta_delta = Decimal(0)
    unknown = missing_basis = missing_greeks = 0
    is_stale = False
    for each in valuations:
        is_stale = is_stale or each.is_stale
        if each.value is None:
            unknown += 1
            missing_greeks += 1
            continue
        if each.delta is None or each.theta is None or each.beta_delta is None:
            missing_greeks += 1
        if each.pnl_open is None or each.pnl_day is None:
            missing_basis += 1
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
        missing_basis=missing_basis,
        missing_greeks=missing_greeks,
        is_stale=is_stale,
    )
