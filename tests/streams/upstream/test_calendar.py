"""The real calendars: holidays, short days, the break of Globex, clock changes; and clocks set."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.markets import MARKETS, Market
from gateway.streams.upstream.calendar import STEP_S, MarketCalendar, Sessions, read_sessions
from tests.waiting import eventually

# pandas_market_calendars 5 reads an attribute that pandas 3.1 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Series.dt.weekday is deprecated")

NEW_YORK = ZoneInfo("America/New_York")
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@lru_cache
def read_around(now: datetime, names: tuple[tuple[Market, str], ...] = ()) -> Sessions:
    return read_sessions(now, dict(names)) if names else read_sessions(now)


class Clock:
    """A wall clock and a steady one, which move together until one of them is set."""

    def __init__(self, now: datetime) -> None:
        self.wall_s = now.timestamp()
        self.steady_s = 1000.0

    def pass_s(self, seconds: float) -> None:
        self.wall_s += seconds
        self.steady_s += seconds


def hours_around(now: datetime) -> MarketCalendar:
    """Of stocks alone, which is quick."""
    hours = MarketCalendar()
    hours._sessions = read_around(now.astimezone(UTC), (("stocks", "NYSE"),))
    return hours


def all_hours(clock: Clock | None = None) -> MarketCalendar:
    """Of all markets in the week of Thanksgiving 2026."""
    now = at("2026-11-23T12:00")
    clock = clock or Clock(now)
    hours = MarketCalendar(wall_s=lambda: clock.wall_s, steady_s=lambda: clock.steady_s)
    hours._sessions = read_around(now.astimezone(UTC))
    return hours


def is_open(hours: MarketCalendar, now: datetime, market: Market = "stocks") -> bool:
    phase = hours.at(now)[market]
    assert phase is not None
    return phase == "open"


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_fixed_answer(mode: Any) -> None:
    hours = MarketCalendar(mode)
    assert hours.read() == dict.fromkeys(MARKETS, mode)


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        ("2026-11-25", "16:00"),
        ("2026-11-26", None),  # Thanksgiving
        ("2026-11-27", "13:00"),  # the day after
        ("2026-11-28", None),  # Saturday
        ("2026-12-24", "13:00"),
        ("2026-12-25", None),
        ("2026-07-03", None),  # Independence Day, observed
        ("2026-03-06", "16:00"),  # winter time
        ("2026-03-09", "16:00"),  # summer time, since Sunday
    ],
)
def test_sessions_of_stocks(day: str, closes: str | None) -> None:
    hours = hours_around(at(f"{day}T12:00"))
    opens = at(f"{day}T09:30")
    assert not is_open(hours, opens - SECOND)
    assert is_open(hours, opens) is (closes is not None)
    if closes is not None:
        end = at(f"{day}T{closes}")
        assert is_open(hours, end - SECOND)
        assert not is_open(hours, end)
        assert is_open(hours, (end - SECOND).astimezone(UTC))
        assert not is_open(hours, end + timedelta(hours=2))


@pytest.mark.parametrize(
    ("market", "closes", "opens"),
    [
        ("index futures", "2026-11-23T17:00", "2026-11-23T18:00"),  # the daily break
        ("index futures", "2026-11-27T13:15", "2026-11-29T18:00"),  # the weekend
        ("index futures", "2026-11-26T13:00", "2026-11-26T18:00"),  # Thanksgiving
        ("currency futures", "2026-11-24T17:00", "2026-11-24T18:00"),
        ("interest rate futures", "2026-11-24T17:00", "2026-11-24T18:00"),
        ("energy and metal futures", "2026-11-24T17:00", "2026-11-24T18:00"),
        ("grain futures", "2026-11-24T08:45", "2026-11-24T09:30"),  # its pause in the morning
        ("grain futures", "2026-11-24T14:20", "2026-11-24T20:00"),
        ("livestock futures", "2026-11-24T14:05", "2026-11-25T09:30"),
    ],
)
def test_futures_keep_hours_of_their_own(market: Market, closes: str, opens: str) -> None:
    hours = all_hours()
    assert is_open(hours, at(closes) - SECOND, market)
    assert not is_open(hours, at(closes), market)
    assert not is_open(hours, at(opens) - SECOND, market)
    assert is_open(hours, at(opens), market)


@given(st.integers(0, 7 * 24 * 60))
def test_crypto_is_always_open(minute: int) -> None:
    assert (
        MarketCalendar().at(at("2026-11-23T00:00") + timedelta(minutes=minute))["crypto"] == "open"
    )


@pytest.mark.parametrize("hour", ["00:30", "23:30"])
def test_at_night_the_date_in_utc_is_another(hour: str) -> None:
    hours = hours_around(at(f"2026-11-25T{hour}"))
    assert is_open(hours, at("2026-11-25T12:00"))
    assert is_open(hours, at("2026-11-27T12:00"))


def test_the_calendar_reaches_days_ahead() -> None:
    """It is read again each day; a laptop that slept over a weekend still has Monday."""
    hours = hours_around(at("2026-11-25T23:00"))
    assert is_open(hours, at("2026-11-30T10:00"))
    assert is_open(hours, at("2026-12-04T10:00"))


def test_unread_is_unknown() -> None:
    """No alarm without knowledge."""
    session_states = MarketCalendar().read()
    assert session_states.pop("crypto") == "open"
    assert set(session_states.values()) == {None}


@given(st.integers(0, 7 * 24 * 60), st.sampled_from([-3600.0, 3600.0, -7200.0, 86_400.0]))
def test_a_clock_that_is_set_never_opens_or_closes_a_market(minute: int, step_s: float) -> None:
    """It is only unknown then, where the two clocks disagree; an alarm needs "open"."""
    now = at("2026-11-22T00:00") + timedelta(minutes=minute)
    clock = Clock(now)
    hours = all_hours(clock)
    right = hours.read()
    clock.wall_s += step_s
    for market, phase in hours.read().items():
        assert phase in {None, right[market]}
    clock.pass_s(STEP_S)
    for market, phase in hours.read().items():
        assert phase in {None, hours.at(now + timedelta(seconds=STEP_S))[market]}
    clock.wall_s -= step_s
    assert hours.read() == hours.at(datetime.fromtimestamp(clock.wall_s, UTC))


def test_a_small_correction_is_no_step_and_a_big_one_is_believed_after_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock(at("2026-11-24T15:59:30"))
    hours = all_hours(clock)
    clock.wall_s += STEP_S / 2
    assert hours.read()["stocks"] == "closed"
    clock.wall_s -= 3600 + STEP_S / 2
    assert hours.read()["stocks"] == "open", "both say so"
    clock.pass_s(60)
    for _ in range(3):
        assert hours.read()["stocks"] is None
    hours._kept_s.resync()
    assert hours.read()["stocks"] == "open"
    assert [record.message for record in caplog.records] == [
        "the clock was set by -3600 s; the markets' hours are unsure"
    ]


async def test_run_reads_the_calendar_until_cancelled() -> None:
    hours = MarketCalendar()
    reading = asyncio.create_task(hours.run())
    await eventually(lambda: bool(hours._sessions) or reading.done(), timeout_s=20)
    assert not reading.done()
    assert hours.read()["stocks"] is not None
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_fixed_answer_reads_no_calendar() -> None:
    hours = MarketCalendar("open")
    await hours.run()
    assert not hours._sessions
