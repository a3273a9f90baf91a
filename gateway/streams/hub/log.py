"""The log of a hub: records in order, the newest of each topic, and the chunk behind a cursor.

A record is encoded at most once, and a chunk is made once for all whose cursor is the same.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from operator import attrgetter

from gateway.clock import Clock
from gateway.streams.account_records import Removed
from gateway.streams.hub.position import CONTROL_TYPES, Entry, StreamPosition
from gateway.streams.hub.subscription import Subscription, TopicFilter
from gateway.streams.records import Gap, Heartbeat, Record
from gateway.streams.sse import encode_frame
from gateway.streams.topics import NOBODY, Topic

CONTROLS = 256
"""Control events kept apart for subscribers with a rate, who get them at once."""

MAX_REMOVED = 8_192
"""Removals that are remembered for those who come back; of older ones they get a snapshot."""


class Log:
    """What was published, how far it was flushed, and why nothing more is delivered.

    Bounded by `history_events` and by the number of topics.
    """

    def __init__(self, *, history_events: int, max_lag_s: float, clock: Clock) -> None:
        self.max_lag_s = max_lag_s
        self.now_s = clock.monotonic_s
        self.conflated = 0
        self.closing: str | None = None
        self.seq = 0
        self.flushed = 0
        self.last_s: float | None = None
        """When the newest data record was published."""
        self.latest: dict[Topic, Entry] = {}
        self.owned: dict[str, set[Topic]] = {}
        """The topics of `latest` that have an owner, by their kind."""
        self.owned_version = 0
        """Rises whenever one of those comes or goes."""
        self.removed: dict[Topic, Entry] = {}
        """The removal of each topic whose newest record was removed, oldest first."""
        self.recoverable_from = 0
        """A client that has seen less may know what was dropped here without a trace."""
        self.controls: deque[Entry] = deque(maxlen=CONTROLS)
        self._history_events = history_events
        self._ring: list[Entry] = []
        self._ring_start = 1
        self._forgotten = 0

    @property
    def history(self) -> int:
        """How many records a subscriber can still catch up with."""
        return len(self._ring)

    def records(self) -> Iterator[Record]:
        """Iterate over the newest record of each topic."""
        return (entry.record for entry in self.latest.values())

    def append(self, record: Record, position: StreamPosition, *, is_local: bool = False) -> int:
        """Append a record, now the newest of its topic, and return its `seq`."""
        self.seq += 1
        entry = Entry(self.seq, record, self.now_s(), position, is_local=is_local)
        if isinstance(record, Gap):
            self._forgotten = self.seq  # whoever falls out of the history must hear of it, too
        elif isinstance(record, Removed):
            self._remove(entry)
        elif not isinstance(record, Heartbeat):
            before = self.latest.get(entry.topic)
            if before is not None:
                entry.previous = before.seq
            elif entry.topic.owner != NOBODY:
                self.owned.setdefault(entry.topic.kind, set()).add(entry.topic)
                self.owned_version += 1
                if (removal := self.removed.pop(entry.topic, None)) is not None:
                    entry.previous = removal.seq
            self.latest[entry.topic] = entry
        if entry.topic.kind in CONTROL_TYPES:
            self.controls.append(entry)
        else:
            self.last_s = entry.at_s
        self._ring.append(entry)
        if len(self._ring) >= 2 * self._history_events:
            # Halving at twice the size keeps the trimming cost per event constant.
            del self._ring[: self._history_events]
            self._ring_start += self._history_events
        return self.seq

    def forget(self, topics: Iterable[Topic]) -> None:
        """Drop the newest records of these topics; those that have none are ignored."""
        gone = [entry for each in topics if (entry := self.latest.pop(each, None)) is not None]
        for entry in gone:
            self._forgotten = max(self._forgotten, entry.seq)
            self._disown(entry.topic)
        if gone:
            # A client whose id is not newer may hold one of these: no resume can be proved right.
            self.recoverable_from = self.seq + 1

    def _remove(self, entry: Entry) -> None:
        """Drop what a removal is of, and keep the removal for those who know that."""
        before = self.latest.pop(entry.topic, None) or self.removed.pop(entry.topic, None)
        if before is not None:
            entry.previous = before.seq
            self._disown(entry.topic)
        self.removed[entry.topic] = entry
        if len(self.removed) > MAX_REMOVED:
            oldest = self.removed.pop(next(iter(self.removed)))
            self._forgotten = max(self._forgotten, oldest.seq)
            self.recoverable_from = max(self.recoverable_from, oldest.seq)

    def _disown(self, topic: Topic) -> None:
        owned = self.owned.get(topic.kind)
        if owned is not None and topic in owned:
            owned.remove(topic)
            self.owned_version += 1

    def flush(self) -> tuple[int, set[Topic] | None]:
        """Flush, and return where the last flush ended and the topics of what came since.

        The topics are None when more came than the history holds.
        """
        begin, self.flushed = self.flushed, self.seq
        if begin + 1 < self._ring_start:
            return begin, None
        return begin, {entry.topic for entry in self._ring[begin + 1 - self._ring_start :]}

    def newest_after(self, cursor: int, subscription: Subscription) -> list[Entry]:
        """Return the newest matching entry of each topic, if behind the cursor, in order.

        From the beginning that is a snapshot; behind a cursor removals belong to it.
        """
        matches = subscription.matches
        found = [
            entry for topic, entry in self.latest.items() if entry.seq > cursor and matches(topic)
        ]
        if cursor > 0 and self.removed:
            found += [
                entry
                for topic, entry in self.removed.items()
                if entry.seq > cursor and matches(topic)
            ]
        found.sort(key=attrgetter("seq"))
        return found

    def changed_after(
        self, cursor: int, topics: TopicFilter
    ) -> tuple[list[Entry], int | None, int]:
        """Return the newest entry of each matching topic behind the cursor, the number of entries
        skipped, and the new cursor. The number is None when it cannot be known."""
        entries = self._entries_after(cursor)
        if entries is None:
            # Up to the head and not to the last flush: of a topic that was published again since,
            # the flushed record is gone, and whether there was one is not known.
            newest = self.newest_after(cursor, topics.subscription)
            is_complete = self._forgotten <= cursor and all(
                entry.previous <= cursor for entry in newest
            )
            return newest, 0 if is_complete else None, self.seq
        by_topic: dict[Topic, Entry] = {}
        skipped = 0
        for entry in entries:
            if topics.matches(entry.topic):
                if entry.topic in by_topic and not isinstance(entry.record, Heartbeat | Gap):
                    skipped += 1
                by_topic[entry.topic] = entry
        return sorted(by_topic.values(), key=attrgetter("seq")), skipped, self.flushed

    def read(self, topics: TopicFilter, cursor: int) -> tuple[bytes, int]:
        """Return the chunk of frames behind a cursor and the new cursor; equals share the bytes."""
        cached = topics.chunks.get(cursor)
        if cached is not None:
            return cached
        head = self.flushed
        frames: list[bytes] = []
        entries = self._entries_after(cursor)
        if entries is not None:
            entries = [entry for entry in entries if topics.matches(entry.topic)]
        if entries is None or (entries and self.now_s() - entries[0].at_s > self.max_lag_s):
            entries, skipped, head = self.changed_after(cursor, topics)
            if skipped != 0:
                self.conflated += skipped or 0
                frames.append(encode_frame(Gap(skipped=skipped, reason="slow")))
        frames += [entry.frame for entry in entries]
        chunk = topics.chunks[cursor] = (b"".join(frames), head)
        return chunk

    def _entries_after(self, cursor: int) -> list[Entry] | None:
        """Return all behind the cursor up to the last flush; None if history does not reach."""
        if cursor + 1 < self._ring_start:
            return None
        start = self._ring_start
        return self._ring[cursor + 1 - start : self.flushed + 1 - start]
