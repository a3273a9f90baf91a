"""The hub: the newest record per key, a bounded history, and subscribers as cursors into it.

Publishing costs one dict entry and one list entry; a record is encoded at most once, however many
read it. Nothing here knows HTTP, HTML or the broker. Design and figures: FANOUT of the project's
shared notes (encode once, cursors instead of queues, shared chunks, conflation, one flush tick).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import product
from operator import attrgetter
from typing import Literal

import msgspec

from gateway.streams.events import (
    ACCOUNT_TYPES,
    DEFAULT_TYPES,
    MARKET_TYPES,
    BalanceUpdate,
    Gap,
    Heartbeat,
    Key,
    MarketRecord,
    Record,
    Status,
    encode_frame,
    format_event_id,
    parse_event_id,
)

logger = logging.getLogger(__name__)

TICK_S = 0.01
"""Default flush tick: coalesces a burst into one write; invisible to a person."""

HISTORY_EVENTS = 32_768
"""Default ring size: at 5,000 events/s more than six seconds, about 30 MB when full."""

MAX_LAG_S = 2.0
"""A subscriber further behind than this gets the newest values instead of old prices."""

RATE_SLICE_S = 0.25
"""How long a reader with a rate sleeps at most before it looks again."""

CONTROLS = 256
"""Status and heartbeat events kept apart; a reader with a rate looks four times a second."""

_CONTROL_TYPES = frozenset({"status", "heartbeat", "gap"})


Origin = tuple[str, int]
"""Where a record was published first, epoch and sequence: what its id says."""

NOWHERE: Origin = ("0", 0)
"""Before everything that was ever replicated."""


class Entry:
    """A published record with its place in the sequence; its frame is made at first need."""

    __slots__ = ("_frame", "at_s", "is_local", "key", "origin", "previous", "record", "seq")

    def __init__(
        self, seq: int, record: Record, at_s: float, origin: Origin, *, is_local: bool = False
    ) -> None:
        self.seq = seq
        self.origin = origin
        self.is_local = is_local
        """Said by a replica itself, without an id; its origin is that of what it replaces."""
        self.previous = 0
        """The sequence of the record of the same key before this one."""
        self.key = record.key
        self.record = record
        self.at_s = at_s
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The SSE frame; control events carry no id, so they never move a client's cursor."""
        if self._frame is None:
            has_id = not self.is_local and self.key[0] not in _CONTROL_TYPES
            self._frame = encode_frame(
                self.record, format_event_id(*self.origin) if has_id else None
            )
        return self._frame


def order_of(origin: Origin) -> tuple[int, int]:
    """Epochs of a replicated stream are whole numbers that rise from one publisher to the next."""
    return (int(origin[0]), origin[1])


class Subscription(msgspec.Struct, frozen=True):
    """What a subscriber is to see. None means all that exist; `accounts` is already cut to grants.

    Status, heartbeat and gap events belong to every subscription.
    """

    types: frozenset[str] = DEFAULT_TYPES
    symbols: frozenset[str] | None = None
    accounts: frozenset[str] | None = None

    def matches(self, key: Key) -> bool:
        """Whether a record with this key belongs to it."""
        kind, subject = key
        if kind in _CONTROL_TYPES:
            return True
        if kind not in self.types:
            return False
        wanted = self.symbols if kind in MARKET_TYPES else self.accounts
        return wanted is None or subject in wanted


