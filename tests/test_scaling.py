"""Two feeds and two web processes over a real server, and everything that can happen to them.

Real processes, killed, stopped and started; the leases are short here so that the tests are, too.
Many rounds of each are in `tests/faults/test_feeds.py`.
"""

import json
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.streams.events import parse_event_id
from tests.processes import Process
from tests.simulation import Simulator, open_simulator
from tests.valkey import Valkey, find_port, open_valkey
from tests.waiting import eventually_sync, scaled
from tests.web.running import Frame, Reader, get, read_stream

TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BROKER_TOKEN = re.compile(rb"[A-Za-z0-9_-]{43,}")
"""32 random bytes or more in URL-safe letters: the simulator's tokens look like this, and no
record, account number, epoch or process id does."""
HEADER = f"Authorization: Bearer {TOKEN}\r\n"
LEASE_S = 1.5


class Web(Process):
    """`gateway serve` with REDIS_URL."""

    def __init__(self, url: str, *arguments: str, **environment: str) -> None:
        given = {"REDIS_URL": url, "GATEWAY_TOKEN": TOKEN, "GATEWAY_HEARTBEAT_S": "1"}
        super().__init__("serve", "--port", "0", *arguments, **given | environment)
        self.url = self.wait_for("live on ", 20).split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = get(f"{self.url}/api/snapshot", headers=BEARER).json()
        return found

    def quote(self, symbol: str = "SPY") -> dict[str, Any]:
        quotes: list[dict[str, Any]] = self.snapshot()["quotes"]
        return next((each for each in quotes if each["symbol"] == symbol), {})

    def is_live(self) -> bool:
        statuses = {each["upstream"]: each for each in self.snapshot()["statuses"]}
        feed = statuses.get("feed", {"state": None})
        return feed["state"] == "live" and self.quote().get("stale") is False

    def is_stale(self) -> bool:
        return self.quote().get("stale") is True


class Follower:
    """A viewer that never leaves: it checks what it is given while the world around it breaks."""

    def __init__(self, web: Web, path: str = "/events?symbols=SPY,QQQ") -> None:
        self.frames: list[Frame] = []
        self._reader = Reader(web.port, path, headers=HEADER)
        self._reader.socket.settimeout(scaled(60))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._reader.wait_for(self._look)
        except (OSError, AssertionError):
            return

    def _look(self) -> bool:
        self.frames = self._reader.frames
        return self._reader.is_over

    def check(self) -> list[tuple[int, int]]:
        """The ids so far, of which each is greater than the one before."""
        parsed = [parse_event_id(each.id) for each in list(self.frames) if each.id is not None]
        origins = [(int(each[0]), each[1]) for each in parsed if each is not None]
        assert origins == sorted(set(origins))
        return origins

    def close(self) -> None:
        self._reader.socket.shutdown(2)
        self._thread.join(scaled(5))
        self._reader.socket.close()


class World:
    """A simulator, a server, and as many processes as a test starts."""

    def __init__(self, simulator: Simulator, valkey: Valkey, stack: ExitStack) -> None:
        self.simulator = simulator
        self.valkey = valkey
        self._stack = stack

    def open_feed(self, **environment: str) -> Process:
        hello = self.simulator.hello
        given = {
            "REDIS_URL": self.valkey.url,
            "TT_SECRET": hello["secret"],
            "TT_REFRESH": hello["refresh"],
            "SIMULATOR_REST": hello["rest"],
            "SIMULATOR_ACCOUNT_WS": hello["account_ws"],
            "GATEWAY_MARKET": "open",
            "GATEWAY_SYMBOLS": "SPY,QQQ",
            "GATEWAY_LEASE_S": str(LEASE_S),
        }
        feed = Process("feed", **given | environment)
        self._stack.callback(feed.kill)
        feed.wait_for("standing by")
        return feed

    def open_leader(self) -> Process:
        feed = self.open_feed()
        feed.wait_for("publishing, epoch")
        return feed

    def open_web(self, *arguments: str, **environment: str) -> Web:
        web = Web(self.valkey.url, *arguments, **environment)
        self._stack.callback(web.kill)
        return web

    def follow(self, web: Web) -> Follower:
        follower = Follower(web)
        self._stack.callback(follower.close)
        return follower

    def connections(self) -> int:
        """How many are upstream for market data."""
        answer = get(self.simulator.hello["control"])
        count: int = answer.json()["connections"]["feed"]
        return count

    def epochs(self) -> list[int]:
        """The epoch of every entry of the stream, in its order."""
        entries: Any = self.valkey.redis.xrange("{gateway}:events")
        return [int(identity.partition(b"-")[0]) for identity, _ in entries]


@contextmanager
def open_world() -> Iterator[World]:
    with open_valkey() as valkey, open_simulator("--rate", "3") as simulator, ExitStack() as stack:
        yield World(simulator, valkey, stack)


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as world:
        yield world


