"""When each market trades: its days, their parts, and what is cut from them; pure.

All times are New York's, from which Chicago's differ by an hour all year. Where a source says
nothing certain of a stretch of time, the stretch is in the table as unsure: then a market is
neither open, so that its silence alarms nobody, nor closed.

Sources, as of 2026. Stocks and their options: NYSE rule 7.2, and its calendar of 2024 to 2028.
Index options: Cboe rule 5.1(b), to 16:15, on short days to 13:15; so do the options on the funds
that `markets` lists. CME Group's families: the hours of each contract's
specification, and the Globex holiday calendars of 2022 to 2026 (cmegroup.com/trading-hours): since
2022 a Monday holiday stops stock indices and interest rates at 13:00, energy and metals at 14:30,
currencies not at all; a holiday on a Friday ends the week at 13:00 for all of them; grains and
livestock are shut. CFE: rule 1202, VX from 18:00 to 17:00, on holidays to 11:30, on short days to
13:15. Crypto futures trade on weekends since 29 May 2026 (CME Group, 19 February 2026), but for a
pause of two hours or more that has no published time.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.streams.holidays import FRIDAY, MONDAY, ONE_DAY, SATURDAY, Occasion, occasion_of
from gateway.streams.markets import Market, SessionState, market_of

EXCHANGE_TIME = ZoneInfo("America/New_York")

REMEMBERED_DAYS = 4096

LONGEST_GAP_DAYS = 7
"""No market rests longer between two trading days."""
LONGEST_EVE_DAYS = 4
"""How long before its date a trading day may begin: crypto futures' Monday on Friday evening."""

_OF_DATES = re.compile(r"\{=\d*(?:mo|[dw])\b")

MIDNIGHT = time(0)
WEEKENDS_SINCE = date(2026, 6, 1)
"""The first trade date of crypto futures that began on a Friday evening."""
LATER_SINCE = date(2025, 1, 1)
"""Energy and metals trade an hour longer on the day after Thanksgiving: 14:45 (2025, 2026)."""


class Span(NamedTuple):
    """A stretch of trading without a pause, in ms since the epoch; `end_ms` is not part of it."""

    begin_ms: int
    end_ms: int
    is_sure: bool = True


class TradingDay(NamedTuple):
    """What a market calls a day: its date, and the stretches that belong to it, in order."""

    day: date
    spans: tuple[Span, ...]

    @property
    def begin_ms(self) -> int:
        """When it opens."""
        return self.spans[0].begin_ms

    @property
    def end_ms(self) -> int:
        """When it closes for good."""
        return self.spans[-1].end_ms


class Part(NamedTuple):
    """A stretch of every ordinary day; `eve` says that it begins on the day before."""

    begin: time
    end: time
    eve: bool = False
    is_sure: bool = True


class Close(NamedTuple):
    """An early close; until `perhaps` the market may still trade."""

    at: time
    perhaps: time | None = None


class Hours(NamedTuple):
    """A market's ordinary day, and how it ends on others; None there says that it is shut."""

    parts: tuple[Part, ...]
    ends: Mapping[Occasion, Close | None]


def _until(hour: int, minute: int = 0, *, perhaps: time | None = None) -> Close:
    return Close(time(hour, minute), perhaps)


_FOUR_DAYS: tuple[Occasion, ...] = ("new year", "good friday", "christmas", "thanksgiving")
_HOLIDAYS: tuple[Occasion, ...] = (
    *("king", "presidents", "memorial", "juneteenth", "independence", "labor", "thanksgiving"),
)
_SHUT: dict[Occasion, Close | None] = dict.fromkeys(("new year", "good friday", "christmas"))
_ALL_SHUT: dict[Occasion, Close | None] = dict.fromkeys(
    ("good friday, jobs report", *_HOLIDAYS, *_SHUT)
)
_SHORT: tuple[Occasion, ...] = ("independence eve", "after thanksgiving", "christmas eve")

_ODD: tuple[Occasion, ...] = ("good friday, jobs report", "mourning")

_GLOBEX = (Part(time(18), time(17), eve=True),)
_DAY = time(9, 30)

