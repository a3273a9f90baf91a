"""Trading days, half days and sessions of the exchanges, and when options stop trading; pure.

Sources: NYSE rule 7.2 and its published calendars (holidays, 13:00 closes), CME Globex hours
(Sunday to Friday, 17:00 to 16:00 Chicago). Instants are in epoch seconds, days are New York's.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)
PRE_OPEN = time(4)
OPEN = time(9, 30)
CLOSE = time(16)
EARLY_CLOSE = time(13)
EXTENDED_CLOSE = time(20)
EARLY_EXTENDED_CLOSE = time(17)
FUTURES_OPEN = time(18)  # of the evening before
FUTURES_CLOSE = time(17)
FUTURES_EARLY_CLOSE = time(13)


class Phase(StrEnum):
    """What a market does at an instant, in the words of the REST interface."""

    OPEN = "Open"
    CLOSED = "Closed"
    PRE = "Pre-market"
    EXTENDED = "Extended"


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a collection of instruments; `start_at` is when the earliest orders trade."""

    collection: str
    day: date
    start_s: float
    open_s: float
    close_s: float
    extended_s: float

    def phase(self, now: float) -> Phase:
        """Return what the market does at an instant, as far as this session says."""
        if self.open_s <= now < self.close_s:
            return Phase.OPEN
        if self.start_s <= now < self.open_s:
            return Phase.PRE
        return Phase.EXTENDED if self.close_s <= now < self.extended_s else Phase.CLOSED


COLLECTIONS = ("Equity", "CME", "CFE", "Smalls")


def instant(day: date, at: time) -> float:
    """Return the epoch second of a New York wall clock time."""
    return datetime.combine(day, at, NEW_YORK).timestamp()


def local_day(now: float) -> date:
    """Return New York's date at an instant."""
    return datetime.fromtimestamp(now, NEW_YORK).date()


@lru_cache(maxsize=64)
def list_holidays(year: int) -> dict[date, str]:
    """Return the days of a year on which the stock exchanges stay closed, with their names."""
    days = {
        _nth_weekday(year, 1, 0, 3): "Martin Luther King, Jr. Day",
        _nth_weekday(year, 2, 0, 3): "Washington's Birthday",
        _easter(year) - 2 * DAY: "Good Friday",
        _last_monday_of_may(year): "Memorial Day",
        _observed(date(year, 6, 19)): "Juneteenth",
        _observed(date(year, 7, 4)): "Independence Day",
        _nth_weekday(year, 9, 0, 1): "Labor Day",
        _nth_weekday(year, 11, 3, 4): "Thanksgiving Day",
        _observed(date(year, 12, 25)): "Christmas Day",
    }
    new_year = date(year, 1, 1)
    # A New Year's Day on a Saturday is not made up for: the Friday before ends the year's books.
    if new_year.weekday() != 5:
        days[_observed(new_year)] = "New Year's Day"
    return dict(sorted(days.items()))


@lru_cache(maxsize=64)
def list_half_days(year: int) -> tuple[date, ...]:
    """Return the days of a year that end at 13:00."""
    candidates = (date(year, 7, 3), _nth_weekday(year, 11, 3, 4) + DAY, date(year, 12, 24))
    holidays = list_holidays(year)
    return tuple(
        day
        for day in candidates
        if day.weekday() < 5
        and day not in holidays
        and (day.month != 7 or date(year, 7, 4).weekday() < 5)
    )


def is_trading_day(day: date) -> bool:
    """Return whether the stock exchanges open on a day."""
    return day.weekday() < 5 and day not in list_holidays(day.year)


def is_half_day(day: date) -> bool:
    """Return whether a day ends at 13:00."""
    return day in list_half_days(day.year)


def next_trading_day(day: date) -> date:
    """Return the first trading day after a day."""
    day += DAY
    while not is_trading_day(day):
        day += DAY
    return day


def previous_trading_day(day: date) -> date:
    """Return the last trading day before a day."""
    day -= DAY
    while not is_trading_day(day):
        day -= DAY
    return day


def third_friday(year: int, month: int) -> date:
    """Return the third Friday of a month, holiday or not."""
    return _nth_weekday(year, month, 4, 3)


def monthly_expiry(year: int, month: int) -> date:
    """Return the day on which monthly options expire: a holiday moves it a day forward."""
    day = third_friday(year, month)
    return day if is_trading_day(day) else previous_trading_day(day)


def close_of(day: date) -> float:
    """Return the instant at which the regular session of a day ends."""
    return instant(day, EARLY_CLOSE if is_half_day(day) else CLOSE)


def find_session(collection: str, day: date) -> Session | None:
    """Return the session of a day, or None when there is none."""
    if collection == "Equity":
        if not is_trading_day(day):
            return None
        ends = EARLY_EXTENDED_CLOSE if is_half_day(day) else EXTENDED_CLOSE
        return Session(
            collection, day, instant(day, PRE_OPEN), instant(day, OPEN), close_of(day),
            instant(day, ends),
        )  # fmt: skip
    # Futures trade on holidays too, but for New Year's Day, Good Friday and Christmas.
    name = list_holidays(day.year).get(day, "")
    if day.weekday() >= 5 or name in ("New Year's Day", "Good Friday", "Christmas Day"):
        return None
    closes = FUTURES_EARLY_CLOSE if name or is_half_day(day) else FUTURES_CLOSE
    begins, ends_s = instant(day - DAY, FUTURES_OPEN), instant(day, closes)
    return Session(collection, day, begins, begins, ends_s, ends_s)


def current_session(collection: str, now: float) -> Session | None:
    """Return the session that is going on at an instant, or that of New York's day."""
    day = local_day(now)
    tomorrow = find_session(collection, day + DAY)
    if tomorrow is not None and tomorrow.start_s <= now:
        return tomorrow
    return find_session(collection, day)


def next_session(collection: str, day: date) -> Session:
    """Return the first session after a day."""
    while True:
        day += DAY
        session = find_session(collection, day)
        if session is not None:
            return session


def previous_session(collection: str, day: date) -> Session:
    """Return the last session before a day."""
    while True:
        day -= DAY
        session = find_session(collection, day)
        if session is not None:
            return session


def find_phase(collection: str, now: float) -> Phase:
    """Return what a market does at an instant."""
    session = current_session(collection, now)
    return Phase.CLOSED if session is None else session.phase(now)


def _observed(day: date) -> date:
    return day + {5: -DAY, 6: DAY}.get(day.weekday(), timedelta())


def _nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def _easter(year: int) -> date:
    """The anonymous Gregorian computus (Meeus, Astronomical Algorithms, chapter 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    f = (b + 8) // 25
    g = (b - f + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