def take(action: Callable[[], object]) -> float:
    """How many seconds it took."""
    begun_s = time.monotonic()
    action()
    return time.monotonic() - begun_s


def kill_the_leader(world: World, webs: list[Web], leader: Process, standby: Process) -> float:
    """Seconds without a live price; the viewers are told of it in time."""
    leader.send(signal.SIGKILL)
    begun_s = time.monotonic()
    eventually_sync(lambda: all(each.is_stale() for each in webs), 5)
    standby.wait_for("publishing, epoch", 13)
    eventually_sync(lambda: all(each.is_live() for each in webs), 13 + begun_s - time.monotonic())
    return time.monotonic() - begun_s


@pytest.mark.fault(13)
def test_a_leader_that_is_killed(world: World) -> None:
    """
    1. Two feeds and two web processes run; a viewer follows each web process.
    2. SIGKILL to the feed that is upstream.
    3. The viewer of the first web process goes on at the second, with the last id it was given.
    Result: stale within 5 s, live again within 13 s; one upstream at a time; ids rise; the resume
    is one; nobody's secret is in the server.
    """
    leader = world.open_leader()
    webs = [world.open_web(), world.open_web()]
    eventually_sync(lambda: all(each.is_live() for each in webs), 10)
    standby = world.open_feed()
    followers = [world.follow(each) for each in webs]
    assert world.connections() == 1
    kill_the_leader(world, webs, leader, standby)
    assert world.connections() == 1
    for follower in followers:
        assert len({epoch for epoch, _ in follower.check()}) == 2
        assert any(each.data and each.data.get("stale") for each in follower.frames)
    given = next(each.id for each in reversed(followers[0].frames) if each.id)
    frames = read_stream(webs[1].url, last_event_id=given, snapshot="only", headers=BEARER)
    assert frames[1].data is not None
    assert frames[1].data["mode"] == "resume"
    assert all(each.id is None or order(each.id) > order(given) for each in frames)
    dump = world.valkey.dump()
    for name in ("secret", "refresh"):
        assert world.simulator.hello[name].encode() not in dump
    assert TOKEN.encode() not in dump
    # The broker's tokens are known to nobody here but by their form.
    assert BROKER_TOKEN.search(secrets.token_urlsafe(32).encode())
    assert BROKER_TOKEN.search(dump) is None
    assert [each.stop() for each in (standby, *webs)] == [0, 0, 0]


def order(event_id: str) -> tuple[int, int]:
    parsed = parse_event_id(event_id)
    assert parsed is not None
    return int(parsed[0]), parsed[1]


def stop_the_leader_for_a_while(world: World, leader: Process, standby: Process) -> float:
    """Seconds until the old leader has left upstream after waking."""
    leader.log.clear()
    standby.log.clear()
    leader.send(signal.SIGSTOP)
    begun_s = time.monotonic()
    standby.wait_for("publishing, epoch", 13)
    eventually_sync(lambda: time.monotonic() - begun_s > 3 * LEASE_S, 3 * LEASE_S + 5)
    leader.send(signal.SIGCONT)
    left_s = take(lambda: leader.wait_for("left upstream"))
    eventually_sync(lambda: world.connections() == 1)
    return left_s


@pytest.mark.fault(5)
def test_a_leader_that_sleeps_and_wakes_up(world: World) -> None:
    """
    1. Two feeds and a web process run; a viewer follows.
    2. SIGSTOP to the feed that is upstream, for three times its lease; the other takes over.
    3. SIGCONT.
    Result: it leaves upstream within 1 s; the stream has no entry of the old epoch behind one of
    the new; ids rise.
    4. SIGTERM to the one that leads now.
    Result: the one that slept takes over before the other leaves, and no viewer is told of a stale
    price.
    """
    leader, web = world.open_leader(), world.open_web()
    eventually_sync(web.is_live, 10)
    standby = world.open_feed()
    follower = world.follow(web)
    assert stop_the_leader_for_a_while(world, leader, standby) < scaled(1)
    eventually_sync(web.is_live)
    epochs = world.epochs()
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2
    follower.check()
    eventually_sync(lambda: world.valkey.redis.exists("{gateway}:standby"))
    seen = len(follower.frames)
    assert standby.stop() == 0
    assert standby.says("handed over")
    eventually_sync(lambda: len(set(world.epochs())) == 3)
    eventually_sync(lambda: len({epoch for epoch, _ in follower.check()}) == 3)
    after = [each.data for each in follower.frames[seen:] if each.data is not None]
    assert not [each for each in after if each.get("stale")]
    assert not [each for each in after if each.get("state") == "stale"]


def wipe(world: World, webs: list[Web]) -> float:
    """Seconds until everybody is current after the server is back."""
    before = [each.quote() for each in webs]
    world.valkey.kill()
    eventually_sync(lambda: all(each.is_stale() for each in webs), 5)
    for web, quote in zip(webs, before, strict=True):
        assert web.quote()["last"] is not None, quote
        assert get(f"{web.url}/readyz").status_code == 200
    world.valkey.start()
    return take(lambda: eventually_sync(lambda: all(each.is_live() for each in webs), 10))