HOURS: dict[Market, Hours] = {
    "stocks": Hours(
        (Part(_DAY, time(16)),),
        {**_ALL_SHUT, "mourning": None, **dict.fromkeys(_SHORT, _until(13))},
    ),
    "index options": Hours(
        (Part(_DAY, time(16, 15)),),
        {**_ALL_SHUT, "mourning": None, **dict.fromkeys(_SHORT, _until(13, 15))},
    ),
    "index futures": Hours(
        _GLOBEX,
        {
            **_SHUT,
            **dict.fromkeys(_HOLIDAYS, _until(13)),
            **dict.fromkeys(_SHORT, _until(13, 15)),
            "good friday, jobs report": _until(9, 15),
            "mourning": _until(9, 30),
        },
    ),
    "currency futures": Hours(
        _GLOBEX,
        {
            **_SHUT,
            # To 13:15 until 2022, to 13:45 in what was published since.
            "after thanksgiving": _until(13, 15, perhaps=time(14, 45)),
            "christmas eve": _until(13, 15, perhaps=time(13, 45)),
            "good friday, jobs report": _until(11, 15),
        },
    ),
    "interest rate futures": Hours(
        _GLOBEX,
        {
            **_SHUT,
            **dict.fromkeys(_HOLIDAYS, _until(13)),
            "after thanksgiving": _until(13, 15),
            "christmas eve": _until(13, 15),
            "good friday, jobs report": _until(11, 15),
            "mourning": _until(13, 15),
        },
    ),
    "energy and metal futures": Hours(
        _GLOBEX,
        {
            **_SHUT,
            "good friday, jobs report": None,
            **dict.fromkeys(_HOLIDAYS, _until(14, 30)),
            "after thanksgiving": _until(14, 45),
            "christmas eve": _until(13, 45),
        },
    ),
    "grain futures": Hours(
        (Part(time(20), time(8, 45), eve=True), Part(_DAY, time(14, 20))),
        {
            **_ALL_SHUT,
            "after thanksgiving": _until(13, 5),
            "christmas eve": _until(13, 5),
            "independence eve": _until(13, 5, perhaps=time(14, 20)),
            "mourning": _until(13, 15),
        },
    ),
    "livestock futures": Hours(
        (Part(_DAY, time(14, 5)),),
        {
            **_ALL_SHUT,
            "after thanksgiving": _until(13, 5),
            "christmas eve": _until(13, 5, perhaps=time(13, 15)),
            "independence eve": _until(13, 5, perhaps=time(14, 5)),
            "mourning": _until(13, 15),
        },
    ),
    "crypto futures": Hours(
        _GLOBEX,
        {
            **_SHUT,
            "after thanksgiving": _until(13, 45),
            "christmas eve": _until(13, 15, perhaps=time(13, 45)),
            "good friday, jobs report": _until(11, 15),
        },
    ),
    "volatility futures": Hours(
        _GLOBEX,
        {
            **_SHUT,
            "good friday, jobs report": None,
            **dict.fromkeys(_HOLIDAYS, _until(11, 30)),
            **dict.fromkeys(_SHORT, _until(13, 15)),
            "mourning": _until(9, 30),
        },
    ),
    # What nobody put into the table: sure only while every known family trades.
    "other futures": Hours(
        (
            Part(time(18), time(10), eve=True, is_sure=False),
            Part(time(10), time(14, 5)),
            Part(time(14, 5), time(17), is_sure=False),
        ),
        {
            **_SHUT,
            **dict.fromkeys((*_HOLIDAYS, *_SHORT, *_ODD), Close(MIDNIGHT, perhaps=time(17))),
        },
    ),
}


def ms_at(day: date, at: time) -> int:
    """Return the ms since the epoch of a time of day in New York."""
    return int(datetime.combine(day, at, EXCHANGE_TIME).timestamp() * 1000)


def trading_day_by_rule(market: Market, day: date) -> TradingDay | None:
    """Return a market's trading day of this date as the tables have it; None when there is none."""
    return trading_day_on(market, day, occasion_of(day))


@lru_cache(REMEMBERED_DAYS)
def trading_day_on(market: Market, day: date, occasion: Occasion | None) -> TradingDay | None:
    """Return what a market's trading day of this date is on such an occasion."""
    if market == "crypto":
        return TradingDay(day, (Span(ms_at(day, MIDNIGHT), ms_at(day + ONE_DAY, MIDNIGHT)),))
    if day.weekday() >= SATURDAY:
        return None
    if market == "crypto futures" and day >= WEEKENDS_SINCE:
        return TradingDay(day, tuple(_without_weekend(day)))
    parts, ends = HOURS[market]
    close = ends.get(occasion, Close(time(23, 59))) if occasion else Close(time(23, 59))
    if close is None:
        return None
    if occasion in _HOLIDAYS and day.weekday() == FRIDAY and parts == _GLOBEX:
        close = min(close, Close(time(13)))
    if market == "energy and metal futures" and occasion == "after thanksgiving":
        close = close if day >= LATER_SINCE else Close(time(13, 45))
    if market == "grain futures" and not _has_night(day):
        parts = parts[1:]
    return TradingDay(day, tuple(_cut(parts, day, close)))


