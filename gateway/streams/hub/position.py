"""A published record with its position in the stream, and the event ids that say it; pure."""

import re
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from gateway.streams.records import Record, Status
from gateway.streams.sse import encode_frame

CONTROL_TYPES = frozenset({"status", "heartbeat", "gap"})
"""Events without an id, which therefore never move a client's position."""

MAX_EVENT_ID_BYTES = 64

_EVENT_ID = re.compile(r"([A-Za-z0-9]{1,40})-(0|[1-9][0-9]{0,17})\Z")


class StreamPosition(NamedTuple):
    """A place in a publisher's stream; its event id is `epoch-offset`."""

    epoch: str
    """One life of a publisher. In a backplane epochs are whole numbers that rise."""
    offset: int
    """How many records of this epoch there are up to here."""

    @property
    def event_id(self) -> str:
        """What a client sends to resume from here."""
        return f"{self.epoch}-{self.offset}"

    @property
    def order(self) -> tuple[int, int]:
        """A sort key across the epochs of a backplane."""
        return (int(self.epoch), self.offset)


BEGINNING = StreamPosition("0", 0)
"""Before everything that was ever published."""

make_position = partial(tuple.__new__, StreamPosition)
"""Make a position of a pair: the constructor of a named tuple takes three times as long."""


def parse_event_id(text: str) -> StreamPosition | None:
    """Return the position that an id names; None for anything that no gateway can have written."""
    match = _EVENT_ID.match(text) if len(text) <= MAX_EVENT_ID_BYTES else None
    return StreamPosition(match[1], int(match[2])) if match else None


class Entry:
    """A record in the log. Its frame is encoded when it is first needed, and then kept."""

    __slots__ = ("_frame", "at_s", "is_local", "position", "previous", "record", "seq", "topic")

    def __init__(
        self,
        seq: int,
        record: Record,
        at_s: float,
        position: StreamPosition,
        *,
        is_local: bool = False,
    ) -> None:
        self.seq = seq
        """Its number in this log, whoever published it first."""
        self.position = position
        self.is_local = is_local
        """Made by a follower itself, without an id; its position is that of what it replaces."""
        self.previous = 0
        """The `seq` of the entry of the same topic before this one."""
        self.topic = record.topic
        self.record = record
        self.at_s = at_s
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The SSE frame; control events carry no id."""
        if self._frame is None:
            has_id = not self.is_local and self.topic.kind not in CONTROL_TYPES
            self._frame = encode_frame(self.record, self.position.event_id if has_id else None)
        return self._frame


def count_data(entries: Iterable[Entry]) -> int:
    """Count the data records among the entries; statuses are none."""
    return sum(1 for entry in entries if not isinstance(entry.record, Status))
