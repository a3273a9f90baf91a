"""What the broker says of the markets' hours, held against our own tables.

Its answers (`/market-time/…`) are a second witness: where they name a time and our table another,
theirs counts, for as long as they say so. They speak of three collections; what they call "CME"
is taken for stock index futures alone, because grains or currencies have holidays of their own.
Of futures only the end of a session is taken, because the broker's "open" may be that of the pit.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec

from gateway.errors import UpstreamError
from gateway.streams.holidays import ONE_DAY, SATURDAY, Occasion, occasion_of
from gateway.streams.markets import Market
from gateway.streams.sessions import (
    EXCHANGE_TIME,
    Span,
    TradingDay,
    date_at,
    trading_day_by_rule,
    trading_day_on,
)
from gateway.streams.upstream.sdk import NETWORK_ERRORS

logger = logging.getLogger(__name__)

COLLECTIONS: Mapping[str, tuple[Market, ...]] = {
    "Equity": ("stocks", "index options"),
    "CME": ("index futures",),
    "CFE": ("volatility futures",),
}
EQUITY = "Equity"

SESSIONS_PATH = "/market-time/sessions/current"
HOLIDAY_PATHS: Mapping[str, str] = {
    "Equity": "/market-time/equities/holidays",
    "CME": "/market-time/futures/holidays/CME",
    "CFE": "/market-time/futures/holidays/CFE",
}

TIMEOUT_S = 60.0
"""For one answer; before there is a session, a request waits for it."""
TOLERANCE_MS = 60_000
"""Less is no disagreement."""
QUARTER_MS = 15 * 60_000
"""Index options close so much later than stocks."""
DAYS_BACK = 3
DAYS_AHEAD = 14
"""How far from today an answer counts: what is farther will be asked again before it matters."""
LONGEST_SESSION = timedelta(hours=24)

T = TypeVar("T")

Corrections = dict[tuple[Market, date], TradingDay | None]
Call = Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]]
"""`BrokerSession.call`."""


class Times(msgspec.Struct, rename="kebab", kw_only=True):
    """One session; the broker leaves out what it does not know."""

    open_at: datetime | None = None
    close_at: datetime | None = None


class CurrentSession(Times, rename="kebab", kw_only=True):
    """A collection's session of now, and its neighbours."""

    instrument_collection: str
    next_session: Times | None = None
    previous_session: Times | None = None


class Holidays(msgspec.Struct, rename="kebab"):
    """The days of a calendar on which the market is shut, and on which it closes early."""

    market_holidays: tuple[date, ...] = ()
    market_half_days: tuple[date, ...] = ()


class MarketTime(NamedTuple):
    """What the broker answered, as far as it did."""

    sessions: tuple[CurrentSession, ...] = ()
    holidays: Mapping[str, Holidays] = {}


async def fetch_market_time(call: Call) -> MarketTime:
    """Ask the broker; what it refuses, or answers in a form we cannot read, is left out."""
    answer = await _ask(call, SESSIONS_PATH, {"instrument-collections[]": list(COLLECTIONS)})
    items = answer.get("items", ()) if isinstance(answer, dict) else ()
    found = (_read(CurrentSession, each) for each in items)
    sessions = tuple(each for each in found if each is not None)
    holidays = {}
    for collection, path in HOLIDAY_PATHS.items():
        read = _read(Holidays, await _ask(call, path, None))
        if read is not None:
            holidays[collection] = read
    return MarketTime(sessions, holidays)


async def _ask(call: Call, path: str, params: dict[str, Any] | None) -> Any:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await call(lambda sdk: sdk._get(path, params=params))
    except (UpstreamError, *NETWORK_ERRORS) as error:
        logger.info("the broker did not answer %s (%s)", path, type(error).__name__)
        return None


def _read(cls: type[T], answer: Any) -> T | None:
    try:
        return msgspec.convert(answer, cls)
    except msgspec.ValidationError:
        return None


def find_corrections(answers: MarketTime, now_ms: int) -> Corrections:
    """Return the trading days that the broker has otherwise than our tables; pure."""
    today = date_at(now_ms)
    near = [today + days * ONE_DAY for days in range(-DAYS_BACK, DAYS_AHEAD + 1)]
    said: Corrections = {}
    for collection, holidays in answers.holidays.items():
        said.update(_by_holidays(collection, holidays, near))
    for session in answers.sessions:
        said.update(_by_sessions(session, near, said))
    return {
        (market, day): theirs
        for (market, day), theirs in said.items()
        if _differs(theirs, trading_day_by_rule(market, day))
    }


