"""A silent part costs one connection as a try; a day passes in seconds. All in virtual time."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.clock import Clock
from gateway.streams.markets import MARKETS, Market, SessionState
from tests.faults.trial import Trial
from tests.streams.upstream.playing import playing
from tests.streams.virtual_time import run

FUTURE, COIN = "/ESZ26:XCME", "BTC/USD:CXTALP"
SYMBOLS = ("SPY", "AAPL", FUTURE, COIN)
HOUR_S = 3600.0


async def freeze_for_an_hour(frozen: set[str], market: str) -> None:
    async with playing(SYMBOLS) as play:
        await asyncio.sleep(75)
        assert play.status().state == "live"
        play.went_stale.clear()
        play.frozen |= frozen
        await asyncio.sleep(HOUR_S)
        assert play.feed.connects == 2, "one connection as a try"
        assert set(play.went_stale) == frozen, "and nobody else was disturbed"
        assert play.status().state == "degraded"
        assert market in (play.status().reason or "")
        assert play.feed.reconnect.policy.failures == 0
        play.frozen.clear()
        await asyncio.sleep(3)
        assert play.status().state == "live"
        assert not any(play.quote(symbol).stale for symbol in SYMBOLS)
        assert play.feed.connects == 2


@pytest.mark.fault(49)
@pytest.mark.parametrize(
    ("frozen", "market"),
    [({FUTURE}, "index futures"), ({"SPY", "AAPL"}, "stocks"), ({COIN}, "crypto")],
    ids=["futures", "stocks", "crypto"],
)
def test_one_market_is_frozen_for_an_hour(trial: Trial, frozen: set[str], market: str) -> None:
    run(freeze_for_an_hour(frozen, market))
    trial.tell(f"{market} frozen for an hour: one connection more, no other market stale")


def test_a_market_that_flaps_is_tried_for_less_and_less_often() -> None:
    """Data between two silences are a change; a try for each would still disturb everybody."""

    async def flap() -> None:
        async with playing(SYMBOLS) as play:
            await asyncio.sleep(75)
            for _ in range(30):
                play.frozen.add(FUTURE)
                await asyncio.sleep(100)
                play.frozen.discard(FUTURE)
                await asyncio.sleep(20)
            assert 2 <= play.feed.connects <= 5

    run(flap())


def test_when_everything_stands_still_tries_go_on_further_and_further_apart() -> None:
    async def stall() -> None:
        async with playing(SYMBOLS) as play:
            await asyncio.sleep(75)
            play.frozen.update(SYMBOLS)
            await asyncio.sleep(15)
            assert play.feed.connects == 2, "within ten seconds and a moment"
            await asyncio.sleep(HOUR_S)
            assert 8 <= play.feed.connects <= 20
            assert play.status().state == "stale"
            play.frozen.clear()
            await asyncio.sleep(3)
            assert play.status().state == "live"

    run(stall())


class HalfDay:
    """Wednesday 3 July 2024, when stocks closed at 13:00, and the next session, on Friday."""

    SESSIONS = (
        (datetime(2024, 7, 3, 13, 30, tzinfo=UTC), datetime(2024, 7, 3, 17, 0, tzinfo=UTC)),
        (datetime(2024, 7, 5, 13, 30, tzinfo=UTC), datetime(2024, 7, 5, 20, 0, tzinfo=UTC)),
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def read(self) -> dict[Market, SessionState | None]:
        """Return the state of every market."""
        now = self._clock.now()
        is_open = any(begin <= now < end for begin, end in self.SESSIONS)
        states: dict[Market, SessionState | None] = dict.fromkeys(MARKETS, "closed")
        states["stocks"] = "open" if is_open else "closed"
        return states


def test_a_half_day_and_the_next_open_on_a_stepped_clock() -> None:
    """The opening bell, an early close, a holiday and the next bell: no alarm, nothing stale."""

    async def live_through() -> None:
        loop = asyncio.get_running_loop()
        begun_s, skipped_s = loop.time(), [0.0]
        first = datetime(2024, 7, 3, 13, 25, tzinfo=UTC).timestamp()

        def wall_s() -> float:
            return first + loop.time() - begun_s + skipped_s[0]

        clock = Clock(monotonic_s=loop.time, wall_s=wall_s, steady_s=wall_s)
        async with playing(("SPY", "AAPL"), HalfDay(clock), clock) as play:
            await asyncio.sleep(60)
            assert (play.status().state, play.status().market) == ("closed", "closed")
            await asyncio.sleep(300)
            assert (play.status().state, play.status().market) == ("live", "open")
            assert play.quote("AAPL").market == "open"
            skipped_s[0] += datetime(2024, 7, 3, 16, 55, tzinfo=UTC).timestamp() - wall_s()
            await asyncio.sleep(4 * 60)
            assert play.status().state == "live"
            await asyncio.sleep(2 * 60)
            assert (play.status().state, play.status().market) == ("closed", "closed")
            quote = play.quote("AAPL")
            assert (quote.market, quote.stale) == ("closed", False)
            skipped_s[0] += datetime(2024, 7, 4, 14, 0, tzinfo=UTC).timestamp() - wall_s()
            await asyncio.sleep(10 * 60)
            assert play.status().state == "closed"
            skipped_s[0] += datetime(2024, 7, 5, 13, 29, tzinfo=UTC).timestamp() - wall_s()
            await asyncio.sleep(2 * 60)
            assert (play.status().state, play.quote("SPY").market) == ("live", "open")
            assert play.quote("SPY").updated_at.startswith("2024-07-05T13:3")
            assert play.feed.connects == 1
            assert not play.went_stale
            states = [each.state for each in play.statuses]
            assert set(states) <= {"connecting", "live", "closed"}

    run(live_through())
