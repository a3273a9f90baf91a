"""Old prices never overtake new ones, over several processes, epochs, losses and reconnects.

Pure: the hubs of two web processes that are given what feed processes published, at their own
pace, and clients that go from one to the other. The price of each symbol is a number that rises.
"""

import json
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.hub.hub import Hub, opening
from gateway.streams.hub.position import BEGINNING, StreamPosition, parse_event_id
from gateway.streams.hub.subscribers import Subscriber
from gateway.streams.hub.subscription import subscription_for
from gateway.streams.records import QuoteUpdate, Record
from tests.faults.trial import Trial
from tests.sse import Parser
from tests.streams.samples import make_quote
from tests.waiting import scaled

SYMBOLS = ("SPY", "QQQ", "IWM")
ALL = subscription_for()

KINDS = (
    *("publish", "publish", "publish", "restart", "lose", "feed", "feed", "load", "mark"),
    *("flush", "flush", "join", "join", "fill", "drain", "leave", "age"),
)
Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 5), st.integers(0, 5)),
    min_size=30,  # the usual length is twice that
    max_size=120,
)


@dataclass(eq=False)
class Client:
    """A reader that comes back with the last id that it was given, to whichever process."""

    hub: Hub
    last_event_id: str = ""
    is_full: bool = False
    is_writing: bool = False
    subscriber: Subscriber | None = None
    mode: str = "snapshot"
    ids: list[tuple[int, int]] = field(default_factory=list)
    """Of this connection."""
    prices: dict[str, int] = field(default_factory=dict)
    proved: dict[str, int] = field(default_factory=dict)
    """Of records with an id. What a process says itself, that a price is stale, has none, and may
    be of a record that another process has yet to read."""
    parser: Parser = field(default_factory=Parser)

    def join(self, hub: Hub) -> None:
        self.hub, self.ids, self.parser = hub, [], Parser(self.last_event_id)
        self.is_full = self.is_writing = False
        resumed = parse_event_id(self.last_event_id)
        self.mode, entries, cursor = opening(hub, ALL, self.last_event_id or None)
        if self.mode == "resume":
            assert resumed is not None
            self.ids = [(int(resumed[0]), resumed[1])]  # what follows is newer than this
        else:
            self.proved = {}
        self.prices = dict(self.proved)
        self.look(b"".join(entry.frame for entry in entries))
        self.subscriber = hub.subscribe(ALL, self, after=cursor)

    def close(self, reason: str) -> None:
        """Nothing to do: the hubs are never closed."""

    def write(self, chunk: bytes) -> bool:
        assert not self.is_writing
        self.look(chunk)
        self.is_writing = self.is_full
        return not self.is_full

    def drain(self) -> None:
        self.is_full = False
        if self.is_writing and self.subscriber is not None:
            self.is_writing = False
            self.subscriber.resume_writing()

    def leave(self) -> None:
        if self.subscriber is not None:
            self.subscriber.close()
            self.subscriber = None

    def look(self, chunk: bytes) -> None:
        for event in self.parser.feed(chunk):
            if event.id is not None:
                parsed = parse_event_id(event.id)
                assert parsed is not None
                self.ids.append((int(parsed[0]), parsed[1]))
                self.last_event_id = event.id
            if event.event == "quote_update":
                told = json.loads(event.data)
                symbol, price = told["symbol"], int(told["last"])
                assert price >= self.prices.get(symbol, 0), "an old price overtook a new one"
                self.prices[symbol] = price
                if event.id is not None:
                    self.proved[symbol] = price
        assert all(before < after for before, after in pairwise(self.ids)), self.ids