class _Group:
    """All subscribers of one subscription: they share one waiter, one key set and the chunks."""

    __slots__ = ("chunks", "keys", "kinds", "members", "pushed", "subscription", "waiter")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.members = 0
        # What `Subscription.matches` says, as two sets: asked for every event of every group.
        kinds, keys = set(_CONTROL_TYPES), set[Key]()
        for all_kinds, wanted in (
            (MARKET_TYPES, subscription.symbols),
            (ACCOUNT_TYPES, subscription.accounts),
        ):
            if wanted is None:
                kinds |= subscription.types & all_kinds
            else:
                keys |= set(product(subscription.types & all_kinds, wanted))
        self.kinds = frozenset(kinds)
        self.keys = frozenset(keys)
        self.chunks: dict[int, tuple[bytes, int]] = {}
        self.waiter: asyncio.Future[int] | None = None
        # Those who have taken everything up to the last flush; a dict for its order.
        self.pushed: dict[Pushed, None] = {}

    def matches(self, key: Key) -> bool:
        return key in self.keys or key[0] in self.kinds

    def matches_any(self, keys: set[Key], kinds: set[str]) -> bool:
        """Whether one of these keys, which are of these kinds, belongs to it."""
        return not (self.kinds.isdisjoint(kinds) and self.keys.isdisjoint(keys))

    def wake(self, begin: int) -> None:
        """Wake the waiting; nothing of theirs lies between their cursor and `begin`."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(begin)
        self.waiter = None


class Hub:
    """Latest value per key, bounded history, one wake-up per flush tick.

    Ordered: ids rise strictly on every stream. Never doubled. May drop: intermediate updates of a
    key for a subscriber that fell behind (told by `gap`) or asked for a rate; never the newest.
    Bounded by `history_events` and by the number of keys, not by subscribers or their speed.
    A restart begins a new epoch and loses everything; clients then get a full snapshot.

    A replica holds what another process published, under that one's ids, which are all that its
    ids are: what it publishes itself (heartbeats, marks while it is cut off) has none. What it
    missed is told, too: see `tell_gap`.
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
        self.max_lag_s = max_lag_s
        self.published = 0
        self.conflated = 0
        self.closing: str | None = None
        self._history_events = history_events
        self._clock = clock
        self._latest: dict[Key, Entry] = {}
        self._ring: list[Entry] = []
        self._ring_start = 1
        self._seq = 0
        self._flushed = 0
        self._flush_scheduled = False
        self._last_flush_s = float("-inf")
        self._last_s: float | None = None
        self._provable_from = 0
        self.origin = NOWHERE
        """In a replica: the newest that was replicated."""
        self._provable_origin: Origin | None = None
        self._epochs: set[str] = set()
        self._forgotten = 0
        # For readers with a rate, whom signs of life and statuses must reach in between.
        self._controls: deque[Entry] = deque(maxlen=CONTROLS)
        self._groups: dict[Subscription, _Group] = {}

    @property
    def seq(self) -> int:
        """The sequence of the newest record."""
        return self._seq

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return sum(group.members for group in self._groups.values())

    @property
    def keys(self) -> int:
        """How many keys have a newest record, statuses included."""
        return len(self._latest)

    @property
    def history(self) -> int:
        """How many records are kept to catch up with."""
        return len(self._ring)

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest data record; None before the first."""
        return None if self._last_s is None else self._clock() - self._last_s

    @property
    def last_event_id(self) -> str:
        """The id of the newest record, to resume from."""
        return format_event_id(*(self.origin if self.is_replica else (self.epoch, self._seq)))

    def publish(self, record: Record) -> int:
        """The sequence given to the record, which is now the newest of its key."""
        if self.is_replica:
            before = self._latest.get(record.key)
            return self._append(record, before.origin if before else NOWHERE, is_local=True)
        return self._append(record, (self.epoch, self._seq + 1))

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
        if order_of(origin) <= order_of(self.origin):
            return False
        self.origin = origin
        self.epoch = origin[0]
        self._epochs.add(origin[0])
        return True

    def tell_gap(self, reason: str) -> None:
        """Tell everybody who follows that updates were left out, nobody knows how many."""
        seq = self._append(Gap(skipped=None, reason=reason), self.origin, is_local=True)
        self._forgotten = max(
            self._forgotten, seq
        )  # who falls out of the history is told all the same

    def _append(self, record: Record, origin: Origin, *, is_local: bool = False) -> int:
        self._seq += 1
        self.published += 1
        entry = Entry(self._seq, record, self._clock(), origin, is_local=is_local)
        if not isinstance(record, Heartbeat | Gap):
            before = self._latest.get(entry.key)
            if before is not None:
                entry.previous = before.seq
            self._latest[entry.key] = entry
        if entry.key[0] in _CONTROL_TYPES:
            self._controls.append(entry)
        else:
            self._last_s = entry.at_s
        self._ring.append(entry)
        if len(self._ring) >= 2 * self._history_events:
            # Halving at twice the size keeps the trimming cost per event constant.
            del self._ring[: self._history_events]
            self._ring_start += self._history_events
        if not self._flush_scheduled:
            self._schedule_flush()
        return self._seq

    def latest(self, kind: str, subject: str) -> Record | None:
        """The newest record of a key."""
        entry = self._latest.get((kind, subject))
        return entry.record if entry else None

    def statuses(self) -> list[Status]:
        """The newest status of every upstream that has told one."""
        return [entry.record for entry in self._latest.values() if isinstance(entry.record, Status)]

    def balances(self) -> list[BalanceUpdate]:
        """The newest balance of every account, by account number."""
        found = [
            entry.record
            for entry in self._latest.values()
            if isinstance(entry.record, BalanceUpdate)
        ]
        return sorted(found, key=attrgetter("account"))

    def mark_stale(self, stale: bool = True, symbols: Collection[str] | None = None) -> int:
        """How many market records were published again because their `stale` mark changed.

        Of all symbols, or only of these.
        """
        changed = [
            entry.record
            for entry in self._latest.values()
            if isinstance(entry.record, MarketRecord)
            and entry.record.stale is not stale
            and (symbols is None or entry.record.symbol in symbols)
        ]
        for record in changed:
            self.publish(msgspec.structs.replace(record, stale=stale))
        return len(changed)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop the records of symbols that are followed no more, so that memory stays bounded."""
        self.forget_keys(product(MARKET_TYPES, symbols))

    def forget_keys(self, keys: Iterable[Key]) -> None:
        """Drop the records with these keys."""
        for key in keys:
            entry = self._latest.pop(key, None)
            if entry is not None:
                # A client whose id is not newer may hold one of these: no resume can prove it.
                self._provable_from = self._seq + 1
                self._forgotten = max(self._forgotten, entry.seq)

    def list_before(self, epoch: str) -> list[Key]:
        """In a replica: the keys of market records that no later publisher has published again."""
        return [
            key
            for key, entry in self._latest.items()
            if key[0] in MARKET_TYPES and int(entry.origin[0]) < int(epoch)
        ]

    def snapshot(self, subscription: Subscription) -> list[Entry]:
        """The newest matching entries, statuses first, each part in the order of its sequence."""
        found = self._newest_after(0, subscription)
        return [each for each in found if isinstance(each.record, Status)] + [
            each for each in found if not isinstance(each.record, Status)
        ]

    def can_resume(self, last_event_id: str) -> int | None:
        """The sequence to resume from, or None when only a full snapshot is provably right."""
        parsed = parse_event_id(last_event_id)
        if parsed is None:
            return None
        epoch, seq = parsed
        if epoch != self.epoch or not self._provable_from <= seq <= self._seq:
            return None
        return seq

    def know_history(self, epochs: Iterable[str], provable_from: Origin) -> None:
        """In a replica: accept ids of these epochs too, from `provable_from` on, for a resume.

        A replica that has every newest record can prove what changed since ids that were given
        before it began.
        """
        self._epochs.update(epochs)
        before = self._provable_origin
        if before is None or order_of(provable_from) > order_of(before):
            self._provable_origin = provable_from

    def changed_since(self, last_event_id: str, subscription: Subscription) -> list[Entry] | None:
        """What of the snapshot is news for a client that saw this id; None when that cannot be
        proved, and only the full snapshot is right."""
        if self.is_replica:
            order = self._find_replicated(last_event_id)
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

    def _find_replicated(self, last_event_id: str) -> tuple[int, int] | None:
        """The order of an id that was given by any process, when all since then is known here."""
        origin = parse_event_id(last_event_id)
        provable = self._provable_origin
        if origin is None or provable is None or origin[0] not in self._epochs:
            return None
        order = order_of(origin)
        return order if order_of(provable) <= order <= order_of(self.origin) else None

    def subscribe(
        self,
        subscription: Subscription,
        *,
        after: int | None = None,
        rate: float | None = None,
    ) -> "Subscriber":
        """A cursor behind `after` (default: the newest record); close it when done.

        `rate` is the most updates a second for each key; the newest wins, on the trailing edge.
        """
        group = self._join(subscription)
        return Subscriber(self, group, self._seq if after is None else after, rate)

    def push(
        self,
        subscription: Subscription,
        take: Callable[[bytes], bool],
        end: Callable[[], None],
        *,
        after: int,
    ) -> "Pushed":
        """A cursor behind `after` whose chunks the hub hands to `take`; close it when done.

        `take` must not wait: False says that the chunk was taken but that it is still being
        written; nothing more comes until `Pushed.resume`. `end` is called when the hub closes.
        """
        group = self._join(subscription)
        pushed = Pushed(self, group, after, take, end)
        pushed.resume()
        return pushed

    def close(self, reason: str) -> None:
        """End every stream: `Subscriber.read` returns None from now on, `Pushed.end` is called."""
        self.closing = reason
        for group in list(self._groups.values()):
            group.wake(0)
            ended, group.pushed = group.pushed, {}  # nothing may follow their goodbye
            for pushed in ended:
                pushed.end()

    def _push(self, group: _Group, begin: int) -> None:
        """Hand the group's chunk to all who wait for it; nothing of theirs lies before `begin`."""
        chunk, head = self._read(group, begin)
        # A copy: who takes a chunk may leave, and who cannot take another is set aside.
        for pushed in list(group.pushed):
            if pushed.cursor > begin:  # came after the last flush, with a snapshot of its own
                own, pushed.cursor = self._read(group, pushed.cursor)
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
        begin, self._flushed = self._flushed, self._seq
        dirty = {entry.key for entry in self._ring[max(0, begin + 1 - self._ring_start) :]}
        kinds = {kind for kind, _ in dirty}
        # More than the history holds came since the last flush: what it was is known no more.
        is_unknown = begin + 1 < self._ring_start
        for group in list(self._groups.values()):
            group.chunks.clear()
            if not group.waiter and not group.pushed:
                continue
            if is_unknown or group.matches_any(dirty, kinds):
                group.wake(begin)
                if group.pushed:
                    self._push(group, begin)

    def _entries_after(self, cursor: int) -> list[Entry] | None:
        """Everything behind the cursor up to the last flush; None when history does not reach."""
        if cursor + 1 < self._ring_start:
            return None
        start = self._ring_start
        return self._ring[cursor + 1 - start : self._flushed + 1 - start]

    def _newest_after(self, cursor: int, subscription: Subscription) -> list[Entry]:
        matches = subscription.matches
        found = [
            entry for key, entry in self._latest.items() if entry.seq > cursor and matches(key)
        ]
        found.sort(key=attrgetter("seq"))
        return found

    def _changed_after(self, cursor: int, group: _Group) -> tuple[list[Entry], int | None, int]:
        """The newest entry of each matching key behind the cursor, how many were skipped, and the
        new cursor; None when some were skipped and nobody knows how many."""
        entries = self._entries_after(cursor)
        if entries is None:
            # Up to the head and not to the last flush: of a key that was published again since,
            # the flushed record is gone, and whether there was one could not be told.
            newest = self._newest_after(cursor, group.subscription)
            is_complete = self._forgotten <= cursor and all(
                entry.previous <= cursor for entry in newest
            )
            return newest, 0 if is_complete else None, self._seq
        by_key: dict[Key, Entry] = {}
        skipped = 0
        for entry in entries:
            if group.matches(entry.key):
                if entry.key in by_key and not isinstance(entry.record, Heartbeat | Gap):
                    skipped += 1
                by_key[entry.key] = entry
        return sorted(by_key.values(), key=attrgetter("seq")), skipped, self._flushed

    def _read(self, group: _Group, cursor: int) -> tuple[bytes, int]:
        """The chunk of frames behind a cursor and the new cursor; the same bytes for equals."""
        cached = group.chunks.get(cursor)
        if cached is not None:
            return cached
        head = self._flushed
        frames: list[bytes] = []
        entries = self._entries_after(cursor)
        if entries is not None:
            entries = [entry for entry in entries if group.matches(entry.key)]
        if entries is None or (entries and self._clock() - entries[0].at_s > self.max_lag_s):
            entries, skipped, head = self._changed_after(cursor, group)
            if skipped != 0:
                self.conflated += skipped or 0
                frames.append(encode_frame(Gap(skipped=skipped, reason="slow")))
        frames += [entry.frame for entry in entries]
        chunk = group.chunks[cursor] = (b"".join(frames), head)
        return chunk

    def _join(self, subscription: Subscription) -> _Group:
        group = self._groups.get(subscription)
        if group is None:
            group = self._groups[subscription] = _Group(subscription)
        group.members += 1
        return group

    def _leave(self, group: _Group) -> None:
        group.members -= 1
        if group.members == 0:
            del self._groups[group.subscription]


