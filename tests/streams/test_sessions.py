"""Trading days: against a calendar read by hand, and against pandas_market_calendars.

The library is a second opinion for seven years, and wrong in the cells that `WRONG_THERE` lists.
"""

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.holidays import ONE_DAY, SUNDAY, occasion_of
from gateway.streams.markets import MARKETS, Market, SessionState, market_of
from gateway.streams.sessions import (
    BY_RULE,
    EXCHANGE_TIME,
    WEEKENDS_SINCE,
    Sessions,
    Span,
    TradingDay,
    candle_day,
    date_at,
    day_number,
)

FIRST, LAST = date(2024, 1, 1), date(2030, 12, 31)

LIBRARY: dict[Market, str] = {
    "stocks": "NYSE",
    "index futures": "CME Globex Equity",
    "currency futures": "CMEGlobex_FX",
    "interest rate futures": "CME Globex Interest Rate Products",
    "energy and metal futures": "CMEGlobex_EnergyAndMetals",
    "grain futures": "CMEGlobex_Grains",
    "livestock futures": "CMEGlobex_Livestock",
    "crypto futures": "CME Globex Crypto",
    "volatility futures": "CFE",
}

NO_REPORT = (
    "it opens every Good Friday since 2023 for a morning, which CME does only when the jobs report "
    "falls on it (2021, 2023, 2026); on 29 March 2024 and 18 April 2025 Globex was shut"
)
MOURNING = "it knows of no 9 January 2025; CME Group and Cboe announced the hours on 31 December"
FRIDAY_NOON = (
    "a holiday on a Friday ends the week at 13:00 for every family, as the library itself has it "
    "for energy and metals on 19 June and 3 July 2026"
)
NO_NIGHT = (
    "grains stay shut in the night after these holidays and open at 09:30: CME's calendars for "
    "Thanksgiving, Christmas, New Year and 4 July, and what elevators told their customers"
)
CFE_HALTS = "CFE trades VX until 11:30 on these days; the library has the regular hours alone"

WRONG_THERE: dict[tuple[Market, str], str] = {
    ("index futures", "good friday"): NO_REPORT,
    ("currency futures", "good friday"): NO_REPORT,
    ("interest rate futures", "good friday"): NO_REPORT,
    ("crypto futures", "good friday"): NO_REPORT,
    ("index futures", "mourning"): MOURNING,
    ("interest rate futures", "mourning"): MOURNING,
    ("grain futures", "mourning"): MOURNING,
    ("livestock futures", "mourning"): MOURNING,
    ("volatility futures", "mourning"): MOURNING,
    ("currency futures", "juneteenth"): FRIDAY_NOON,
    ("currency futures", "independence"): FRIDAY_NOON,
    ("crypto futures", "independence"): FRIDAY_NOON,
    ("energy and metal futures", "juneteenth"): FRIDAY_NOON,
    ("energy and metal futures", "independence"): FRIDAY_NOON,
    ("energy and metal futures", "labor"): (
        "13:00 but for 2026; CME stops these at 14:30 on each Monday holiday since 2022"
    ),
    ("energy and metal futures", "christmas eve"): (
        "to 17:00 but for 2026; CME's calendar of every year has 13:45"
    ),
    ("energy and metal futures", "after thanksgiving"): (
        "13:45 but for 2026; in 2025 gold and oil traded to 14:45, as it has for 2026"
    ),
    ("grain futures", "juneteenth"): "open; CME's grains are shut on Juneteenth since 2022",
    ("livestock futures", "juneteenth"): "open; CME's livestock is shut on Juneteenth since 2022",
    ("grain futures", "after thanksgiving"): "no short day; real: 09:30 to 13:05",
    ("grain futures", "christmas eve"): "no short day; real: to 13:05",
    ("grain futures", "day after thanksgiving"): NO_NIGHT,
    ("grain futures", "day after christmas"): NO_NIGHT,
    ("grain futures", "day after new year"): NO_NIGHT,
    ("grain futures", "day after independence"): NO_NIGHT,
    ("crypto futures", "independence eve"): (
        "to 13:15; since 2022 crypto futures keep their hours on the eve, as currencies do"
    ),
    ("volatility futures", "christmas eve"): "to 16:15; CFE closes at 13:15 with the options",
    ("volatility futures", "king"): CFE_HALTS,
    ("volatility futures", "presidents"): CFE_HALTS,
    ("volatility futures", "memorial"): CFE_HALTS,
    ("volatility futures", "juneteenth"): CFE_HALTS,
    ("volatility futures", "independence"): CFE_HALTS,
    ("volatility futures", "labor"): CFE_HALTS,
    ("volatility futures", "thanksgiving"): CFE_HALTS,
}
"""Market and kind of day where the library (5.5.0) errs, and why ours stands."""