class World:
    """The server's stream, two web processes that read it, and their clients."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.hubs = [
            FollowerHub(history_events=8, clock=Clock(monotonic_s=lambda: self.now_s))
            for _ in range(2)
        ]
        for hub in self.hubs:
            hub.recover_from((), BEGINNING)  # as after reading a server that is empty
        self.stream: list[tuple[StreamPosition, Record]] = []
        self.newest: dict[str, QuoteUpdate] = {}
        self.epoch, self.seq, self.price = 10, 0, 0
        self.clients: list[Client] = []

    def append(self, quote: QuoteUpdate) -> None:
        self.seq += 1
        self.newest[quote.symbol] = quote
        self.stream.append((StreamPosition(str(self.epoch), self.seq), quote))

    def publish(self, one: int, two: int) -> None:
        self.price += 1
        self.append(make_quote(SYMBOLS[one % 3], self.price))

    def restart(self, one: int, two: int) -> None:
        """Another feed begins its epoch with all that is known."""
        self.epoch, self.seq = self.epoch + 1 + two, 0
        for quote in list(self.newest.values()):
            self.append(quote)

    def lose(self, one: int, two: int) -> None:
        """The server loses its tail, which some may have read; the feed knows what it said."""
        del self.stream[len(self.stream) - min(one, len(self.stream)) :]
        self.restart(one, two)

    def feed(self, one: int, two: int) -> None:
        """One process reads on, and is told a little again that it knows."""
        hub = self.hubs[one % 2]
        place = sum(position.order <= hub.position.order for position, _ in self.stream)
        for position, record in self.stream[max(0, place - 2) : place + two + 1]:
            is_news = position.order > hub.position.order
            assert hub.replicate(record, position) is is_news

    def load(self, one: int, two: int) -> None:
        """One process reads the newest of every key, as at its start or after a trimming."""
        hub = self.hubs[one % 2]
        if not self.stream or self.stream[-1][0].order < hub.position.order:
            return
        newest = {record.topic: (position, record) for position, record in self.stream}
        for position, record in sorted(newest.values(), key=lambda each: each[0].order):
            hub.replicate(record, position)
        hub.advance(self.stream[-1][0])
        hub.recover_from({position.epoch for position, _ in self.stream}, self.stream[0][0])

    def mark(self, one: int, two: int) -> None:
        """One process has lost the server, or has it again."""
        self.hubs[one % 2].mark_stale(two % 2 == 0)

    def flush(self, one: int, two: int) -> None:
        self.hubs[one % 2].flush()

    def join(self, one: int, two: int) -> None:
        """A client comes, or one that had left comes back."""
        gone = [each for each in self.clients if each.subscriber is None]
        client = gone[two % len(gone)] if gone else Client(self.hubs[0])
        if client not in self.clients:
            self.clients.append(client)
        client.join(self.hubs[one % 2])

    def fill(self, one: int, two: int) -> None:
        if self.clients:
            self.clients[one % len(self.clients)].is_full = True

    def drain(self, one: int, two: int) -> None:
        if self.clients:
            self.clients[one % len(self.clients)].drain()

    def leave(self, one: int, two: int) -> None:
        if self.clients:
            self.clients[one % len(self.clients)].leave()

    def age(self, one: int, two: int) -> None:
        """Whoever is behind by now is given the newest only."""
        self.now_s += 1.5

    def finish(self) -> int:
        """All has been read by everybody, who now holds the newest; how many clients there were."""
        for index, hub in enumerate(self.hubs):
            self.feed(index, len(self.stream))
            hub.flush()
        last = {symbol: int(quote.last or 0) for symbol, quote in self.newest.items()}
        for client in self.clients:
            if client.subscriber is not None:
                client.drain()
                assert client.prices == last
            client.leave()
        assert [hub.subscribers for hub in self.hubs] == [0, 0]
        return len(self.clients)


@pytest.mark.fault(4)
@pytest.mark.timeout(scaled(180))
def test_no_order_of_events_shows_an_old_price_after_a_new_one(trial: Trial) -> None:
    runs, clients, resumed = trial.count(150, 2000), 0, 0

    @settings(max_examples=runs)
    @given(STEPS)
    def try_one(steps: list[Step]) -> None:
        nonlocal clients, resumed
        world = World()
        for kind, one, two in steps:
            getattr(world, kind)(one, two)
            resumed += sum(each.mode == "resume" for each in world.clients if kind == "join")
        clients += world.finish()

    try_one()
    assert resumed > 0
    trial.tell(
        f"two web processes over {runs:,} histories of epochs and losses: {clients:,} clients"
    )
