"""The days on which American markets differ from other weekdays, by rule; pure.

NYSE rule 7.2 and its holiday calendar for 2024 to 2028 (nyse.com/markets/hours-calendars), which
Cboe and CME Group follow in what they call by the same names; 5 U.S.C. 6103 for the dates
themselves. Days that no rule foretells stand in a table.
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

Occasion = Literal[
    "new year",
    "king",
    "presidents",
    "good friday",
    "good friday, jobs report",
    "memorial",
    "juneteenth",
    "independence",
    "labor",
    "thanksgiving",
    "christmas",
    "independence eve",
    "after thanksgiving",
    "christmas eve",
    "mourning",
]
"""Why a weekday is not like others. Those after "christmas" are working days that end early."""

ONE_DAY = timedelta(days=1)
MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6

OF_THEIR_OWN: dict[date, Occasion] = {
    # A national day of mourning for President Carter, by proclamation of 30 December 2024.
    date(2025, 1, 9): "mourning",
}

JOBS_REPORT_LATEST = 7
"""The Employment Situation comes on the first Friday of April, Good Friday or not; CME's interest
rate, currency and index futures then open for the morning (2021, 2023, 2026)."""


@lru_cache(32)
def occasions(year: int) -> dict[date, Occasion]:
    """Return the weekdays of a year that are holidays or cut short, each with its occasion."""
    found: dict[date, Occasion] = {}
    new_year = date(year, 1, 1)
    # On a Saturday it is not kept: the Friday before ends the year's books.
    if new_year.weekday() != SATURDAY:
        found[_observe(new_year)] = "new year"
    found[_nth(year, 1, MONDAY, 3)] = "king"
    found[_nth(year, 2, MONDAY, 3)] = "presidents"
    friday = easter(year) - 2 * ONE_DAY
    has_report = friday.month == 4 and friday.day <= JOBS_REPORT_LATEST
    found[friday] = "good friday, jobs report" if has_report else "good friday"
    found[_nth(year, 6, MONDAY, 1) - 7 * ONE_DAY] = "memorial"
    found[_observe(date(year, 6, 19))] = "juneteenth"
    found[_observe(date(year, 7, 4))] = "independence"
    found[_nth(year, 9, MONDAY, 1)] = "labor"
    thanksgiving = _nth(year, 11, THURSDAY, 4)
    found[thanksgiving] = "thanksgiving"
    found[thanksgiving + ONE_DAY] = "after thanksgiving"
    found[_observe(date(year, 12, 25))] = "christmas"
    # Only the eve of a holiday that is itself a weekday: none is cut short for an observed one.
    if date(year, 7, 3).weekday() < FRIDAY:
        found[date(year, 7, 3)] = "independence eve"
    if date(year, 12, 24).weekday() < FRIDAY:
        found[date(year, 12, 24)] = "christmas eve"
    return found | {day: why for day, why in OF_THEIR_OWN.items() if day.year == year}


def occasion_of(day: date) -> Occasion | None:
    """Return what a day is, when it is a weekday unlike others."""
    return occasions(day.year).get(day)


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher's algorithm)."""
    century, rest = divmod(year, 100)
    leap_centuries, rest_of_century = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * (year % 19) + century - leap_centuries - correction + 15) % 30
    leap_years, rest_of_year = divmod(rest, 4)
    weekday = (32 + 2 * rest_of_century + 2 * leap_years - moon - rest_of_year) % 7
    shift = (year % 19 + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def _observe(day: date) -> date:
    """The weekday on which a fixed holiday is kept."""
    if day.weekday() == SATURDAY:
        return day - ONE_DAY
    return day + ONE_DAY if day.weekday() == SUNDAY else day


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    """The nth such weekday of a month."""
    first = date(year, month, 1)
    return first + ((weekday - first.weekday()) % 7 + 7 * (count - 1)) * ONE_DAY