REGULAR_CFE = (timedelta(hours=9, minutes=30), timedelta(hours=16, minutes=15))


def ms(text: str) -> int:
    """Of a time in New York."""
    return int(datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_TIME).timestamp() * 1000)


def days(first: date = FIRST, last: date = LAST) -> Iterator[date]:
    while first <= last:
        yield first
        first += ONE_DAY


@lru_cache
def read_library(market: Market) -> dict[date, tuple[int, int]]:
    """Begin and end of each of its days, in ms."""
    with warnings.catch_warnings():
        # pandas_market_calendars 5 reads an attribute that pandas 3.1 has deprecated.
        warnings.filterwarnings("ignore", "Series.dt.weekday is deprecated")
        from pandas_market_calendars import get_calendar  # type: ignore[import-untyped]

        calendar: Any = get_calendar(LIBRARY[market])
        rows = calendar.schedule(start_date=FIRST, end_date=LAST).itertuples()
    return {
        row.Index.date(): (
            int(row.market_open.timestamp() * 1000),
            int(row.market_close.timestamp() * 1000),
        )
        for row in rows
    }


def agrees(market: Market, ours: TradingDay | None, theirs: tuple[int, int] | None) -> bool:
    """Whether both have the same day; where ours is not sure of the end, any end in there."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    begin_ms, end_ms = ours.begin_ms, ours.end_ms
    if market == "volatility futures":
        # The library has regular hours alone: a full day must hold them, a short one end as one.
        midnight = datetime.combine(ours.day, datetime.min.time(), EXCHANGE_TIME)
        opens, closes = (int((midnight + each).timestamp() * 1000) for each in REGULAR_CFE)
        begin_ms, end_ms = max(begin_ms, opens), min(end_ms, closes)
    sure_ms = max(each.end_ms for each in ours.spans if each.is_sure)
    return begin_ms == theirs[0] and min(sure_ms, end_ms) <= theirs[1] <= end_ms


def kind_of(market: Market, day: date) -> str:
    kind = occasion_of(day)
    if kind is None and occasion_of(day - ONE_DAY):
        return f"day after {occasion_of(day - ONE_DAY)}"
    return kind or "ordinary"


@pytest.mark.parametrize("market", LIBRARY)
def test_seven_years_are_as_the_library_has_them_but_where_it_errs(market: Market) -> None:
    library = read_library(market)
    last = WEEKENDS_SINCE - ONE_DAY if market == "crypto futures" else LAST
    wrong = {
        kind_of(market, day)
        for day in days(last=last)
        if not agrees(market, BY_RULE.trading_day(market, day), library.get(day))
    }
    listed = {kind for of, kind in WRONG_THERE if of == market}
    # The Friday after Thanksgiving is in the list as what it is, and as the day after.
    assert wrong == listed - {"day after thanksgiving"}


def test_stocks_differ_on_no_day() -> None:
    assert not [kind for market, kind in WRONG_THERE if market == "stocks"]


@pytest.mark.parametrize(
    ("market", "day", "spans"),
    [
        ("stocks", "2026-11-25", "09:30-16:00"),
        ("stocks", "2026-11-26", ""),
        ("stocks", "2026-11-27", "09:30-13:00"),
        ("stocks", "2026-11-28", ""),
        ("stocks", "2026-12-24", "09:30-13:00"),
        ("stocks", "2026-07-03", ""),
        ("stocks", "2025-01-09", ""),
        ("stocks", "2027-12-31", "09:30-16:00"),
        ("index options", "2026-11-25", "09:30-16:15"),
        ("index options", "2026-11-27", "09:30-13:15"),
        ("index options", "2026-11-26", ""),
        ("index futures", "2026-11-25", "<18:00-17:00"),
        ("index futures", "2026-11-26", "<18:00-13:00"),
        ("index futures", "2026-11-27", "<18:00-13:15"),
        ("index futures", "2026-12-25", ""),
        ("index futures", "2026-04-03", "<18:00-09:15"),
        ("index futures", "2027-03-26", ""),
        ("index futures", "2026-06-19", "<18:00-13:00"),
        ("interest rate futures", "2026-11-27", "<18:00-13:15"),
        ("interest rate futures", "2026-04-03", "<18:00-11:15"),
        ("currency futures", "2026-05-25", "<18:00-17:00"),
        ("currency futures", "2026-11-27", "<18:00-13:15 13:15-14:45?"),
        ("energy and metal futures", "2026-11-26", "<18:00-14:30"),
        ("energy and metal futures", "2026-11-27", "<18:00-14:45"),
        ("energy and metal futures", "2024-11-29", "<18:00-13:45"),
        ("energy and metal futures", "2026-12-24", "<18:00-13:45"),
        ("grain futures", "2026-11-25", "<20:00-08:45 09:30-14:20"),
        ("grain futures", "2026-11-26", ""),
        ("grain futures", "2026-11-27", "09:30-13:05"),
        ("grain futures", "2026-12-24", "<20:00-08:45 09:30-13:05"),
        ("grain futures", "2026-06-19", ""),
        ("grain futures", "2027-07-06", "<20:00-08:45 09:30-14:20"),
        ("grain futures", "2028-12-26", "09:30-14:20"),
        ("livestock futures", "2026-11-27", "09:30-13:05"),
        ("livestock futures", "2026-06-19", ""),
        ("volatility futures", "2026-11-25", "<18:00-17:00"),
        ("volatility futures", "2026-11-26", "<18:00-11:30"),
        ("volatility futures", "2026-12-24", "<18:00-13:15"),
        ("crypto futures", "2026-05-22", "<18:00-17:00"),
        ("crypto futures", "2026-11-25", "<17:00-17:00"),
        ("crypto", "2026-12-25", "00:00-24:00"),
    ],
)
def test_days_read_by_hand(market: Market, day: str, spans: str) -> None:
    """`<` begins on the day before, `?` is not sure."""
    found = BY_RULE.trading_day(market, date.fromisoformat(day))
    assert (found.spans if found else ()) == tuple(
        read_span(date.fromisoformat(day), each) for each in spans.split()
    )


def read_span(day: date, text: str) -> Span:
    begin, _, end = text.strip("<?").partition("-")
    before = day - ONE_DAY if text.startswith("<") else day
    after = day if end != "24:00" else day + ONE_DAY
    return Span(ms(f"{before}T{begin}"), ms(f"{after}T{end.replace('24', '00')}"), "?" not in text)


def test_crypto_futures_trade_on_weekends_with_a_pause_that_nobody_publishes() -> None:
    assert BY_RULE.state_at("crypto futures", ms("2026-11-27T16:59")) == "open"
    assert BY_RULE.state_at("crypto futures", ms("2026-11-28T12:00")) is None
    assert BY_RULE.state_at("crypto futures", ms("2026-11-29T18:00")) == "open"
    assert BY_RULE.state_at("crypto futures", ms("2026-05-23T12:00")) == "closed"


@pytest.mark.parametrize(
    ("at", "state"),
    [
        ("2026-11-28T12:00", "closed"),
        ("2026-11-25T11:00", "open"),
        ("2026-11-24T21:00", None),
        ("2026-11-25T16:00", None),
        ("2026-11-26T11:00", None),
        ("2026-12-25T11:00", "closed"),
    ],
)
def test_a_future_that_nobody_knows_is_open_only_while_all_are(
    at: str, state: SessionState | None
) -> None:
    assert BY_RULE.state_at(market_of("/NEWZ26:XCME"), ms(at)) == state


def test_weeks_in_which_the_clocks_change() -> None:
    """Sunday 8 March and 1 November 2026: the same times in New York, other ones in UTC."""
    for monday, opens_utc in (("2026-03-02", 23), ("2026-03-09", 22), ("2026-11-02", 23)):
        day = BY_RULE.trading_day("index futures", date.fromisoformat(monday))
        assert day is not None
        opens = datetime.fromtimestamp(day.begin_ms / 1000, UTC)
        assert (opens.hour, opens.weekday()) == (opens_utc, SUNDAY)
    short, long = (
        BY_RULE.trading_day("crypto", date.fromisoformat(each))
        for each in ("2026-03-08", "2026-11-01")
    )
    assert short is not None
    assert long is not None
    assert short.end_ms - short.begin_ms == 23 * 3_600_000
    assert long.end_ms - long.begin_ms == 25 * 3_600_000


@pytest.mark.parametrize("market", MARKETS)
def test_days_follow_each_other(market: Market) -> None:
    """In order, none within another, each with spans in order."""
    found = [day for each in days() if (day := BY_RULE.trading_day(market, each))]
    assert len(found) > 7 * 250
    for day in found:
        assert day.begin_ms < day.end_ms
        assert all(one.end_ms <= other.begin_ms for one, other in pairwise(day.spans))
        assert all(each.begin_ms < each.end_ms for each in day.spans)
    assert all(one.end_ms <= other.begin_ms for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("market", "at", "day"),
    [
        ("stocks", "2026-11-25T09:29", "2026-11-24"),  # before the open the last one is shown
        ("stocks", "2026-11-25T09:30", "2026-11-25"),
        ("stocks", "2026-11-25T23:00", "2026-11-25"),
        ("stocks", "2026-11-30T09:00", "2026-11-27"),
        ("stocks", "2026-11-28T12:00", "2026-11-27"),
        ("index futures", "2026-11-24T17:59", "2026-11-24"),
        ("index futures", "2026-11-24T18:00", "2026-11-25"),
        ("index futures", "2026-11-25T00:05", "2026-11-25"),
        ("index futures", "2026-11-29T18:00", "2026-11-30"),
        ("index futures", "2026-12-27T12:00", "2026-12-24"),
        ("grain futures", "2026-11-24T20:30", "2026-11-25"),
        ("grain futures", "2026-11-25T09:00", "2026-11-25"),
        ("crypto futures", "2026-11-28T12:00", "2026-11-30"),
        ("crypto", "2026-11-28T23:59", "2026-11-28"),
    ],
)
def test_the_day_that_has_begun_last(market: Market, at: str, day: str) -> None:
    found = BY_RULE.latest_day(market, ms(at))
    assert found is not None
    assert found.day == date.fromisoformat(day)


@given(st.sampled_from(MARKETS), st.integers(ms("2024-02-01T00:00"), ms("2030-11-30T00:00")))
def test_the_next_change_changes_the_state_and_nothing_does_before(
    market: Market, at_ms: int
) -> None:
    state = BY_RULE.state_at(market, at_ms)
    change = BY_RULE.next_change(market, at_ms)
    if market == "crypto":
        assert change is None
        return
    assert change is not None
    assert change.at_ms > at_ms
    assert BY_RULE.state_at(market, change.at_ms) == change.state != state
    for before in (change.at_ms - 1, (at_ms + change.at_ms) // 2):
        assert BY_RULE.state_at(market, before) == state


@given(st.sampled_from(MARKETS), st.integers(ms("2024-02-01T00:00"), ms("2030-11-30T00:00")))
def test_a_day_that_has_begun_is_found_at_any_time(market: Market, at_ms: int) -> None:
    found = BY_RULE.latest_day(market, at_ms)
    assert found is not None
    assert found.begin_ms <= at_ms
    assert abs((found.day - date_at(at_ms)).days) <= 5


def test_corrections_come_before_the_tables() -> None:
    day = date(2026, 11, 25)
    short = TradingDay(day, (Span(ms("2026-11-25T09:30"), ms("2026-11-25T12:00")),))
    sessions = Sessions({("stocks", day): short, ("stocks", date(2026, 11, 27)): None})
    assert sessions.state_at("stocks", ms("2026-11-25T11:59")) == "open"
    assert sessions.state_at("stocks", ms("2026-11-25T12:00")) == "closed"
    assert sessions.state_at("stocks", ms("2026-11-27T10:00")) == "closed"
    assert sessions.state_at("index options", ms("2026-11-25T12:00")) == "open"


def test_a_date_is_a_number_of_days() -> None:
    assert day_number(date(1970, 1, 1)) == 0
    assert day_number(date(2026, 11, 24)) * 86_400 == datetime(2026, 11, 24, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("series", "at", "day"),
    [
        ("SPY{=d}", "2026-11-24T00:00+00:00", "2026-11-24"),  # a date, in no zone
        ("/ESZ26:XCME{=1d,tho=true}", "2026-11-24T00:00+00:00", "2026-11-24"),
        ("SPY{=w}", "2026-11-23T00:00+00:00", "2026-11-23"),
        ("SPY{=mo}", "2026-11-01T00:00+00:00", "2026-11-01"),
        ("SPY{=5m}", "2026-11-24T15:00-05:00", "2026-11-24"),
        ("/ESZ26:XCME{=5m}", "2026-11-24T18:00-05:00", "2026-11-25"),
        ("BTC/USD:CXTALP{=1h}", "2026-11-24T23:00-05:00", "2026-11-24"),
    ],
)
def test_the_day_of_a_candle(series: str, at: str, day: str) -> None:
    time_ms = int(datetime.fromisoformat(at).timestamp() * 1000)
    assert candle_day(series, time_ms) == day_number(date.fromisoformat(day))