def _cut(parts: tuple[Part, ...], day: date, close: Close) -> Iterator[Span]:
    """The spans of a day up to its close, and those in which it may still trade."""
    close_ms = ms_at(day, close.at)
    perhaps_ms = close_ms if close.perhaps is None else ms_at(day, close.perhaps)
    for part in parts:
        begin_ms = ms_at(day - ONE_DAY if part.eve else day, part.begin)
        end_ms = ms_at(day, part.end)
        if begin_ms < close_ms:
            yield Span(begin_ms, min(end_ms, close_ms), part.is_sure)
        if max(begin_ms, close_ms) < min(end_ms, perhaps_ms):
            yield Span(max(begin_ms, close_ms), min(end_ms, perhaps_ms), False)


def _has_night(day: date) -> bool:
    """Whether grains trade in the night before: not after the holidays that keep people away."""
    before = occasion_of(day - ONE_DAY)
    if before == "independence":
        return (day - ONE_DAY).weekday() == MONDAY
    return before not in _FOUR_DAYS


def _without_weekend(day: date) -> Iterator[Span]:
    """A trading day of what never closes, on weekends included; the pause there is not known."""
    begin = day - ONE_DAY
    if day.weekday() == MONDAY:
        begin = day - 3 * ONE_DAY
        sunday_ms = ms_at(day - ONE_DAY, time(18))
        yield Span(ms_at(begin, time(17)), sunday_ms, False)
        yield Span(sunday_ms, ms_at(day, time(17)))
    else:
        yield Span(ms_at(begin, time(17)), ms_at(day, time(17)))


class Change(NamedTuple):
    """When a market's state changes next, and to what; None for what is not sure."""

    state: SessionState | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """The trading days of all markets: those of the tables, but where somebody knows better."""

    corrections: Mapping[tuple[Market, date], TradingDay | None] = field(default_factory=dict)

    def trading_day(self, market: Market, day: date) -> TradingDay | None:
        """Return the market's trading day of this date; None when it does not trade."""
        if (market, day) in self.corrections:
            return self.corrections[market, day]
        return trading_day_by_rule(market, day)

    def latest_day(self, market: Market, at_ms: int) -> TradingDay | None:
        """Return the trading day that has begun last: before the open, and after, the one before.

        None only for a time from which no trading day can be reached.
        """
        today = date_at(at_ms)
        for days in range(LONGEST_EVE_DAYS, -LONGEST_GAP_DAYS - 1, -1):
            found = self.trading_day(market, today + days * ONE_DAY)
            if found is not None and found.begin_ms <= at_ms:
                return found
        return None

    def state_at(self, market: Market, at_ms: int) -> SessionState | None:
        """Return whether the market trades at this time; None where the tables are not sure."""
        found = self.latest_day(market, at_ms)
        for begin_ms, end_ms, is_sure in found.spans if found else ():
            if begin_ms <= at_ms < end_ms:
                return "open" if is_sure else None
        return "closed"

    def next_change(self, market: Market, at_ms: int) -> Change | None:
        """Return when the market's state changes next; None when it never does."""
        state = self.state_at(market, at_ms)
        today = date_at(at_ms)
        bounds = sorted(
            bound
            for days in range(-LONGEST_GAP_DAYS, LONGEST_GAP_DAYS + LONGEST_EVE_DAYS)
            for found in (self.trading_day(market, today + days * ONE_DAY),)
            for span in (found.spans if found else ())
            for bound in span[:2]
            if bound > at_ms
        )
        for bound in bounds:
            then = self.state_at(market, bound)
            if then != state:
                return Change(then, bound)
        return None


BY_RULE = Sessions()
"""The tables alone."""


def date_at(at_ms: int) -> date:
    """Return the date in New York at this time."""
    return (datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(EXCHANGE_TIME)).date()


def candle_day(series: str, time_ms: int) -> int:
    """Return the day of a candle that begins then, as `day_number`; for `SPY{=5m}`, `SPY{=d}`.

    Candles of days, weeks and months carry a date, at midnight UTC, which is no instant of any
    market. Others belong to the trading day that has begun last.
    """
    if _OF_DATES.search(series):
        return time_ms // 86_400_000
    found = BY_RULE.latest_day(market_of(series), time_ms)
    return day_number(date_at(time_ms) if found is None else found.day)


def day_number(day: date) -> int:
    """Return a date as whole days since 1970-01-01, which no time zone can move."""
    return (day - date(1970, 1, 1)) // timedelta(days=1)
