"""Whether a stream carried what was published: nothing lost, doubled or out of order; pure.

Most of what a thousand clients read is the same bytes. A chunk is looked into once; everybody else
who reads an equal one (a `memcmp`) is given what was found. So every record of every stream is
checked, and the check costs less than the reading. Only chunks of more than `LOOK_BYTES` that do
not recur are checked by their first and last stamp and their number of records, but for some
streams that are always looked into wholly.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bench.records import PERIOD, STAMP, STAMP_BYTES, Expectation

LOOK_BYTES = 64 * 1024

CACHE_CHUNKS = 256

MAX_MISSING = 100_000
"""Sequences remembered, of those that did not come, in case they come late."""

# Ends of lines that a frame leaves behind its JSON, which may lie in two reads.
_BLANK = frozenset(
    end + chunk for end in (b"", b"\n", b"\n\n", b"\r\n\r\n") for chunk in (b"", b"\r\n")
)
# `epoch-seq` of the gateway, `time:tag` of nchan, a bare number of the others.
_ID = re.compile(rb"\nid: (?:[A-Za-z0-9]+-)?(\d+)(?::(\d+))?")
_EVENT_ID = re.compile(rb"\nid: ([^\r\n]+)")
_MARK = re.compile(STAMP.pattern + rb'|"type":"gap","skipped":(\d+|null)')
_GAP = b'"type":"gap"'


class BrokenFrame(Exception):
    """A record is not the one that was published: the benchmark or the server is wrong."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was found in the bytes of one read."""

    data: bytes
    body: bytes
    rest: bytes
    count: int = 0
    first: int = 0
    last: int = 0
    is_clean: bool = False
    """Every record that follows `first` is there, once, in order, and the ids rise."""
    next: int = 0
    first_id: int = 0
    last_id: int = 0
    times_us: tuple[int, ...] = ()


@dataclass(slots=True)
class Tally:
    """What all streams of a run had."""

    delivered: int = 0
    bytes: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    conflated: int = 0
    latencies_us: list[int] = field(default_factory=list)
    oldest_us: int = 0


class Reader:
    """Looks into chunks for all streams with one expectation."""

    def __init__(self, expected: Expectation, *, has_ids: bool = True) -> None:
        self.expected = expected
        self._has_ids = has_ids
        self._cache: dict[bytes, Chunk] = {}

    def read(self, data: bytes, wholly: bool) -> Chunk:
        """What is in these bytes, which begin where the rest of the read before them ended."""
        place = data.find(b"@")
        if place < 0:
            end = data.rfind(b"}") + 1
            return Chunk(data, data[:end], _strip(data[end:]))
        # The first stamp nearly tells the chunk; what else begins with it is compared.
        key = data[place : place + STAMP_BYTES]
        known = self._cache.get(key)
        if (
            known is not None
            and known.data == data
            and (known.times_us or not (wholly and known.count))
        ):
            return known
        chunk = self._look(data, wholly)
        if len(self._cache) >= CACHE_CHUNKS:
            self._cache.clear()
        self._cache[key] = chunk
        return chunk

    def ids(self, body: bytes) -> list[int]:
        """The ids in these bytes as numbers that must rise; none where they are no numbers."""
        if not self._has_ids:
            return []
        return [int(major) << 32 | int(minor or 0) for major, minor in _ID.findall(body)]

    def _look(self, data: bytes, wholly: bool) -> Chunk:
        # JSON is flat here: its closing brace ends a record, and nothing but blanks follows it.
        end = data.rfind(b"}") + 1
        body, rest = data[:end], _strip(data[end:])
        if len(body) > LOOK_BYTES and not wholly:
            return self._look_at_ends(data, body, rest)
        stamps = STAMP.findall(body)
        if not stamps:
            return Chunk(data, body, rest)
        seqs = [int(seq) for _, seq in stamps]
        ids = self.ids(body)
        following = self.expected.next
        is_clean = (
            _GAP not in body
            and (len(ids) >= len(seqs) or not self._has_ids)
            and all(a < b for a, b in pairwise(ids))
            and all(following(a) == b for a, b in pairwise(seqs))
        )
        brace = body.rfind(b"{")
        if b"@" in body[brace:] and not self.expected.tape.is_true_to(seqs[-1], body[brace:]):
            raise BrokenFrame(body[brace:].decode("utf-8", "replace"))
        return Chunk(
            data,
            body,
            rest,
            len(seqs),
            seqs[0],
            seqs[-1],
            is_clean,
            following(seqs[-1]),
            ids[0] if ids else 0,
            ids[-1] if ids else 0,
            tuple(int(time) for time, _ in stamps),
        )

    def _look_at_ends(self, data: bytes, body: bytes, rest: bytes) -> Chunk:
        first, last = STAMP.search(body), STAMP.match(body, body.rfind(b"@"))
        if first is None or last is None:
            return Chunk(data, body, rest)
        begin, end = int(first[2]), int(last[2])
        count = body.count(b"@")
        is_clean = count == self.expected.count(begin - 1, end) and _GAP not in body
        return Chunk(data, body, rest, count, begin, end, is_clean, self.expected.next(end))


