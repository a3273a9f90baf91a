"""What is held upstream is what is wanted, whatever upstream loses of it."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from gateway.simulator.market.universe import list_universe
from gateway.streams.symbols import event_types
from gateway.streams.upstream.market_data import CANARY
from tests.faults.trial import Trial
from tests.simulation import TLS, Simulator, open_simulator
from tests.streams.running import Running, running
from tests.waiting import eventually, scaled

OPTIONS = sorted(list_universe(datetime.now(UTC).date()).options)
KINDS = ("Quote", "Trade", "Summary", "Greeks", "TheoPrice", "Underlying")
EQUAL_S = 5.0
MANY = 500
MANY_S = 2.0


async def wait_until_equal(simulator: Simulator, up: Running) -> float:
    """Seconds until the set upstream is the wanted one, type by type."""
    begun_s = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, verify=TLS) as client:

        async def is_equal() -> bool:
            held = (await client.get(f"{simulator.hello['control']}/subscriptions")).json()
            for kind in KINDS:
                wanted = {s for s in up.demand.wanted | {CANARY} if kind in event_types(s)}
                assert set(held.get(kind, [])) == wanted
            return True

        await eventually(is_equal, 4 * EQUAL_S)
    return time.monotonic() - begun_s


class Viewers:
    """Come and go, each with some symbols."""

    def __init__(self, up: Running, rng: random.Random) -> None:
        self._up = up
        self._rng = rng
        self._stacks: list[ExitStack] = []

    def change(self) -> None:
        """One goes and one comes."""
        if len(self._stacks) > 2:
            self._stacks.pop(self._rng.randrange(len(self._stacks))).close()
        stack = ExitStack()
        stack.enter_context(self._up.demand.acquire(self._rng.sample(OPTIONS, 40)))
        self._stacks.append(stack)

    def close(self) -> None:
        for stack in self._stacks:
            stack.close()


@contextmanager
def open_viewers(up: Running, rng: random.Random) -> Iterator[Viewers]:
    viewers = Viewers(up, rng)
    try:
        yield viewers
    finally:
        viewers.close()


@pytest.mark.fault(6)
@pytest.mark.long
@pytest.mark.timeout(scaled(240))
async def test_what_is_lost_upstream_is_made_good(trial: Trial) -> None:
    """Channels closed, every 7th addition lost, the socket cut, while viewers come and go."""
    rng = trial.rng
    equal_s: list[float] = []
    with open_simulator("--rate", "5") as simulator:
        async with running(simulator.settings(linger_s=0)) as up:
            await eventually(up.is_live, 15)
            with open_viewers(up, rng) as viewers:
                for turn in range(trial.count(4, 16)):
                    await simulator.control("drop_adds", every=7)
                    viewers.change()
                    if turn % 4 == 1:
                        await simulator.control("close_channel", type=rng.choice(KINDS))
                    elif turn % 4 == 2:
                        await simulator.control("close_channel")
                    elif turn % 4 == 3:
                        await simulator.control("cut", target="feed")
                    equal_s.append(await wait_until_equal(simulator, up))
    trial.tell(f"{len(equal_s)} of {len(equal_s)} events made good, every 7th addition lost")
    trial.measure("the set upstream right after", equal_s, EQUAL_S)


@pytest.mark.fault(6)
@pytest.mark.long
async def test_five_hundred_at_once(trial: Trial) -> None:
    """In chunks: the simulator, like Tastytrade, closes the socket at a message over 64 KiB."""
    held_s: list[float] = []
    with open_simulator("--rate", "1") as simulator:
        async with running(simulator.settings(linger_s=0)) as up:
            await eventually(up.is_live, 15)
            for _ in range(trial.count(1, 5)):
                with up.demand.acquire(trial.rng.sample(OPTIONS, MANY)):
                    held_s.append(await wait_until_equal(simulator, up))
                await wait_until_equal(simulator, up)
            assert up.upstream.feed.connects == 1
    trial.measure(f"{MANY} symbols of four types held upstream after", held_s, MANY_S)