@pytest.mark.fault(12)
def test_a_server_that_is_killed_and_comes_back_empty(world: World) -> None:
    """
    1. A feed and two web processes run; a viewer follows each web process.
    2. SIGKILL to the server; its data is gone; it starts again.
    Result: the last values are served, stale, within 5 s; current within 5 s after it is back; ids
    rise, so none is used twice.
    """
    world.open_leader()
    webs = [world.open_web(), world.open_web()]
    eventually_sync(lambda: all(each.is_live() for each in webs), 10)
    followers = [world.follow(each) for each in webs]
    assert wipe(world, webs) < scaled(5)
    for web, follower in zip(webs, followers, strict=True):
        assert web.says("cannot be reached")
        assert len({epoch for epoch, _ in follower.check()}) == 2
        status = json.loads(get(f"{web.url}/status", headers=BEARER).text)
        assert status["upstream"]["backplane"]["trouble"] is None


def test_what_a_viewer_asks_for_is_followed_upstream(world: World) -> None:
    """
    1. A feed follows two symbols; a viewer asks a web process for a third.
    Result: it has its price.
    """
    world.open_leader()
    web = world.open_web(GATEWAY_SYMBOLS="SPY")
    with Reader(web.port, "/events?symbols=AAPL", headers=HEADER) as reader:
        reader.read_until("quote_update", 2)


def test_workers_share_an_address_and_are_replaced(world: World) -> None:
    """
    1. `gateway serve --workers 2` runs; eight viewers follow.
    2. SIGKILL to one worker.
    Result: another takes its place; both serve; who was at the other notices nothing.
    3. SIGTERM to the parent.
    Result: `bye` to the viewers, exit status 0, no process is left.
    """
    world.open_leader()
    web = world.open_web("--workers", "2")
    pids = children(web.popen.pid)
    assert len(pids) == 2
    eventually_sync(lambda: get(f"{web.url}/readyz").status_code == 200)
    followers = [world.follow(web) for _ in range(8)]
    eventually_sync(lambda: all(each.frames for each in followers))
    os.kill(pids[0], signal.SIGKILL)
    web.wait_for("starting another")
    eventually_sync(lambda: len(children(web.popen.pid)) == 2, 15)
    for _ in range(8):
        assert get(f"{web.url}/healthz").status_code == 200
    remaining = [each for each in followers if each._thread.is_alive()]
    assert remaining
    pids = children(web.popen.pid)
    assert web.stop() == 0
    for follower in remaining:
        follower._thread.join(scaled(5))
        assert follower.frames[-1].event == "bye"
    eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_workers_do_not_outlive_their_parent(world: World) -> None:
    """
    1. `gateway serve --workers 2` runs, without a server to reach, with a token made at the start.
    2. SIGKILL to the parent.
    Result: the workers end.
    """
    url = f"redis://127.0.0.1:{find_port()}"
    web = Web(url, "--workers", "2", GATEWAY_TOKEN="")
    link = web.wait_for("sign in once with ")
    pids = children(web.popen.pid)
    token = link.strip().partition("#token=")[2]
    for _ in range(8):  # whichever worker answers
        headers = {"Authorization": f"Bearer {token}"}
        assert get(f"{web.url}/status", headers=headers).status_code == 200
    web.kill()
    eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 10)


def children(pid: int) -> list[int]:
    """The processes that a process has started (Linux)."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_server_that_is_not_there_at_the_start() -> None:
    """
    1. `gateway serve` and `gateway feed` start with a REDIS_URL that nobody answers to.
    Result: one line each that says why; `/healthz` 200, `/readyz` 503 with the reason; without a
    token 401, although a simulator is named.
    2. The server starts.
    Result: both go on by themselves.
    """
    valkey = Valkey()
    with open_simulator("--rate", "3") as simulator, ExitStack() as stack:
        stack.callback(valkey.close)
        secret_url = valkey.url.replace("127", ":hidden-word@127")
        world = World(simulator, valkey, stack)
        feed = world.open_feed(REDIS_URL=secret_url)
        web = Web(
            secret_url,
            SIMULATOR_REST=simulator.hello["rest"],
            SIMULATOR_ACCOUNT_WS=simulator.hello["account_ws"],
        )
        stack.callback(web.kill)
        words = "REDIS_URL: the server cannot be reached: connection refused"
        for process in (feed, web):
            process.wait_for(words)
        eventually_sync(lambda: get(f"{web.url}/readyz").json().get("reasons") == [words])
        assert get(f"{web.url}/healthz").status_code == 200
        assert get(f"{web.url}/api/snapshot").status_code == 401
        valkey.start("--requirepass", "hidden-word")
        eventually_sync(web.is_live, 10)
        for process in (feed, web):
            assert len([line for line in process.log if words in line]) == 1
            assert process.stop() == 0
            assert not process.says("hidden-word")