class Subscriber:
    """One open stream: a cursor. See `Hub` for what it promises."""

    __slots__ = (
        "_due_s",
        "_group",
        "_hub",
        "_interval_s",
        "_is_waiting",
        "_told",
        "closed",
        "cursor",
    )

    def __init__(self, hub: Hub, group: _Group, cursor: int, rate: float | None) -> None:
        self._hub = hub
        self._group = group
        self._interval_s = 1.0 / rate if rate else 0.0
        self._due_s = float("-inf")
        self._told = cursor
        self._is_waiting = False
        self.cursor = cursor
        self.closed = False

    async def read(self) -> bytes | None:
        """The next frames as one chunk, never empty; None when the hub or this one is closed."""
        hub, group = self._hub, self._group
        while hub.closing is None and not self.closed:
            if hub._flushed > self.cursor:
                if self._interval_s:
                    chunk = self._read_at_rate()
                else:
                    chunk, self.cursor = hub._read(group, self.cursor)
                if chunk:
                    return chunk
            if hub._flushed > self.cursor:
                # In slices, so that a slow rate holds up neither a status nor a shutdown.
                await asyncio.sleep(min(self._due_s - hub._clock(), RATE_SLICE_S))
            else:
                await self._wait_for_flush()
        return None

    def _read_at_rate(self) -> bytes:
        """Statuses and heartbeats at once, the newest of everything else when it is due."""
        hub, told = self._hub, self._told
        if hub._clock() < self._due_s:
            entries = [each for each in hub._controls if told < each.seq <= hub._flushed]
            self._told = hub._flushed
        else:
            newest, _, self.cursor = hub._changed_after(self.cursor, self._group)
            self._told = self.cursor
            entries = [
                each for each in newest if each.seq > told or each.key[0] not in _CONTROL_TYPES
            ]
            if any(each.key[0] not in _CONTROL_TYPES for each in entries):
                self._due_s = hub._clock() + self._interval_s
        return b"".join([entry.frame for entry in entries])

    async def read_entries(self) -> list[Entry] | None:
        """The newest changed entries, one per key, in order; None as for `read`.

        For readers that make something else of the records than frames.
        """
        hub = self._hub
        while hub.closing is None and not self.closed:
            if hub._flushed > self.cursor:
                newest, _, self.cursor = hub._changed_after(self.cursor, self._group)
                if newest:
                    return newest
            await self._wait_for_flush()
        return None

    def close(self) -> None:
        """Leave the hub, and end a read that waits; may be called twice."""
        if not self.closed:
            self.closed = True
            if self._is_waiting:
                self._group.wake(0)  # the others, who have missed nothing, wait again
            self._hub._leave(self._group)

    async def _wait_for_flush(self) -> None:
        group = self._group
        if group.waiter is None:
            group.waiter = asyncio.get_running_loop().create_future()
        self._is_waiting = True
        try:
            # Shielded, because the future is everybody's: one cancelled reader must not wake the
            # rest.
            begin = await asyncio.shield(group.waiter)
        finally:
            self._is_waiting = False
        # Whoever waited has read all that matched before this flush. Without this step a reader
        # of a quiet symbol would fall out of the history of the busy ones and scan every key.
        self.cursor = max(self.cursor, begin)


