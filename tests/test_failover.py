"""A server that is doubled: the first is lost with what it had not passed on, the second serves."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.trial import Trial
from tests.simulation import open_simulator
from tests.valkey import Valkey, open_valkey
from tests.waiting import eventually_sync
from tests.web.running import get, read_stream
from tests.world import BEARER, Follower, Forwarder, Web, World, take_s


class Pair:
    """A server and its replica; one address leads to what is in use, one to what is copied."""

    def __init__(self, stack: ExitStack) -> None:
        self.address, self._link = Forwarder(), Forwarder()
        stack.callback(self.address.close)
        stack.callback(self._link.close)
        self.first = stack.enter_context(open_valkey("--repl-diskless-sync-delay", "0"))
        self._link.lead_to(self.first.port)
        self.second = stack.enter_context(
            open_valkey("--replicaof", f"127.0.0.1 {self._link.port}")
        )
        self.address.lead_to(self.first.port)
        eventually_sync(lambda: self._about()["master_link_status"] == "up")

    def _about(self) -> dict[str, Any]:
        found: dict[str, Any] = self.second.redis.info("replication")
        return found

    def fall_behind(self) -> None:
        """From now on nothing is passed on."""
        self._link.lead_to(None)
        eventually_sync(lambda: self._about()["master_link_status"] == "down")

    def lose_the_first(self) -> None:
        self.first.kill()
        self.address.lead_to(None)

    def promote_the_second(self) -> None:
        self.second.redis.replicaof("NO", "ONE")
        self.address.lead_to(self.second.port)


def mark_of(valkey: Valkey) -> tuple[int, int]:
    """The newest entry that a server knows of."""
    text = valkey.redis.get("{gateway}:2:position")
    assert isinstance(text, bytes)
    epoch, _, seq = text.decode().partition("-")
    return int(epoch), int(seq)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.fault(12)
def test_a_replica_that_was_behind_is_promoted(stack: ExitStack, trial: Trial) -> None:
    """
    1. A feed and two web processes use a server that has a replica; a viewer follows each.
    2. The replica is cut off; viewers are given ids that it will never hear of.
    3. The server is killed.
    Result: the last values are served, marked stale, within 5 s.
    4. The replica is promoted (REPLICAOF NO ONE) at the address that REDIS_URL names.
    Result: everybody is current within 5 s, under a later epoch than any before; no id is used
    twice; an id from what was lost is resumed from, also at a process that starts only now.
    """
    pair = Pair(stack)
    simulator = stack.enter_context(open_simulator("--rate", "3"))
    world = World(simulator, pair.first, stack)
    feed = world.open_feed(REDIS_URL=pair.address.url)
    feed.wait_for("publishing, epoch")
    webs = [world.open_web(REDIS_URL=pair.address.url) for _ in range(2)]
    eventually_sync(lambda: all(each.is_live() for each in webs), 10)
    followers = [world.follow(each) for each in webs]
    eventually_sync(lambda: all(each.check() for each in followers))

    pair.fall_behind()
    behind = mark_of(pair.second)
    eventually_sync(lambda: all(each.check()[-1][1] > behind[1] + 20 for each in followers), 10)
    pair.lose_the_first()
    lost = max(each.check()[-1] for each in followers)
    assert lost > behind == mark_of(pair.second)
    eventually_sync(lambda: all(each.is_stale() for each in webs), 5)
    for web in webs:
        assert web.quote()["last"] is not None
        assert get(f"{web.url}/readyz").status_code == 200

    pair.promote_the_second()
    current_s = take_s(lambda: eventually_sync(lambda: all(map(Web.is_live, webs)), 10))
    trial.measure("failed over to a replica: everybody current after", [current_s], at_most=5.0)
    assert feed.popen.poll() is None
    epochs = {behind[0], mark_of(pair.second)[0]}
    eventually_sync(lambda: [list_epochs(each) for each in followers] == [epochs] * 2)
    eventually_sync(lambda: list_common_epochs(followers) == epochs)
    given = f"{lost[0]}-{lost[1]}"
    late = world.open_web(REDIS_URL=pair.address.url)
    eventually_sync(late.is_live)
    for web in (*webs, late):
        frames = read_stream(
            web.url, symbols="SPY,QQQ", last_event_id=given, snapshot="only", headers=BEARER
        )
        assert frames[1].data is not None
        assert frames[0].data["mode"] == "resume"
        symbols = {each.data["symbol"] for each in frames if each.event == "quote_update"}
        assert symbols == {"SPY", "QQQ"}
    assert [each.stop() for each in (feed, *webs, late)] == [0] * 4


def list_epochs(follower: Follower) -> set[int]:
    """Of the ids that a viewer got, which rise."""
    return {epoch for epoch, _ in follower.check()}


def list_common_epochs(followers: list[Follower]) -> set[int]:
    """Of the ids that two viewers got; what each got under one id is the same."""
    one, two = ({each.id: each.data for each in list(f.frames) if each.id} for f in followers)
    common = one.keys() & two.keys()
    assert {each: one[each] for each in common} == {each: two[each] for each in common}
    return {int(each.partition("-")[0]) for each in common}
