"""The hub: what is published, who follows it, and when they are told.

Publishing costs one dict entry and one list entry. Nothing here knows HTTP, HTML or the broker.
Design and figures: FANOUT of the project's shared notes (encode once, cursors instead of queues,
shared chunks, conflation, one flush tick).
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from typing import Literal

import msgspec

from gateway.streams.hub.log import Log
from gateway.streams.hub.position import (
    NOWHERE,
    Entry,
    Origin,
    Origins,
    format_event_id,
    order_of,
    parse_event_id,
)
from gateway.streams.hub.subscribers import Pushed, Subscriber
from gateway.streams.hub.subscription import Group, Subscription
from gateway.streams.records import (
    MARKET_TYPES,
    BalanceUpdate,
    Gap,
    MarketRecord,
    Record,
    Status,
)
from gateway.streams.topics import Topic, list_market_topics

TICK_S = 0.01
"""Default flush tick: coalesces a burst into one write; invisible to a person."""

HISTORY_EVENTS = 32_768
"""Default ring size: at 5,000 events/s more than six seconds, about 30 MB when full."""

MAX_LAG_S = 2.0
"""A subscriber further behind than this gets the newest values instead of old prices."""


class Hub:
    """Latest value per key, bounded history, one wake-up per flush tick.

    Ordered: ids rise strictly on every stream. Never doubled. May drop: intermediate updates of a
    key for a subscriber that fell behind (told by `gap`) or asked for a rate; never the newest.
    Bounded by `history_events` and by the number of keys, not by subscribers or their speed.
    A restart begins a new epoch and loses everything; clients then get a full snapshot.

    A replica holds what another process published, under that one's ids, which are all that its
    ids are: what it publishes itself (heartbeats, marks while it is cut off) has none. What it
    missed is told, too: see `publish_gap`.
    """

    def __init__(
        self,
        *,
        epoch: str,
        is_replica: bool = False,
        tick_s: float = TICK_S,
        history_events: int = HISTORY_EVENTS,
        max_lag_s: float = MAX_LAG_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = NOWHERE[0] if is_replica else epoch
        self.is_replica = is_replica
        self.tick_s = tick_s
        self._clock = clock
        self._log = Log(history_events=history_events, max_lag_s=max_lag_s, clock=clock)
        self._origins = Origins()
        self._flush_scheduled = False
        self._last_flush_s = float("-inf")
        self._provable_from = 0
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
    def origin(self) -> Origin:
        """In a replica: the newest that was replicated."""
        return self._origins.newest

    @property
    def seq(self) -> int:
        """The sequence of the newest record."""
        return self._log.seq

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return sum(group.members for group in self._groups.values())

    @property
    def keys(self) -> int:
        """How many keys have a newest record, statuses included."""
        return len(self._log.latest)

    @property
    def history(self) -> int:
        """How many records are kept to catch up with."""
        return self._log.history

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest data record; None before the first."""
        last_s = self._log.last_s
        return None if last_s is None else self._clock() - last_s

    @property
    def last_event_id(self) -> str:
        """The id of the newest record, to resume from."""
        return format_event_id(*(self.origin if self.is_replica else (self.epoch, self.seq)))

    def publish(self, record: Record) -> int:
        """The sequence given to the record, which is now the newest of its key."""
        if self.is_replica:
            before = self._log.latest.get(record.topic)
            return self._append(record, before.origin if before else NOWHERE, is_local=True)
        return self._append(record, (self.epoch, self._log.seq + 1))

    def replicate(self, record: Record, origin: Origin) -> bool:
        """Whether a record that another process published was news; it keeps that one's id.

        Origins must come in their order, which is that of the epochs as whole numbers, then of the
        sequences; what is not newer than the newest is left out.
        """
        if not self.advance(origin):
            return False
        self._append(record, origin)
        return True

    def advance(self, origin: Origin) -> bool:
        """Whether this is newer than all that was replicated, of which it now is the newest."""
        if not self._origins.advance(origin):
            return False
        self.epoch = origin[0]
        return True

    def publish_gap(self, reason: str) -> None:
        """Tell everybody who follows that updates were left out, nobody knows how many."""
        self._append(Gap(skipped=None, reason=reason), self.origin, is_local=True)

    def _append(self, record: Record, origin: Origin, *, is_local: bool = False) -> int:
        seq = self._log.append(record, origin, is_local=is_local)
        if not self._flush_scheduled:
            self._schedule_flush()
        return seq

    def latest(self, topic: Topic) -> Record | None:
        """The newest record of a key."""
        entry = self._log.latest.get(topic)
        return entry.record if entry else None

    def statuses(self) -> list[Status]:
        """The newest status of every upstream that has told one."""
        return [
            entry.record for entry in self._log.latest.values() if isinstance(entry.record, Status)
        ]

    def balances(self) -> list[BalanceUpdate]:
        """The newest balance of every account, by account number."""
        found = [
            entry.record
            for entry in self._log.latest.values()
            if isinstance(entry.record, BalanceUpdate)
        ]
        return sorted(found, key=attrgetter("account"))

    def mark_stale(self, stale: bool = True, symbols: Collection[str] | None = None) -> int:
        """How many market records were published again because their `stale` mark changed.

        Of all symbols, or only of these.
        """
        changed = [
            entry.record
            for entry in self._log.latest.values()
            if isinstance(entry.record, MarketRecord)
            and entry.record.stale is not stale
            and (symbols is None or entry.record.symbol in symbols)
        ]
        for record in changed:
            self.publish(msgspec.structs.replace(record, stale=stale))
        return len(changed)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop the records of symbols that are followed no more, so that memory stays bounded."""
        self.forget_keys(list_market_topics(MARKET_TYPES, symbols))

    def forget_keys(self, keys: Iterable[Topic]) -> None:
        """Drop the records with these keys."""
        if self._log.forget(keys):
            # A client whose id is not newer may hold one of these: no resume can prove it.
            self._provable_from = self.seq + 1

    def list_before(self, epoch: str) -> list[Topic]:
        """In a replica: the keys of market records that no later publisher has published again."""
        return [
            key
            for key, entry in self._log.latest.items()
            if key[0] in MARKET_TYPES and int(entry.origin[0]) < int(epoch)
        ]

    def snapshot(self, subscription: Subscription) -> list[Entry]:
        """The newest matching entries, statuses first, each part in the order of its sequence."""
        found = self._log.newest_after(0, subscription)
        return [each for each in found if isinstance(each.record, Status)] + [
            each for each in found if not isinstance(each.record, Status)
        ]

    def can_resume(self, last_event_id: str) -> int | None:
        """The sequence to resume from, or None when only a full snapshot is provably right."""
        parsed = parse_event_id(last_event_id)
        if parsed is None:
            return None
        epoch, seq = parsed
        if epoch != self.epoch or not self._provable_from <= seq <= self.seq:
            return None
        return seq

    def know_history(self, epochs: Iterable[str], provable_from: Origin) -> None:
        """In a replica: accept ids of these epochs too, from `provable_from` on, for a resume.

        A replica that has every newest record can prove what changed since ids that were given
        before it began.
        """
        self._origins.know(epochs, provable_from)

    def changed_since(self, last_event_id: str, subscription: Subscription) -> list[Entry] | None:
        """What of the snapshot is news for a client that saw this id; None when that cannot be
        proved, and only the full snapshot is right."""
        if self.is_replica:
            order = self._origins.find(last_event_id)
            if order is None:
                return None
            # What this replica says itself has no id, so no client can have proved to know it.
            return [
                each
                for each in self.snapshot(subscription)
                if each.is_local or order_of(each.origin) > order or isinstance(each.record, Status)
            ]
        seq = self.can_resume(last_event_id)
        if seq is None:
            return None
        return [
            each
            for each in self.snapshot(subscription)
            if each.seq > seq or isinstance(each.record, Status)
        ]

    def subscribe(
        self,
        subscription: Subscription,
        *,
        after: int | None = None,
        rate: float | None = None,
    ) -> Subscriber:
        """A cursor behind `after` (default: the newest record); close it when done.

        `rate` is the most updates a second for each key; the newest wins, on the trailing edge.
        """
        group = self._join(subscription)
        cursor = self.seq if after is None else after
        return Subscriber(self._log, group, cursor, rate, self._leave)

    def push(
        self,
        subscription: Subscription,
        take: Callable[[bytes], bool],
        end: Callable[[], None],
        *,
        after: int,
    ) -> Pushed:
        """A cursor behind `after` whose chunks the hub hands to `take`; close it when done.

        `take` must not wait: False says that the chunk was taken but that it is still being
        written; nothing more comes until `Pushed.resume`. `end` is called when the hub closes.
        """
        group = self._join(subscription)
        pushed = Pushed(self._log, group, after, take, end, self._leave)
        pushed.resume()
        return pushed

    def close(self, reason: str) -> None:
        """End every stream: `Subscriber.read` returns None from now on, `Pushed.end` is called."""
        self._log.closing = reason
        for group in list(self._groups.values()):
            group.wake(0)
            ended, group.pushed = group.pushed, {}  # nothing may follow their goodbye
            for pushed in ended:
                pushed.end()

    def _push(self, group: Group, begin: int) -> None:
        """Hand the group's chunk to all who wait for it; nothing of theirs lies before `begin`."""
        chunk, head = self._log.read(group, begin)
        # A copy: who takes a chunk may leave, and who cannot take another is set aside.
        for pushed in list(group.pushed):
            if pushed.cursor > begin:  # came after the last flush, with a snapshot of its own
                own, pushed.cursor = self._log.read(group, pushed.cursor)
            else:
                own, pushed.cursor = chunk, head
            if own and not pushed.take(own):
                group.pushed.pop(pushed, None)

    def _schedule_flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # published before the loop runs (tests, start-up): the next publish flushes
        self._flush_scheduled = True
        # Leading edge: after a pause the first event goes out at once; a burst waits for the tick.
        delay_s = self._last_flush_s + self.tick_s - self._clock()
        if delay_s > 0:
            loop.call_later(delay_s, self.flush)
        else:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand everything published so far to those who wait for it."""
        self._flush_scheduled = False
        self._last_flush_s = self._clock()
        begin, dirty = self._log.flush()
        kinds = {topic.kind for topic in dirty or ()}
        for group in list(self._groups.values()):
            group.chunks.clear()
            if not group.waiter and not group.pushed:
                continue
            if dirty is None or group.matches_any(dirty, kinds):
                group.wake(begin)
                if group.pushed:
                    self._push(group, begin)

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


Mode = Literal["snapshot", "resume"]


def opening(
    hub: Hub, subscription: Subscription, last_event_id: str | None
) -> tuple[Mode, list[Entry], int]:
    """How a stream begins: its mode, the entries to send first, and the cursor behind them."""
    changed = hub.changed_since(last_event_id, subscription) if last_event_id else None
    if changed is None:
        return "snapshot", hub.snapshot(subscription), hub.seq
    return "resume", changed, hub.seq
