"""No order of events shows what is not granted."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.streams.hub.hub import Hub, opening
from gateway.streams.hub.subscribers import Subscriber
from gateway.streams.topics import grant_accounts
from gateway.web.auth.authenticator import (
    AuthContext,
    Authenticator,
)
from gateway.web.auth.viewers import Viewer
from gateway.web.query import parse_query
from tests.faults.trial import Trial
from tests.web.granting import ACCOUNTS
from tests.web.running import (
    TOKEN,
    make_balance,
)

NAMES = ("alice", "bob", "carol")


# What can happen, with numbers that say to whom and to what.
Step = tuple[str, int, int]


KINDS = ("publish", "flush", "open", "resume", "snapshot", "grant", "block", "close")


@dataclass(slots=True)
class Stream:
    """An open stream, and what was granted when it was opened."""

    granted: frozenset[str] | None
    accounts_seen: set[str]
    subscriber: Subscriber | None = None
    is_blocked: bool = False
    is_over: bool = False


def accounts_in(chunk: bytes) -> set[str]:
    return {each.decode() for each in re.findall(rb'"account":"(\w+)"', chunk)}


class Sink:
    """Passes on what it is written, and that it is closed."""

    def __init__(self, write: Callable[[bytes], bool], end: Callable[[], None]) -> None:
        self.write = write
        self._end = end

    def close(self, reason: str) -> None:
        self._end()


class Play:
    """A hub and its viewers, whose grants change; every chunk is looked at as it is handed over."""

    def __init__(self) -> None:
        self.hub = Hub(epoch="e", history_events=8, tick_s=0)
        viewers = {name: Viewer(name, frozenset(), name) for name in NAMES}
        self.viewers = viewers
        self.authenticator = Authenticator(TOKEN, viewers=viewers)
        self.streams: list[Stream] = []
        self.frames = 0

    def run(self, steps: list[Step]) -> None:
        for kind, one, two in steps:
            getattr(self, kind)(one, two)

    def publish(self, one: int, two: int) -> None:
        self.hub.publish(make_balance(ACCOUNTS[one % 3], f"{two}.00"))

    def flush(self, one: int, two: int) -> None:
        self.hub.flush()

    def grant(self, one: int, two: int) -> None:
        name = NAMES[one % 3]
        chosen = frozenset(each for bit, each in enumerate(ACCOUNTS) if two >> bit & 1)
        if two % 16 == 15:
            self.viewers.pop(name, None)
        else:
            self.viewers[name] = Viewer(name, None if two % 16 == 14 else chosen, name)
        self.authenticator.set_viewers(self.viewers)

    def open(self, one: int, two: int, last_event_id: str | None = None) -> None:
        viewer = self.viewers.get(NAMES[one % 3])
        if viewer is None:
            return
        asked = [] if two & 8 else [("accounts", ",".join(ACCOUNTS[: two % 3 + 1]))]
        query = parse_query(asked, max_symbols=9, granted=grant_accounts(viewer.accounts))
        stream = Stream(viewer.accounts, set())
        self.streams.append(stream)
        release = AuthContext(self.authenticator, viewer).register(lambda reason: end())

        def end() -> None:
            stream.is_over = True
            if stream.subscriber is not None:
                stream.subscriber.close()
            release()

        _, entries, cursor = opening(self.hub, query.subscription, last_event_id)
        self.look(stream, b"".join(entry.frame for entry in entries))
        sink = Sink(lambda chunk: self.look(stream, chunk), end)
        stream.subscriber = self.hub.subscribe(query.subscription, sink, after=cursor)

    def resume(self, one: int, two: int) -> None:
        self.open(one, two, f"e-{two}")

    def snapshot(self, one: int, two: int) -> None:
        viewer = self.viewers.get(NAMES[one % 3])
        if viewer is not None:
            query = parse_query([], max_symbols=9, granted=grant_accounts(viewer.accounts))
            entries = self.hub.snapshot(query.subscription)
            stream = Stream(viewer.accounts, set())
            self.look(stream, b"".join(entry.frame for entry in entries))

    def block(self, one: int, two: int) -> None:
        if self.streams:
            stream = self.streams[one % len(self.streams)]
            stream.is_blocked = not stream.is_blocked
            if not stream.is_blocked and not stream.is_over and stream.subscriber is not None:
                stream.subscriber.resume_writing()

    def close(self, one: int, two: int) -> None:
        if self.streams:
            stream = self.streams.pop(one % len(self.streams))
            if stream.subscriber is not None:
                stream.subscriber.close()

    def look(self, stream: Stream, chunk: bytes) -> bool:
        assert not stream.is_over, "a frame after the end"
        seen = accounts_in(chunk)
        assert stream.granted is None or seen <= stream.granted
        stream.accounts_seen |= seen
        self.frames += chunk.count(b"\n\n")
        return not stream.is_blocked


steps = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 8), st.integers(0, 31)),
    min_size=20,  # the usual length is twice that
    max_size=60,
)


@pytest.mark.fault(2)
def test_no_order_of_events_shows_what_is_not_granted(trial: Trial) -> None:
    @settings(max_examples=trial.count(200, 1000))
    @given(steps)
    def try_one(steps: list[Step]) -> None:
        Play().run(steps)

    try_one()


@pytest.mark.fault(2)
def test_nor_do_ten_thousand(trial: Trial) -> None:
    chance = trial.rng
    frames = 0
    interleavings = trial.count(2_000, 10_000)
    for _ in range(interleavings):
        play = Play()
        weights = [chance.choice((1, 3, 9)) for _ in KINDS]
        kinds = chance.choices(KINDS, weights, k=25)
        play.run([(kind, chance.randrange(9), chance.randrange(32)) for kind in kinds])
        frames += play.frames
    assert frames > interleavings
    trial.tell(f"{interleavings:,} interleavings: none of {frames:,} frames without a grant")
