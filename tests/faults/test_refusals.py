"""What ends a feed's session from the other side: each leads to one new entry, never to a storm."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import Status
from gateway.streams.topics import status_topic
from gateway.streams.upstream.retry import LIMIT_PAUSE_S
from gateway.streams.upstream.sdk import EVENT_TYPES
from gateway.streams.upstream.upstream import Upstream, create_upstream
from tests.faults.trial import Trial
from tests.simulation import Simulator, open_simulator
from tests.streams.running import Running, running
from tests.waiting import eventually, scaled

LIVE_S = 15.0
HALVES = 20


class Entries:
    """How often the feed was entered, with how many tokens and how many AUTH messages."""

    def __init__(self, counters: dict[str, int]) -> None:
        self.connected = counters.get("feed_connections", 0)
        self.refused = counters.get("upgrades_refused", 0)
        self.tokens = counters.get("quote_tokens_issued", 0)
        self.auths = counters.get("auth_requests", 0)

    @classmethod
    async def read(cls, simulator: Simulator) -> "Entries":
        return cls((await simulator.read())["counters"])

    def since(self, before: "Entries") -> int:
        """How many entries there were; each with a token of its own and at most one AUTH."""
        connected, refused = self.connected - before.connected, self.refused - before.refused
        assert self.tokens - before.tokens == connected + refused
        assert self.auths - before.auths <= connected
        return connected + refused


async def expire(simulator: Simulator, up: Running) -> int:
    await simulator.control("deauth")
    return 1


async def report_error(simulator: Simulator, up: Running) -> int:
    await simulator.control("inject", kind="error")
    return 1


async def close_with_1012(simulator: Simulator, up: Running) -> int:
    await simulator.control("cut", target="feed", code=1012, reason="Reconnection is required")
    return 1


async def answer_502(simulator: Simulator, up: Running) -> int:
    await simulator.control("upgrade", status=502, count=2, target="feed")
    await simulator.control("cut", target="feed")
    return 3


async def refuse_in_silence(simulator: Simulator, up: Running) -> int:
    before = await Entries.read(simulator)
    await simulator.control("quote_tokens", refuse="silent")
    await simulator.control("cut", target="feed")

    async def is_refused() -> bool:
        return (await Entries.read(simulator)).auths > before.auths

    await eventually(is_refused, LIVE_S)
    await eventually(
        lambda: up.upstream.feed.last_error and "refused" in up.upstream.feed.last_error
    )
    await simulator.control("quote_tokens", refuse=None)
    return 0  # as many as there was time for


Fault = Callable[[Simulator, Running], Awaitable[int]]


@pytest.mark.fault(17)
@pytest.mark.timeout(scaled(120))
@pytest.mark.parametrize(
    "fault", [expire, report_error, close_with_1012, answer_502, refuse_in_silence]
)
async def test_each_leads_to_one_new_entry(trial: Trial, fault: Fault) -> None:
    """Live again each time; one token for each entry, one AUTH at most, no entry too many."""
    turns = trial.count(1, 20)
    back_s: list[float] = []
    with open_simulator("--rate", "5") as simulator:
        async with running(simulator.settings()) as up:
            await eventually(up.is_live, LIVE_S)
            begun = await Entries.read(simulator)
            for _ in range(turns):
                before, begun_s = await Entries.read(simulator), time.monotonic()
                connects = up.upstream.feed.connects
                expected = await fault(simulator, up)
                await reach(up, connects + 1)
                await eventually(up.is_live, LIVE_S)
                back_s.append(time.monotonic() - begun_s)
                entries = (await Entries.read(simulator)).since(before)
                assert entries == expected or not expected
            total = (await Entries.read(simulator)).since(begun)
    words = fault.__name__.replace("_", " ")
    trial.tell(
        f"{words}: back {turns} of {turns} times in {total} entries, {max(back_s):.1f} s at most"
    )


@pytest.mark.fault(17)
async def test_the_backoff_is_kept_until_data_flows(trial: Trial) -> None:
    """Connections that open and bring nothing are met with longer and longer pauses."""
    failures: list[int] = []
    turns = trial.count(3, 8)
    with open_simulator("--rate", "5") as simulator:
        async with running(simulator.settings()) as up:
            await eventually(up.is_live, LIVE_S)
            policy = up.upstream.feed.reconnect.policy
            delay_s = policy.next_delay_s

            def note(error: BaseException) -> float | None:
                failures.append(policy.failures)
                return delay_s(error)

            policy.next_delay_s = note  # type: ignore[method-assign]
            await simulator.control("mute", types=list(EVENT_TYPES))
            for turn in range(turns):
                await simulator.control("cut", target="feed")
                await reach(up, turn + 2)
            await simulator.control("unmute")
            await eventually(up.is_live, LIVE_S)
            await simulator.control("cut", target="feed")
            await reach(up, turns + 2)
    assert failures == [*range(turns), 0]
    trial.tell(f"the backoff rose over {turns} connections without data and fell with the first")


async def reach(up: Running, connects: int) -> None:
    """Return when the feed has connected so many times."""
    await eventually(lambda: up.upstream.feed.connects >= connects, LIVE_S)


@pytest.mark.fault(17)
@pytest.mark.long
@pytest.mark.timeout(scaled(150))
async def test_a_cap_on_sessions_makes_no_storm(trial: Trial) -> None:
    """
    1. Twenty feeds of one user are live.
    2. Tastytrade allows one session only, and cuts all of them.
    Result: each of the others tries once, then rests for half a minute; when the cap is lifted all
    come back.
    """
    with open_simulator("--rate", "5") as simulator:
        settings = simulator.settings(symbols=("SPY",))
        hubs = [Hub(epoch=f"t{number}") for number in range(HALVES)]
        halves = [
            create_upstream(settings, hub, Demand(settings.symbols, now_s=time.monotonic))
            for hub in hubs
        ]
        tasks = [asyncio.create_task(half.run()) for half in halves]
        try:
            await eventually(lambda: count_live(hubs) == HALVES, 30)
            before = await Entries.read(simulator)
            await simulator.control("limits", sessions=1)
            await simulator.control("cut", target="feed")
            await eventually(lambda: count_live(hubs) == 0, 10)
            await eventually(lambda: count_refused(halves) == HALVES - 1, 15)
            refused_s = time.monotonic()
            assert (await Entries.read(simulator)).since(before) == HALVES
            await simulator.control("limits", sessions=0)
            await eventually(lambda: count_live(hubs) == HALVES, LIMIT_PAUSE_S + 15)
            back_s = time.monotonic() - refused_s
            entries = (await Entries.read(simulator)).since(before)
            assert entries == 2 * HALVES - 1
            assert back_s > LIMIT_PAUSE_S / 2
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    trial.tell(
        f"session cap: {HALVES - 1} of {HALVES} refused, one try each, back in {back_s:.0f} s"
    )


def count_live(hubs: list[Hub]) -> int:
    """How many have a feed that is live."""
    found = [hub.latest(status_topic("feed")) for hub in hubs]
    return sum(isinstance(each, Status) and each.state == "live" for each in found)


def count_refused(halves: list[Upstream]) -> int:
    """How many were told that there are too many of them."""
    return sum("no more sessions" in (half.feed.last_error or "") for half in halves)
