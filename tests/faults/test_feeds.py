"""Feeds that are killed or put to sleep, and a server that is wiped, many times over.

Real processes over a real server; a person at each of two web processes. What one round is made of
stands in `tests/test_scaling.py`. Rounds go on in several worlds at a time, because most of a round
is waiting for a lease to run out.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from tests.faults.observer import Observer, Seen, observe, parse_id
from tests.faults.trial import Trial
from tests.processes import Process
from tests.waiting import eventually_sync, scaled
from tests.web.running import get
from tests.world import TOKEN, Web, World, open_world

T = TypeVar("T")

WORLDS = 2
LEASE_S = 1.0
"""The shortest that can be set, so that many rounds take minutes."""

DEFAULT_LEASE_S = 6.0
PATH = "/events?symbols=SPY,QQQ"


@dataclass(slots=True)
class Stage:
    """A world with a feed that leads, others that stand by, and who watches."""

    world: World
    lease_s: float
    feeds: list[Process]
    webs: list[Web]
    observers: list[Observer]
    times: dict[str, list[float]] = field(default_factory=dict)

    def open_feed(self) -> Process:
        return self.world.open_feed(GATEWAY_LEASE_S=str(self.lease_s))

    def find_leader(self) -> Process:
        """The one that leads, while another stands by; it is not among `feeds` any more."""
        eventually_sync(lambda: self.world.valkey.redis.exists("{gateway}:2:standby"), 10)

        def find() -> Process:
            found = [each for each in self.feeds if is_leading(each)]
            assert len(found) == 1
            return found[0]

        leader = eventually_sync(find)
        self.feeds.remove(leader)
        return leader

    def note(self, what: str, seconds: float) -> None:
        self.times.setdefault(what, []).append(seconds)

    def epoch(self) -> int:
        """The newest that any of those who watch was told of."""
        return max(_epoch_of(each, 0) for each in self.observers)

    def wait_until_live(self, after: int, since: list[int], timeout_s: float) -> int:
        """When all see live prices of a later epoch than `after`; monotonic ns of the last."""

        def find_all() -> list[Seen]:
            found = [
                find_live(observer, begin, after)
                for observer, begin in zip(self.observers, since, strict=True)
            ]
            assert all(found), "somebody has no live price"
            return [each for each in found if each]

        return max(each.at_ns for each in eventually_sync(find_all, timeout_s))

    def count_seen(self) -> list[int]:
        return [len(each.seen) for each in self.observers]

    def check(self) -> None:
        """Nobody was given an id twice, nor a value that is older than one before."""
        known: dict[str, object] = {}
        for observer in self.observers:
            assert observer.check_ids() > 0
            assert set(observer.statuses) == {200}
            newest: dict[str, tuple[str, object]] = {}
            for each in observer.seen:
                if each.kind != "quote_update":
                    continue
                if each.event.id is not None:
                    assert known.setdefault(each.event.id, each.data) == each.data, "an id twice"
                symbol = each.data["symbol"]
                at, volume = newest.get(symbol, ("", None))
                assert each.data["updated_at"] >= at, (symbol, at, each.data)
                if volume is not None and each.data["volume"] is not None:
                    assert each.data["volume"] >= volume, (symbol, volume, each.data)
                volume = each.data["volume"] or volume
                newest[symbol] = (each.data["updated_at"], volume)
        epochs = self.world.epochs()
        assert epochs == sorted(epochs), "an entry of an epoch that was over"


def is_leading(feed: Process) -> bool:
    """Whether its last word on it is that it publishes."""
    words = [line for line in list(feed.log) if "publishing, epoch" in line or "left up" in line]
    return bool(words) and "publishing" in words[-1]


def find_live(observer: Observer, begin: int, after: int) -> Seen | None:
    """The first live price from there on that was published in a later epoch than `after`."""
    is_live = True
    for each in observer.seen[begin:]:
        if each.kind == "status" and each.data["upstream"] == "feed":
            is_live = each.data["state"] in ("live", "degraded")
        elif (
            each.kind == "quote_update"
            and is_live
            and not each.data["stale"]
            and is_later(each, after)
        ):
            return each
    return None


def is_later(each: Seen, after: int) -> bool:
    """Whether it was published in a later epoch."""
    return each.event.id is not None and int(parse_id(each.event.id)[0]) > after


def find_told(observer: Observer, begin: int, after: int) -> Seen:
    """The first word from there on that prices are stale, or a price of a later epoch.

    Raises: AssertionError, while there is none.
    """
    for each in observer.seen[begin:]:
        if each.kind == "status" and each.data["upstream"] == "feed":
            if each.data["state"] not in ("live", "degraded"):
                return each
        elif each.kind == "quote_update" and (each.data["stale"] or is_later(each, after)):
            return each
    raise AssertionError("nobody was told")


def _epoch_of(observer: Observer, otherwise: int) -> int:
    ids = (each.event.id for each in reversed(observer.seen) if each.event.id is not None)
    return next((int(parse_id(each)[0]) for each in ids), otherwise)


@contextmanager
def open_stage(lease_s: float, standbys: int) -> Iterator[Stage]:
    with open_world() as world, ExitStack() as stack:
        webs = [world.open_web() for _ in range(2)]
        paths = [(each.port, PATH) for each in webs]
        stage = Stage(world, lease_s, [], webs, [])
        stage.feeds.append(stage.open_feed())
        stage.feeds[0].wait_for("publishing, epoch")
        eventually_sync(lambda: all(each.is_live() for each in webs), 15)
        stage.observers += [
            stack.enter_context(observe(port, path, token=TOKEN)) for port, path in paths
        ]
        for observer in stage.observers:
            observer.wait_for("snapshot_end")
        stage.feeds += [stage.open_feed() for _ in range(standbys)]
        yield stage
        stage.check()


def play(
    trial: Trial, rounds: int, act: Callable[[Stage, random.Random], None], **options: float
) -> dict[str, list[float]]:
    """The times of so many rounds, in `WORLDS` worlds at a time."""
    seeds = [trial.rng.random() for _ in range(min(WORLDS, rounds))]

    def run(index: int) -> dict[str, list[float]]:
        rng = random.Random(seeds[index])
        with open_stage(options["lease_s"], int(options["standbys"])) as stage:
            for _ in range(index, rounds, len(seeds)):
                act(stage, rng)
            return stage.times

    with ThreadPoolExecutor(len(seeds)) as pool:
        found = list(pool.map(run, range(len(seeds))))
    return {name: [each for times in found for each in times[name]] for name in found[0]}


def kill_the_leader(stage: Stage, rng: random.Random) -> None:
    """At any moment of its lease; another takes over, and a new one stands by."""
    leader = stage.find_leader()
    time.sleep(rng.random() * stage.lease_s)
    since, epoch = stage.count_seen(), stage.epoch()
    leader.send(signal.SIGKILL)
    killed_ns = time.monotonic_ns()
    stage.feeds.append(stage.open_feed())
    live_ns = stage.wait_until_live(epoch, since, 20)
    for observer, begin in zip(stage.observers, since, strict=True):
        told = find_told(observer, begin, epoch)
        stage.note("told", (told.at_ns - killed_ns) / 1e9)
    stage.note("taken over", (live_ns - killed_ns) / 1e9)
    eventually_sync(lambda: stage.world.connections() == 1)


@pytest.mark.fault(13)
@pytest.mark.long
@pytest.mark.timeout(scaled(900))
@pytest.mark.parametrize(("lease_s", "rounds"), [(LEASE_S, 50), (DEFAULT_LEASE_S, 4)])
def test_leaders_that_are_killed(trial: Trial, lease_s: float, rounds: int) -> None:
    times = play(trial, rounds, kill_the_leader, lease_s=lease_s, standbys=2)
    name = f"at a lease of {lease_s:g} s:"
    trial.measure(f"{name} live again", times["taken over"], at_most=13.0)
    trial.measure(f"{name} told stale or given a new price", times["told"], at_most=5.0)


def put_the_leader_to_sleep(stage: Stage, rng: random.Random) -> None:
    """For three times its lease; when it wakes up another leads."""
    leader = stage.find_leader()
    since, epoch = stage.count_seen(), stage.epoch()
    time.sleep(rng.random() * stage.lease_s)
    leader.send(signal.SIGSTOP)
    slept_ns = time.monotonic_ns()
    stage.wait_until_live(epoch, since, 15)
    rest_s = 3 * stage.lease_s - (time.monotonic_ns() - slept_ns) / 1e9
    time.sleep(max(0.0, rest_s))
    assert stage.world.connections() == 2
    leader.send(signal.SIGCONT)
    woken_ns = time.monotonic_ns()
    eventually_sync(lambda: stage.world.connections() == 1)
    stage.note("left", (time.monotonic_ns() - woken_ns) / 1e9)
    eventually_sync(lambda: not is_leading(leader))
    stage.feeds.append(leader)


@pytest.mark.fault(5)
@pytest.mark.long
@pytest.mark.timeout(scaled(900))
@pytest.mark.parametrize(("lease_s", "rounds"), [(LEASE_S, 50), (DEFAULT_LEASE_S, 2)])
def test_leaders_that_sleep_and_wake_up(trial: Trial, lease_s: float, rounds: int) -> None:
    times = play(trial, rounds, put_the_leader_to_sleep, lease_s=lease_s, standbys=1)
    what = f"at a lease of {lease_s:g} s: left upstream after waking"
    trial.measure(what, times["left"], at_most=1.0)


def wipe_the_server(stage: Stage, rng: random.Random) -> None:
    """It is killed, all that it held is gone, and it comes back at some time."""
    time.sleep(rng.random())
    before, since, epoch = stage.webs[0].quote(), stage.count_seen(), stage.epoch()
    stage.world.valkey.kill()
    killed_ns = time.monotonic_ns()
    eventually_sync(lambda: all(each.is_stale() for each in stage.webs), 5)
    for web, observer, begin in zip(stage.webs, stage.observers, since, strict=True):
        told = find_told(observer, begin, epoch)
        stage.note("told", (told.at_ns - killed_ns) / 1e9)
        assert web.quote()["last"] is not None, before
        assert get(f"{web.url}/readyz").status_code == 200
    time.sleep(rng.random() * 2)
    stage.world.valkey.start()
    back_ns = time.monotonic_ns()
    live_ns = stage.wait_until_live(epoch, since, 15)
    stage.note("current", (live_ns - back_ns) / 1e9)


@pytest.mark.fault(12)
@pytest.mark.long
@pytest.mark.timeout(scaled(600))
def test_servers_that_are_wiped(trial: Trial) -> None:
    times = play(trial, 20, wipe_the_server, lease_s=LEASE_S, standbys=1)
    trial.measure("wiped: everybody current after it was back", times["current"], at_most=5.0)
    trial.measure("wiped: last values served, told stale", times["told"], at_most=5.0)