def _by_holidays(
    collection: str, holidays: Holidays, near: Iterable[date]
) -> Iterator[tuple[tuple[Market, date], TradingDay | None]]:
    kinds: dict[date, Occasion] = {
        **dict.fromkeys(holidays.market_half_days, "after thanksgiving"),
        **dict.fromkeys(holidays.market_holidays, "christmas"),
    }
    years = {day.year for day in kinds}
    for day in near:
        if day.weekday() >= SATURDAY or day.year not in years:
            continue
        for market in COLLECTIONS[collection]:
            if collection == EQUITY:
                yield (market, day), trading_day_on(market, day, kinds.get(day))
            # A futures exchange calls holiday what it cuts short too: only a surprise says much.
            elif occasion_of(day) is None and day in kinds:
                usual = trading_day_by_rule(market, day)
                spans = usual.spans if usual else ()
                doubtful = tuple(each._replace(is_sure=False) for each in spans)
                yield (market, day), TradingDay(day, doubtful) if doubtful else None


def _by_sessions(
    session: CurrentSession, near: list[date], said: Corrections
) -> Iterator[tuple[tuple[Market, date], TradingDay | None]]:
    is_equity = session.instrument_collection == EQUITY
    known: set[date] = set()
    for times in (session.previous_session, session, session.next_session):
        bounds = _bounds_ms(times)
        if bounds is None or (day := date_at(bounds[1] - 1)) not in near:
            continue
        known.add(day)
        for market in COLLECTIONS.get(session.instrument_collection, ()):
            begin_ms, end_ms = bounds
            end_ms += QUARTER_MS if market == "index options" else 0
            usual = said.get((market, day), trading_day_by_rule(market, day))
            usual = usual or trading_day_on(market, day, None)
            if usual is not None:
                spans = _fit(usual.spans, begin_ms if is_equity else usual.begin_ms, end_ms)
                yield (market, day), TradingDay(day, spans)
    if is_equity and known:
        # Between two sessions there is none, whatever a table says.
        for day in near:
            if min(known) < day < max(known) and day not in known:
                for market in COLLECTIONS[EQUITY]:
                    yield (market, day), None


def _bounds_ms(times: Times | None) -> tuple[int, int] | None:
    if times is None or times.open_at is None or times.close_at is None:
        return None
    if times.open_at.tzinfo is None or times.close_at.tzinfo is None:
        return None
    if not timedelta(0) < times.close_at - times.open_at <= LONGEST_SESSION:
        return None
    return int(times.open_at.timestamp() * 1000), int(times.close_at.timestamp() * 1000)


def _fit(spans: tuple[Span, ...], begin_ms: int, end_ms: int) -> tuple[Span, ...]:
    """The spans of a day, but with this begin and this end."""
    left = [each for each in spans if each.begin_ms < end_ms] or [Span(begin_ms, end_ms)]
    left[0] = left[0]._replace(begin_ms=min(begin_ms, end_ms - 1))
    left[-1] = Span(left[-1].begin_ms, end_ms)
    return tuple(each._replace(is_sure=True) for each in left)


def _differs(theirs: TradingDay | None, ours: TradingDay | None) -> bool:
    if theirs is None or ours is None or len(theirs.spans) != len(ours.spans):
        return theirs != ours
    return any(
        abs(one.begin_ms - other.begin_ms) >= TOLERANCE_MS
        or abs(one.end_ms - other.end_ms) >= TOLERANCE_MS
        or one.is_sure != other.is_sure
        for one, other in zip(theirs.spans, ours.spans, strict=True)
    )


def describe(day: TradingDay | None) -> str:
    """Return a trading day in words: `09:30 to 13:00`, `closed`, `not sure`."""
    if day is None:
        return "closed"
    if not any(each.is_sure for each in day.spans):
        return "not sure"
    return f"{_clock(day.begin_ms)} to {_clock(day.end_ms)}"


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, EXCHANGE_TIME).strftime("%H:%M")