class Pushed:
    """One open stream that the hub writes to by itself; see `Hub.push` and what `Hub` promises."""

    __slots__ = ("_group", "_hub", "closed", "cursor", "end", "take")

    def __init__(
        self,
        hub: Hub,
        group: _Group,
        cursor: int,
        take: Callable[[bytes], bool],
        end: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._group = group
        self.cursor = cursor
        self.take = take
        self.end = end
        self.closed = False

    def resume(self) -> None:
        """Take what was missed, then wait for the next flush."""
        hub = self._hub
        if hub.closing is not None:
            self.end()
            return
        while not self.closed and hub._flushed > self.cursor:
            chunk, self.cursor = hub._read(self._group, self.cursor)
            if chunk and not self.take(chunk):
                return
        if not self.closed:
            self._group.pushed[self] = None

    def close(self) -> None:
        """Leave the hub; may be called twice."""
        if not self.closed:
            self.closed = True
            self._group.pushed.pop(self, None)
            self._hub._leave(self._group)


def subscription_for(
    *,
    types: frozenset[str] = DEFAULT_TYPES,
    symbols: Iterable[str] | None = None,
    accounts: Iterable[str] | None = None,
) -> Subscription:
    """A subscription in canonical form, so that equal wishes share one group and its bytes."""
    return Subscription(
        types=types,
        symbols=None if symbols is None or not types & MARKET_TYPES else frozenset(symbols),
        accounts=None if accounts is None or not types & ACCOUNT_TYPES else frozenset(accounts),
    )


Mode = Literal["snapshot", "resume"]


def opening(
    hub: Hub, subscription: Subscription, last_event_id: str | None
) -> tuple[Mode, list[Entry], int]:
    """How a stream begins: its mode, the entries to send first, and the cursor behind them."""
    changed = hub.changed_since(last_event_id, subscription) if last_event_id else None
    if changed is None:
        return "snapshot", hub.snapshot(subscription), hub.seq
    return "resume", changed, hub.seq


def count_data(entries: Iterable[Entry]) -> int:
    """How many of the entries are data records, not statuses."""
    return sum(1 for entry in entries if not isinstance(entry.record, Status))
