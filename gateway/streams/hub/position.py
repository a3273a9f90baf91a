"""A published record with its place in the order of all, and which event ids it can have; pure."""

import re
from collections.abc import Iterable

from gateway.streams.records import Record, Status
from gateway.streams.sse import encode_frame

CONTROL_TYPES = frozenset({"status", "heartbeat", "gap"})
"""What belongs to every subscription and has no id."""

Origin = tuple[str, int]
"""Where a record was published first, epoch and sequence: what its id says."""

NOWHERE: Origin = ("0", 0)
"""Before everything that was ever replicated."""


MAX_EVENT_ID_BYTES = 64

_EVENT_ID = re.compile(r"([A-Za-z0-9]{1,40})-(0|[1-9][0-9]{0,17})\Z")


def format_event_id(epoch: str, seq: int) -> str:
    """The id `epoch-seq`."""
    return f"{epoch}-{seq}"


def parse_event_id(text: str) -> tuple[str, int] | None:
    """Epoch and sequence, or None for anything that this gateway cannot have written."""
    match = _EVENT_ID.match(text) if len(text) <= MAX_EVENT_ID_BYTES else None
    return (match[1], int(match[2])) if match else None


class Entry:
    """A published record with its place in the sequence; its frame is made at first need."""

    __slots__ = ("_frame", "at_s", "is_local", "origin", "previous", "record", "seq", "topic")

    def __init__(
        self, seq: int, record: Record, at_s: float, origin: Origin, *, is_local: bool = False
    ) -> None:
        self.seq = seq
        self.origin = origin
        self.is_local = is_local
        """Said by a replica itself, without an id; its origin is that of what it replaces."""
        self.previous = 0
        """The sequence of the record of the same key before this one."""
        self.topic = record.topic
        self.record = record
        self.at_s = at_s
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The SSE frame; control events carry no id, so they never move a client's cursor."""
        if self._frame is None:
            has_id = not self.is_local and self.topic.kind not in CONTROL_TYPES
            self._frame = encode_frame(
                self.record, format_event_id(*self.origin) if has_id else None
            )
        return self._frame


def order_of(origin: Origin) -> tuple[int, int]:
    """Epochs of a replicated stream are whole numbers that rise from one publisher to the next."""
    return (int(origin[0]), origin[1])


def count_data(entries: Iterable[Entry]) -> int:
    """How many of the entries are data records, not statuses."""
    return sum(1 for entry in entries if not isinstance(entry.record, Status))


class Origins:
    """What a replica knows of the ids that others gave: the newest, and which can be proved.

    It has every newest record, so it can prove what changed since ids that were given before it
    began, by any process, as far back as it was told of.
    """

    def __init__(self) -> None:
        self.newest = NOWHERE
        self._epochs: set[str] = set()
        self._provable_from: Origin | None = None

    def advance(self, origin: Origin) -> bool:
        """Whether this is newer than all before, of which it now is the newest."""
        if order_of(origin) <= order_of(self.newest):
            return False
        self.newest = origin
        self._epochs.add(origin[0])
        return True

    def know(self, epochs: Iterable[str], provable_from: Origin) -> None:
        """Accept ids of these epochs too; and none from before `provable_from` any more."""
        self._epochs.update(epochs)
        before = self._provable_from
        if before is None or order_of(provable_from) > order_of(before):
            self._provable_from = provable_from

    def find(self, last_event_id: str) -> tuple[int, int] | None:
        """The order of an id that was given by any process, when all since then is known here."""
        origin = parse_event_id(last_event_id)
        provable = self._provable_from
        if origin is None or provable is None or origin[0] not in self._epochs:
            return None
        order = order_of(origin)
        return order if order_of(provable) <= order <= order_of(self.newest) else None
