"""The hub: what is published, who subscribes to it, and when it is delivered.

Publishing costs one dict entry and one list entry. Nothing here knows HTTP, HTML or the broker.
The design is a log with cursors instead of queues: a record is encoded once, equal subscribers
share their chunks, and one flush tick coalesces a burst.
"""

import asyncio
from collections.abc import Iterable
from typing import Literal

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.streams.hub.log import Log
from gateway.streams.hub.position import Entry, StreamPosition, make_position, parse_event_id
from gateway.streams.hub.sink import Sink
from gateway.streams.hub.subscribers import Group, Subscriber
from gateway.streams.hub.subscription import Subscription
from gateway.streams.latest import LatestValues
from gateway.streams.records import MARKET_TYPES, Record, Status
from gateway.streams.topics import Grant, Topic, TopicPattern, covers

TICK_S = 0.01
"""Default flush tick: coalesces a burst into one write; invisible to a person."""

HISTORY_EVENTS = 32_768
"""Default ring size: at 5,000 events/s more than six seconds, about 30 MB when full."""

MAX_LAG_S = 2.0
"""A subscriber further behind than this gets the newest values instead of old prices."""


class Hub(LatestValues):
    """The newest record of each topic, a bounded history, and one delivery per flush tick.

    Ordered: ids rise strictly on every stream. Never doubled. May drop: intermediate updates of a
    topic for a subscriber that fell behind (it gets a `gap`) or asked for a rate; never the newest.
    Bounded by `history_events` and by the number of topics, not by subscribers or their speed.
    A record that was removed is in no snapshot, and whoever may know it gets the removal.
    A restart begins a new epoch and loses everything; clients then get a full snapshot.
    """

    def __init__(
        self,
        *,
        epoch: str,
        tick_s: float = TICK_S,
        history_events: int = HISTORY_EVENTS,
        max_lag_s: float = MAX_LAG_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__()
        self.epoch = epoch
        self.tick_s = tick_s
        self._now_s = clock.monotonic_s
        self._log = Log(history_events=history_events, max_lag_s=max_lag_s, clock=clock)
        self._flush_scheduled = False
        self._last_flush_s = float("-inf")
        self._groups: dict[Subscription, Group] = {}

    @property
    def closing(self) -> str | None:
        """Why the hub closes; None while it does not."""
        return self._log.closing

    @property
    def published(self) -> int:
        """How many records were published."""
        return self._log.seq

    @property
    def conflated(self) -> int:
        """How many updates were left out for subscribers that fell behind."""
        return self._log.conflated

    @property
    def seq(self) -> int:
        """The number of the newest record in this log."""
        return self._log.seq

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return sum(group.members for group in self._groups.values())

    @property
    def keys(self) -> int:
        """How many topics have a newest record, statuses included."""
        return len(self._log.latest)

    @property
    def history(self) -> int:
        """How many records a subscriber can still catch up with."""
        return self._log.history

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest data record; None before the first."""
        last_s = self._log.last_s
        return None if last_s is None else self._now_s() - last_s

    @property
    def position(self) -> StreamPosition:
        """Where the stream ends: the position of the newest record."""
        return StreamPosition(self.epoch, self.seq)

    @property
    def last_event_id(self) -> str:
        """The id to resume from here."""
        return self.position.event_id

    def publish(self, record: Record) -> int:
        """Append a record, now the newest of its topic or its end, and return its `seq`."""
        seq = self._append(record, make_position((self.epoch, self._log.seq + 1)))
        for listener in self.listeners:
            listener(record)
        return seq

    def latest(self, topic: Topic) -> Record | None:
        """Return the newest record of a topic."""
        entry = self._log.latest.get(topic)
        return entry.record if entry else None

    @property
    def owned_version(self) -> int:
        """A number that changes when a topic with an owner comes or goes."""
        return self._log.owned_version

    def find_topics(self, pattern: TopicPattern, grant: Grant) -> list[Topic]:
        """Return the topics that match and are granted and have a record, by owner and subject."""
        owned = self._log.owned.get(pattern.kind, ())
        return sorted(t for t in owned if pattern.matches(t) and covers(grant, t.owner))

    def records(self) -> Iterable[Record]:
        """Iterate over the newest record of each topic."""
        return self._log.records()

    def forget_topics(self, topics: Iterable[Topic]) -> None:
        """Drop the records of these topics; those that have none are ignored."""
        self._log.forget(topics)

    def snapshot(self, subscription: Subscription) -> list[Entry]:
        """Return the newest matching entries, statuses first, each part in order."""
        return sorted(self._log.newest_after(0, subscription), key=_place)

    def changed_since(self, last_event_id: str, subscription: Subscription) -> list[Entry] | None:
        """Return what of the snapshot is new to a client that has seen this id.

        None when that cannot be proved, so that only the full snapshot is right.
        """
        position = parse_event_id(last_event_id)
        if position is None or not self.is_recoverable(position):
            return None
        removed = [each for topic, each in self._log.removed.items() if subscription.matches(topic)]
        return [
            each
            for each in sorted([*self.snapshot(subscription), *removed], key=_place)
            if self.is_after(each, position) or isinstance(each.record, Status)
        ]

    def is_recoverable(self, position: StreamPosition) -> bool:
        """Say whether all that changed since this position is still known."""
        epoch, offset = position
        return epoch == self.epoch and self._log.recoverable_from <= offset <= self.seq

    def is_after(self, entry: Entry, position: StreamPosition) -> bool:
        """Say whether an entry is newer than a recoverable position."""
        return entry.seq > position.offset

    def _append(self, record: Record, position: StreamPosition, *, is_local: bool = False) -> int:
        seq = self._log.append(record, position, is_local=is_local)
        if not self._flush_scheduled:
            self._schedule_flush()
        return seq

    def subscribe(
        self,
        subscription: Subscription,
        sink: Sink,
        *,
        after: int | None = None,
        rate: float | None = None,
    ) -> Subscriber:
        """Write to a sink what comes behind `after` (default: the newest record); close it later.

        `rate` is the most updates a second for each topic; the newest wins, on the trailing edge.
        """
        group = self._join(subscription)
        cursor = self.seq if after is None else after
        subscriber = Subscriber(self._log, group, sink, cursor, rate, self._leave)
        subscriber.resume_writing()
        return subscriber

    def close(self, reason: str) -> None:
        """End every stream: each sink is closed, or is so when it is not full any more."""
        self._log.closing = reason
        for group in list(self._groups.values()):
            ended = [*group.ready, *group.paced]
            group.ready, group.paced = {}, {}  # nothing may follow their `bye`
            for subscriber in ended:
                subscriber.sink.close(reason)

    def _deliver(self, group: Group, begin: int) -> None:
        """Write the group's chunk to all that are ready; nothing of theirs lies before `begin`."""
        chunk, head = self._log.read(group, begin)
        # A copy: a sink may close its subscriber, and a full one is set aside.
        for subscriber in list(group.ready):
            if subscriber.cursor > begin:  # joined after the last flush, with its own snapshot
                own, subscriber.cursor = self._log.read(group, subscriber.cursor)
            else:
                own, subscriber.cursor = chunk, head
            if own and not subscriber.closed and not subscriber.sink.write(own):
                group.ready.pop(subscriber, None)

    def _schedule_flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # published before the loop runs (tests, start-up): the next publish flushes
        self._flush_scheduled = True
        # Leading edge: after a pause the first event goes out at once; a burst waits for the tick.
        delay_s = self._last_flush_s + self.tick_s - self._now_s()
        if delay_s > 0:
            loop.call_later(delay_s, self.flush)
        else:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Deliver everything published so far to every subscriber whose sink is not full."""
        self._flush_scheduled = False
        self._last_flush_s = self._now_s()
        begin, dirty = self._log.flush()
        kinds = {topic.kind for topic in dirty or ()}
        others = [topic for topic in dirty or () if topic.kind not in MARKET_TYPES]
        for group in list(self._groups.values()):
            group.chunks.clear()
            if not group.ready and not group.paced:
                continue
            if dirty is None or group.matches_any(dirty, kinds, others):
                if group.ready:
                    self._deliver(group, begin)
                for subscriber in list(group.paced):
                    if subscriber in group.paced:  # else an earlier sink has closed it
                        subscriber.follow(begin)

    def _join(self, subscription: Subscription) -> Group:
        group = self._groups.get(subscription)
        if group is None:
            group = self._groups[subscription] = Group(subscription)
        group.members += 1
        return group

    def _leave(self, group: Group) -> None:
        group.members -= 1
        if group.members == 0:
            del self._groups[group.subscription]


def _place(entry: Entry) -> tuple[bool, int]:
    """Where it stands in what a stream begins with: statuses first."""
    return not isinstance(entry.record, Status), entry.seq


Mode = Literal["snapshot", "resume"]


def opening(
    hub: Hub, subscription: Subscription, last_event_id: str | None
) -> tuple[Mode, list[Entry], int]:
    """Return how a stream begins: its mode, the entries to send first, the cursor behind them."""
    changed = hub.changed_since(last_event_id, subscription) if last_event_id else None
    if changed is None:
        return "snapshot", hub.snapshot(subscription), hub.seq
    return "resume", changed, hub.seq
