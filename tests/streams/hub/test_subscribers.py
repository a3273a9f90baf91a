"""Subscribers that the hub writes to by itself: the promises of `Hub`, whatever the sockets do."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.streams.hub.hub import Hub, opening
from gateway.streams.hub.subscribers import Subscriber
from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.records import DEFAULT_TYPES
from tests.faults.trial import Trial
from tests.sse import parse
from tests.streams.samples import make_quote

EPOCH = "k3f9"
SYMBOLS = ("SPY", "QQQ", "IWM")


class Sink:
    """A client whose socket is full whenever the test says so."""

    def __init__(self, hub: Hub, subscription: Subscription) -> None:
        self.is_full = False
        self.is_writing = False
        self.chunks: list[bytes] = []
        self.ends = 0
        _, entries, cursor = opening(hub, subscription, None)
        self.begin = b"".join(entry.frame for entry in entries)
        self.subscriber: Subscriber = hub.subscribe(subscription, self, after=cursor)

    def write(self, chunk: bytes) -> bool:
        assert chunk
        assert not self.is_writing, "written to while the last one is being written"
        self.chunks.append(chunk)
        self.is_writing = self.is_full
        return not self.is_full

    def close(self, reason: str) -> None:
        self.ends += 1

    def drain(self) -> None:
        self.is_full = False
        if self.is_writing:
            self.is_writing = False
            self.subscriber.resume_writing()

    def seen(self) -> list[tuple[int, str, Any]]:
        """Sequence, symbol and price of every quote, in the order of arrival."""
        found = []
        for event in parse(self.begin + b"".join(self.chunks)):
            if event.event == "quote_update":
                assert event.id is not None
                match = re.search(r'"symbol":"(\w+)".*?"last":(\d+)', event.data)
                assert match
                found.append((int(event.id.split("-")[1]), match[1], int(match[2])))
        return found


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "publish", "flush", "join", "fill", "drain", "leave", "age"]),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    min_size=20,  # the usual length is twice that
    max_size=60,
)


@pytest.mark.fault(4)
def test_order_no_doubles_and_the_newest_always(trial: Trial) -> None:
    runs = trial.count(100, 2000)

    @settings(max_examples=runs)
    @given(steps=STEPS, history=st.sampled_from([4, 64]))
    def try_one(steps: list[Step], history: int) -> None:
        check_streams(steps, history)

    try_one()
    trial.tell(f"pushed streams: {runs:,} runs of up to 60 steps")


def check_streams(steps: list[Step], history: int) -> None:
    """Do the steps; whoever is there at the end has everything once, in order."""
    now_s = 0.0
    hub = Hub(epoch=EPOCH, history_events=history, clock=Clock(monotonic_s=lambda: now_s))
    subscriptions = [subscription_for(symbols=[each]) for each in SYMBOLS]
    subscriptions.append(subscription_for())
    sinks: list[tuple[Subscription, Sink]] = []
    last: dict[str, int] = {}
    price = 0
    for action, which, symbol in steps:
        if action == "publish":
            price += 1
            last[SYMBOLS[symbol]] = price
            hub.publish(make_quote(SYMBOLS[symbol], price))
        elif action == "flush":
            hub.flush()
        elif action == "join":
            subscription = subscriptions[which % len(subscriptions)]
            sinks.append((subscription, Sink(hub, subscription)))
        elif action == "age":
            now_s += 1.5
        elif sinks:
            subscription, sink = sinks[which % len(sinks)]
            if action == "fill":
                sink.is_full = True
            elif action == "drain":
                sink.drain()
            else:
                sink.subscriber.close()
                sinks.remove((subscription, sink))
    hub.flush()
    for _, sink in sinks:
        sink.drain()
    for subscription, sink in sinks:
        seen = sink.seen()
        sequences = [seq for seq, _, _ in seen]
        assert sequences == sorted(set(sequences))
        wanted = subscription.symbols or frozenset(SYMBOLS)
        newest = {symbol: price for _, symbol, price in seen}
        assert newest == {symbol: last[symbol] for symbol in wanted if symbol in last}
    for _, sink in sinks:
        sink.subscriber.close()
        sink.subscriber.close()
    assert hub.subscribers == 0


def test_equal_subscribers_get_the_same_bytes() -> None:
    hub = Hub(epoch=EPOCH)
    sinks = [Sink(hub, subscription_for(symbols=["SPY"])) for _ in range(3)]
    hub.publish(make_quote("SPY", 1))
    hub.publish(make_quote("QQQ", 1))
    hub.flush()
    [first], [second], [third] = (sink.chunks for sink in sinks)
    assert first is second is third
    for sink in sinks:
        sink.subscriber.close()


def test_a_full_socket_holds_one_chunk_and_nobody_else_up() -> None:
    hub = Hub(epoch=EPOCH)
    slow, fast = Sink(hub, Subscription()), Sink(hub, Subscription())
    slow.is_full = True
    for price in range(1, 101):
        hub.publish(make_quote("SPY", price))
        hub.flush()
    assert len(slow.chunks) == 1
    assert len(fast.chunks) == 100
    slow.drain()
    assert slow.seen()[-1] == fast.seen()[-1]
    slow.subscriber.close()
    fast.subscriber.close()


def test_a_slow_reader_is_told_of_what_it_missed() -> None:
    now_s = 0.0
    hub = Hub(epoch=EPOCH, clock=Clock(monotonic_s=lambda: now_s))
    sink = Sink(hub, Subscription())
    sink.is_full = True
    for price in range(1, 11):
        hub.publish(make_quote("SPY", price))
        hub.flush()
        now_s += 1.0
    sink.drain()
    events = parse(b"".join(sink.chunks))
    assert [event.event for event in events] == ["quote_update", "gap", "quote_update"]
    assert '"skipped":8' in events[1].data
    sink.subscriber.close()


def test_closing_ends_all_at_once_or_when_they_can_take_it() -> None:
    hub = Hub(epoch=EPOCH)
    ready, slow = Sink(hub, Subscription()), Sink(hub, Subscription())
    slow.is_full = True
    hub.publish(make_quote("SPY", 1))
    hub.flush()
    hub.close("shutdown")
    assert (ready.ends, slow.ends) == (1, 0)
    hub.publish(make_quote("SPY", 2))
    hub.flush()
    assert len(ready.chunks) == 1, "nothing may follow the goodbye"
    slow.drain()
    assert slow.ends == 1
    late = Sink(hub, Subscription())
    assert late.ends == 1
    for sink in (ready, slow, late):
        sink.subscriber.close()
    assert hub.subscribers == 0


def test_who_leaves_during_a_round_disturbs_nobody() -> None:
    hub = Hub(epoch=EPOCH)
    sinks = [Sink(hub, Subscription(types=DEFAULT_TYPES)) for _ in range(3)]
    write = sinks[0].write

    def leave(chunk: bytes) -> bool:
        sinks[1].subscriber.close()
        sinks[0].subscriber.close()
        return write(chunk)

    sinks[0].write = leave  # type: ignore[method-assign]
    hub.publish(make_quote("SPY", 1))
    hub.flush()
    assert len(sinks[2].chunks) == 1
    assert len(sinks[1].chunks) <= 1
    hub.publish(make_quote("SPY", 2))
    hub.flush()
    assert [len(sink.chunks) for sink in sinks] == [1, len(sinks[1].chunks), 2]
    sinks[2].subscriber.close()
    assert hub.subscribers == 0


def test_what_only_one_is_told_waits_for_a_full_sink() -> None:
    hub = Hub(epoch=EPOCH, tick_s=0, clock=Clock(monotonic_s=lambda: 0.0))
    subscription = subscription_for(types=DEFAULT_TYPES, symbols=SYMBOLS)
    sink, other = Sink(hub, subscription), Sink(hub, subscription)
    sink.subscriber.tell(b"event: a\ndata: 1\n\n")
    assert sink.chunks == [b"event: a\ndata: 1\n\n"]
    sink.is_full = True
    hub.publish(make_quote("SPY", 1))
    hub.flush()
    sink.subscriber.tell(b"event: b\ndata: 2\n\n")
    hub.publish(make_quote("SPY", 2))
    hub.flush()
    assert len(sink.chunks) == 2, "it is full"
    sink.drain()
    assert [each.event for each in parse(b"".join(sink.chunks))] == [
        "a",
        "quote_update",
        "b",
        "quote_update",
    ]
    assert [each.event for each in parse(b"".join(other.chunks))] == ["quote_update"] * 2
    sink.subscriber.close()
    sink.subscriber.tell(b"event: c\ndata: 3\n\n")
    assert b"event: c" not in b"".join(sink.chunks)