class Stream:
    """One connection's promise, kept or not. `take` what it reads, then `finish`."""

    __slots__ = (
        "_body",
        "_credit",
        "_last_id",
        "_left_out",
        "_missing",
        "_next",
        "_reader",
        "_rest",
        "_unknown",
        "is_sampled",
        "last",
        "tally",
    )

    def __init__(self, reader: Reader, tally: Tally, *, is_sampled: bool, after: int = 0) -> None:
        self._reader = reader
        self.tally = tally
        self.is_sampled = is_sampled
        self._missing: set[int] = set()
        # Holes that a `gap` announced. What is newest at the end lies in the last period.
        self._left_out: deque[tuple[int, int]] = deque(maxlen=PERIOD)
        self._body = self._rest = b""
        self._last_id = -1
        self._credit = 0
        self._unknown = 0
        self.begin(after)

    @property
    def reader(self) -> Reader:
        """What looks into its chunks."""
        return self._reader

    def begin(self, after: int) -> None:
        """Nothing up to here is expected any more."""
        self.last = after
        self._next = self._reader.expected.next(after)

    def last_event_id(self) -> str | None:
        """The id of the last event that was there wholly: what a client comes back with."""
        found = _EVENT_ID.findall(self._body)
        return found[-1].decode() if found else None

    def begin_again(self) -> None:
        """A new connection: what was read by half is gone."""
        self._rest = b""

    def take(self, data: bytes, now_us: int) -> None:
        """Check the next bytes, which were read at this time."""
        if self._rest:
            data = self._rest + data
        chunk = self._reader.read(data, self.is_sampled)
        self._rest = chunk.rest
        count = chunk.count
        if not count:
            if _GAP in chunk.body:
                self._take_slowly(chunk)
            return
        self._body = chunk.body
        tally = self.tally
        tally.bytes += len(data)
        tally.delivered += count
        if chunk.is_clean and chunk.first == self._next and not self._unknown:
            self.last = chunk.last
            self._next = chunk.next
            self._credit = 0
        else:
            self._take_slowly(chunk)
        if chunk.first_id:
            if chunk.first_id <= self._last_id:
                tally.out_of_order += 1
            self._last_id = chunk.last_id
        if self.is_sampled:
            tally.latencies_us.extend([now_us - time_us for time_us in chunk.times_us])
        if chunk.times_us and now_us - chunk.times_us[0] > tally.oldest_us:
            tally.oldest_us = now_us - chunk.times_us[0]

    def finish(self, last: int) -> None:
        """Count what should have come up to this sequence and did not."""
        expected = self._reader.expected
        self._miss(expected.count(self.last, last), last + 1)
        self.tally.lost += len(self._missing)
        # Updates may be left out, the newest of a symbol never.
        for seq in expected.newest(last).values():
            if any(after < seq < before for after, before in self._left_out):
                self.tally.lost += 1

    def _take_slowly(self, chunk: Chunk) -> None:
        expected, tally = self._reader.expected, self.tally
        seen = 0
        last_id = -1
        for mark in _MARK.finditer(chunk.body):
            if mark[3] is not None:
                if mark[3] == b"null":
                    # Nobody counted them. What follows is at most one record for each symbol.
                    self._unknown = len(expected.symbols)
                else:
                    self._credit += int(mark[3])
                continue
            seen += 1
            seq = int(mark[2])
            if seq > self.last:
                if seq != self._next:
                    self._miss(expected.count(self.last, seq - 1), seq)
                self.last = seq
                self._next = expected.next(seq)
            elif seq in self._missing:
                self._missing.discard(seq)
                tally.out_of_order += 1
            else:
                tally.doubled += 1
            if self._unknown:
                self._unknown -= 1
        for number in self._reader.ids(chunk.body):
            if number <= last_id:
                tally.out_of_order += 1
            last_id = number

    def _miss(self, count: int, before: int) -> None:
        """So many before this one did not come; some may have been announced as left out."""
        if not count:
            return
        tally = self.tally
        if self._unknown or self._credit:
            announced = count if self._unknown else min(count, self._credit)
            self._credit = max(0, self._credit - announced)
            self._left_out.append((self.last, before))
            tally.conflated += announced
            tally.lost += count - announced
        elif count + len(self._missing) > MAX_MISSING:
            tally.lost += count
        else:
            self._missing.update(self._reader.expected.between(self.last, before))


class HtmlStream(Stream):
    """A page's stream, whose messages say nothing that could be checked: they are counted."""

    __slots__ = ()

    def take(self, data: bytes, now_us: int) -> None:
        """Count the messages that end in these bytes."""
        self.tally.bytes += len(data)
        self.tally.delivered += data.count(b"\n\n")


def find_end(data: bytes, mark: bytes) -> int:
    """Where the first block that has this mark ends; -1 while it is not wholly there."""
    place = data.find(mark)
    if place < 0:
        return -1
    ends = [
        end + len(blank)
        for blank in (b"\n\n", b"\r\n\r\n")
        if (end := data.find(blank, place)) >= 0
    ]
    return min(ends, default=-1)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that this share of the values, which are sorted, does not pass."""
    if not values:
        return None
    return values[min(len(values) - 1, int(len(values) * share))]


def _strip(rest: bytes) -> bytes:
    return b"" if rest in _BLANK else rest
