"""Earnings and dividends of the listed companies, past and to come; pure.

Dates and figures are made up from the symbol, so that they are the same in every run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random

from gateway.simulator.market.calendar import is_trading_day, next_trading_day
from gateway.simulator.market.universe import Instrument, Kind

PAST_QUARTERS = 8
MARGIN = 0.011  # quarterly earnings as a part of the price


@dataclass(frozen=True, slots=True)
class Earnings:
    """One quarterly report; `eps` is what was or will be reported."""

    day: date
    quarter_end: date
    eps: float
    estimate: float
    time_of_day: str  # BTO before the open, AMC after the close


@dataclass(frozen=True, slots=True)
class Dividend:
    """One dividend a share."""

    ex_day: date
    pay_day: date
    amount: float


def next_earnings(item: Instrument, today: date) -> Earnings | None:
    """Return the next report from a day on, or None for what reports nothing."""
    return next((each for each in _list_earnings(item, today) if each.day >= today), None)


def past_earnings(item: Instrument, today: date) -> list[Earnings]:
    """Return the reports before a day, the newest first."""
    return [each for each in _list_earnings(item, today) if each.day < today][::-1]


def next_dividend(item: Instrument, today: date) -> Dividend | None:
    """Return the next dividend from a day on, or None for what pays none."""
    return next((each for each in _list_dividends(item, today) if each.ex_day >= today), None)


def past_dividends(item: Instrument, today: date) -> list[Dividend]:
    """Return the dividends before a day, the newest first."""
    return [each for each in _list_dividends(item, today) if each.ex_day < today][::-1]


@lru_cache(maxsize=256)
def _list_earnings(item: Instrument, today: date) -> tuple[Earnings, ...]:
    if item.kind is not Kind.EQUITY or item.is_etf:
        return ()
    random = Random(f"{item.symbol}:earnings")
    delay = random.randrange(14, 50)
    time_of_day = random.choice(("BTO", "AMC"))
    found = []
    for quarter_end in _quarter_ends(today):
        per_share = item.price * MARGIN * (0.85 + 0.3 * random.random())
        surprise = 1 + random.uniform(-0.08, 0.12)
        found.append(
            Earnings(
                _on_trading_day(quarter_end + timedelta(days=delay)),
                quarter_end,
                round(per_share * surprise, 2),
                round(per_share, 2),
                time_of_day,
            )
        )
    return tuple(found)


@lru_cache(maxsize=256)
def _list_dividends(item: Instrument, today: date) -> tuple[Dividend, ...]:
    if item.dividend <= 0:
        return ()
    delay = Random(f"{item.symbol}:dividends").randrange(20, 80)
    amount = round(item.dividend * item.price / 4, 2)
    days = [_on_trading_day(end + timedelta(days=delay)) for end in _quarter_ends(today)]
    return tuple(Dividend(day, _on_trading_day(day + timedelta(days=21)), amount) for day in days)


def _quarter_ends(today: date) -> Iterator[date]:
    for n in range(-PAST_QUARTERS - 1, 3):
        months = today.year * 12 + (today.month - 1) // 3 * 3 + 3 * n
        yield date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def _on_trading_day(day: date) -> date:
    return day if is_trading_day(day) else next_trading_day(day)
