"""The state of every market on an injected clock; clocks that are set; what the broker corrects."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.streams.markets import MARKETS, Market
from gateway.streams.reports import MarketReport
from gateway.streams.sessions import EXCHANGE_TIME
from gateway.streams.upstream.calendar import RELOAD_S, RETRY_S, STEP_S, MarketCalendar
from gateway.streams.upstream.market_time import Holidays, MarketTime
from tests.streams import virtual_time
from tests.waiting import eventually

SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_TIME)


class SetClock(Clock):
    """A wall clock and a steady one, which move together until one of them is set."""

    __slots__ = ("steady", "wall")

    def __init__(self, now: datetime) -> None:
        self.wall = now.timestamp()
        self.steady = 1000.0
        super().__init__(wall_s=lambda: self.wall, steady_s=lambda: self.steady)

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def is_open(calendar: MarketCalendar, now: datetime, market: Market = "stocks") -> bool:
    state = calendar.at(now)[market]
    assert state is not None
    return state == "open"


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_fixed_answer(mode: Any) -> None:
    assert MarketCalendar(mode).read() == dict.fromkeys(MARKETS, mode)


@pytest.mark.parametrize(
    ("market", "closes", "opens"),
    [
        ("stocks", "2026-11-25T16:00", "2026-11-27T09:30"),  # over Thanksgiving
        ("stocks", "2026-11-27T13:00", "2026-11-30T09:30"),
        ("stocks", "2026-12-24T13:00", "2026-12-28T09:30"),
        ("stocks", "2026-07-02T16:00", "2026-07-06T09:30"),
        ("stocks", "2026-03-06T16:00", "2026-03-09T09:30"),  # summer time begins
        ("index options", "2026-11-25T16:15", "2026-11-27T09:30"),
        ("index options", "2026-11-27T13:15", "2026-11-30T09:30"),
        ("index futures", "2026-11-23T17:00", "2026-11-23T18:00"),  # the daily break
        ("index futures", "2026-11-27T13:15", "2026-11-29T18:00"),  # the weekend
        ("index futures", "2026-11-26T13:00", "2026-11-26T18:00"),  # Thanksgiving
        ("currency futures", "2026-11-24T17:00", "2026-11-24T18:00"),
        ("interest rate futures", "2026-11-24T17:00", "2026-11-24T18:00"),
        ("energy and metal futures", "2026-11-24T17:00", "2026-11-24T18:00"),
        ("grain futures", "2026-11-24T08:45", "2026-11-24T09:30"),  # its pause in the morning
        ("grain futures", "2026-11-24T14:20", "2026-11-24T20:00"),
        ("grain futures", "2026-11-27T13:05", "2026-11-29T20:00"),
        ("livestock futures", "2026-11-24T14:05", "2026-11-25T09:30"),
        ("volatility futures", "2026-11-26T11:30", "2026-11-26T18:00"),
    ],
)
def test_markets_keep_hours_of_their_own(market: Market, closes: str, opens: str) -> None:
    calendar = MarketCalendar()
    assert is_open(calendar, at(closes) - SECOND, market)
    assert not is_open(calendar, at(closes), market)
    assert not is_open(calendar, (at(opens) - SECOND).astimezone(UTC), market)
    assert is_open(calendar, at(opens), market)


@given(st.integers(0, 7 * 24 * 60))
def test_crypto_is_always_open(minute: int) -> None:
    assert is_open(MarketCalendar(), at("2026-11-23T00:00") + timedelta(minutes=minute), "crypto")


def test_an_option_that_settles_at_the_close_ends_with_stocks_on_its_last_day() -> None:
    clock = SetClock(at("2026-11-24T16:05"))
    calendar = MarketCalendar(clock=clock)
    assert calendar.read()[calendar.market_of(".SPXW261125C6000")] == "open"
    clock.pass_s(24 * 3600)
    assert calendar.read()[calendar.market_of(".SPXW261125C6000")] == "closed"
    assert calendar.read()[calendar.market_of(".SPXW261218C6000")] == "open"
    assert calendar.read()[calendar.market_of(".SPY261125C600")] == "open"


@given(st.integers(0, 7 * 24 * 60), st.sampled_from([-3600.0, 3600.0, -7200.0, 86_400.0]))
def test_a_clock_that_is_set_never_opens_or_closes_a_market(minute: int, step_s: float) -> None:
    """It is only unknown then, where the two clocks disagree; an alarm needs "open"."""
    now = at("2026-11-22T00:00") + timedelta(minutes=minute)
    clock = SetClock(now)
    calendar = MarketCalendar(clock=clock)
    right = calendar.read()
    clock.wall += step_s
    for market, state in calendar.read().items():
        assert state in {None, right[market]}
    clock.pass_s(STEP_S)
    for market, state in calendar.read().items():
        assert state in {None, calendar.at(now + timedelta(seconds=STEP_S))[market]}
    clock.wall -= step_s
    assert calendar.read() == calendar.at(clock.now())


def test_a_small_correction_is_no_step(caplog: pytest.LogCaptureFixture) -> None:
    clock = SetClock(at("2026-11-24T15:59:30"))
    calendar = MarketCalendar(clock=clock)
    clock.wall += STEP_S / 2
    assert calendar.read()["stocks"] == "closed"
    clock.wall -= 3600 + STEP_S / 2
    assert calendar.read()["stocks"] == "open", "both say so"
    clock.pass_s(60)
    for _ in range(3):
        assert calendar.read()["stocks"] is None
    assert [record.message for record in caplog.records] == [
        "the clock was set by -3600 s; market hours are uncertain for a day"
    ]


def test_a_clock_that_was_set_is_believed_after_a_day() -> None:
    async def run() -> None:
        clock = SetClock(at("2026-11-24T15:59:30"))
        calendar = MarketCalendar(clock=clock)
        task = asyncio.create_task(calendar.run())
        clock.wall -= 3600
        clock.pass_s(60)
        assert calendar.read()["stocks"] is None
        await asyncio.sleep(RELOAD_S + 1)
        assert calendar.read()["stocks"] == "open"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(run())


def test_the_status_tells_what_changes_next() -> None:
    clock = SetClock(at("2026-11-27T12:00"))
    report = msgspec.to_builtins(MarketCalendar(clock=clock).report())
    assert report["markets"]["stocks"] == {
        "state": "open",
        "next": {"state": "closed", "at": "2026-11-27T18:00:00Z"},
    }
    assert report["markets"]["grain futures"]["next"]["at"] == "2026-11-27T18:05:00Z"
    assert report["markets"]["currency futures"]["next"] == {
        "state": None,
        "at": "2026-11-27T18:15:00Z",
    }
    assert report["markets"]["crypto"] == {"state": "open", "next": None}
    markets = MarketCalendar("open").report().markets
    assert markets["stocks"] == MarketReport(state="open", next=None)


def test_what_the_broker_knows_better_counts_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calendar = MarketCalendar(clock=SetClock(at("2026-11-23T12:00")))
    answers = MarketTime(
        holidays={
            "Equity": Holidays(
                market_holidays=(date(2026, 11, 25), date(2026, 11, 26)),
                market_half_days=(date(2026, 11, 27),),
            )
        }
    )
    for _ in range(3):
        calendar.correct(answers)
    assert not is_open(calendar, at("2026-11-25T10:00"))
    assert not is_open(calendar, at("2026-11-25T10:00"), "index options")
    assert is_open(calendar, at("2026-11-25T10:00"), "index futures")
    assert calendar.disagreements == 2
    assert [record.message for record in caplog.records] == [
        f"the hours of {market} on Wed 25 Nov 2026 are closed, says the broker; "
        f"the gateway's calendar had {ours}"
        for market, ours in (("index options", "09:30 to 16:15"), ("stocks", "09:30 to 16:00"))
    ]
    calendar.correct(MarketTime())
    assert is_open(calendar, at("2026-11-25T10:00")), "what nobody says any more is gone"


def test_the_broker_is_asked_at_the_start_and_daily_and_sooner_when_it_said_nothing() -> None:
    asked: list[float] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()

        async def fetch() -> MarketTime:
            asked.append(loop.time())
            return MarketTime(holidays={"CFE": Holidays()}) if len(asked) != 2 else MarketTime()

        task = asyncio.create_task(MarketCalendar(fetch=fetch).run())
        await asyncio.sleep(RELOAD_S + RETRY_S + RELOAD_S + 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(run())
    assert [after - before for before, after in pairwise(asked)] == [
        pytest.approx(RELOAD_S),
        pytest.approx(RETRY_S),
        pytest.approx(RELOAD_S),
    ]


async def test_a_fixed_answer_asks_nobody() -> None:
    async def fetch() -> MarketTime:
        raise AssertionError("asked")

    await MarketCalendar("open", fetch=fetch).run()


async def test_run_ends_when_it_is_cancelled() -> None:
    asked = asyncio.Event()

    async def fetch() -> MarketTime:
        asked.set()
        return await asyncio.Future()

    running = asyncio.create_task(MarketCalendar(fetch=fetch).run())
    await eventually(asked.is_set)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
