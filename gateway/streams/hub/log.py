"""The records in their order: the newest of each key, a bounded history, chunks behind a cursor.

A record is encoded at most once, and so is a chunk for all who stand at the same place.
"""

from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter

from gateway.streams.hub.position import CONTROL_TYPES, Entry, Origin
from gateway.streams.hub.subscription import Group, Subscription
from gateway.streams.records import Gap, Heartbeat, Record
from gateway.streams.sse import encode_frame
from gateway.streams.topics import Topic

CONTROLS = 256
"""Control events kept apart; a reader with a rate looks four times a second."""


class Log:
    """What was published, up to where it was flushed, and why nothing more is read.

    Bounded by `history_events` and by the number of keys.
    """

    def __init__(
        self, *, history_events: int, max_lag_s: float, clock: Callable[[], float]
    ) -> None:
        self.max_lag_s = max_lag_s
        self.clock = clock
        self.conflated = 0
        self.closing: str | None = None
        self.seq = 0
        self.flushed = 0
        self.last_s: float | None = None
        """When the newest data record was published."""
        self.latest: dict[Topic, Entry] = {}
        # For readers with a rate, whom signs of life and statuses must reach in between.
        self.controls: deque[Entry] = deque(maxlen=CONTROLS)
        self._history_events = history_events
        self._ring: list[Entry] = []
        self._ring_start = 1
        self._forgotten = 0

    @property
    def history(self) -> int:
        """How many records are kept to catch up with."""
        return len(self._ring)

    def append(self, record: Record, origin: Origin, *, is_local: bool = False) -> int:
        """The sequence given to the record, which is now the newest of its key."""
        self.seq += 1
        entry = Entry(self.seq, record, self.clock(), origin, is_local=is_local)
        if isinstance(record, Gap):
            self._forgotten = self.seq  # told also to who falls out of the history
        elif not isinstance(record, Heartbeat):
            before = self.latest.get(entry.topic)
            if before is not None:
                entry.previous = before.seq
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

    def forget(self, keys: Iterable[Topic]) -> bool:
        """Whether there was a record with one of these keys, of which there is none any more."""
        gone = [entry for key in keys if (entry := self.latest.pop(key, None)) is not None]
        for entry in gone:
            self._forgotten = max(self._forgotten, entry.seq)
        return bool(gone)

    def flush(self) -> tuple[int, set[Topic] | None]:
        """Where the last flush ended, and the keys of what came since; None when that is more than
        the history holds, so that nobody knows."""
        begin, self.flushed = self.flushed, self.seq
        if begin + 1 < self._ring_start:
            return begin, None
        return begin, {entry.topic for entry in self._ring[begin + 1 - self._ring_start :]}

    def newest_after(self, cursor: int, subscription: Subscription) -> list[Entry]:
        """The newest matching entry of each key, if behind the cursor, in order."""
        matches = subscription.matches
        found = [entry for key, entry in self.latest.items() if entry.seq > cursor and matches(key)]
        found.sort(key=attrgetter("seq"))
        return found

    def changed_after(self, cursor: int, group: Group) -> tuple[list[Entry], int | None, int]:
        """The newest entry of each matching key behind the cursor, how many were skipped, and the
        new cursor; None when some were skipped and nobody knows how many."""
        entries = self._entries_after(cursor)
        if entries is None:
            # Up to the head and not to the last flush: of a key that was published again since,
            # the flushed record is gone, and whether there was one could not be told.
            newest = self.newest_after(cursor, group.subscription)
            is_complete = self._forgotten <= cursor and all(
                entry.previous <= cursor for entry in newest
            )
            return newest, 0 if is_complete else None, self.seq
        by_key: dict[Topic, Entry] = {}
        skipped = 0
        for entry in entries:
            if group.matches(entry.topic):
                if entry.topic in by_key and not isinstance(entry.record, Heartbeat | Gap):
                    skipped += 1
                by_key[entry.topic] = entry
        return sorted(by_key.values(), key=attrgetter("seq")), skipped, self.flushed

    def read(self, group: Group, cursor: int) -> tuple[bytes, int]:
        """The chunk of frames behind a cursor and the new cursor; the same bytes for equals."""
        cached = group.chunks.get(cursor)
        if cached is not None:
            return cached
        head = self.flushed
        frames: list[bytes] = []
        entries = self._entries_after(cursor)
        if entries is not None:
            entries = [entry for entry in entries if group.matches(entry.topic)]
        if entries is None or (entries and self.clock() - entries[0].at_s > self.max_lag_s):
            entries, skipped, head = self.changed_after(cursor, group)
            if skipped != 0:
                self.conflated += skipped or 0
                frames.append(encode_frame(Gap(skipped=skipped, reason="slow")))
        frames += [entry.frame for entry in entries]
        chunk = group.chunks[cursor] = (b"".join(frames), head)
        return chunk

    def _entries_after(self, cursor: int) -> list[Entry] | None:
        """Everything behind the cursor up to the last flush; None when history does not reach."""
        if cursor + 1 < self._ring_start:
            return None
        start = self._ring_start
        return self._ring[cursor + 1 - start : self.flushed + 1 - start]
