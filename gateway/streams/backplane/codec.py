"""What is written to the backplane, and how it is read back; pure.

What cannot be read, because a later gateway or somebody else wrote it, is None or left out.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from gateway.streams.account_records import Removed
from gateway.streams.backplane.outbox import Change, EpochComplete, Tombstone
from gateway.streams.hub.position import BEGINNING, StreamPosition
from gateway.streams.records import DataRecord, Status, encode
from gateway.streams.reports import UpstreamReport, read_report
from gateway.streams.topics import NOBODY, Topic

T = TypeVar("T")

HEARTBEAT: Final = (b"b", b"", b"")
"""An entry without a change."""


class ProcessDemand(msgspec.Struct, frozen=True, array_like=True):
    """What one web process wants, and the newest epoch that it has seen."""

    epoch: int
    symbols: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True):
    """All that a new web process needs: the newest records, in order, and what they prove."""

    records: list[tuple[StreamPosition, DataRecord | Status]]
    position: StreamPosition
    """Where the stream goes on behind them."""
    is_complete: bool
    """Whether a topic that is not among them has no record any more."""
    recoverable_from: StreamPosition
    epochs: list[str]
    silent_s: float | None
    """Seconds since the publisher of these records last wrote; None when that is not known."""


class Lease(msgspec.Struct, frozen=True):
    """Who publishes, as the server knows it at one moment."""

    holder: str | None
    age_s: float | None
    """Since the last renewal."""
    position: StreamPosition
    fenced: int
    """Entries refused because their publisher had lost the lease."""


class Revoked(msgspec.Struct, frozen=True):
    """Logins that were signed out, hidden; when each would have ended (s); where to read on."""

    revoked: dict[str, float]
    mark: str


_RECORD = msgspec.json.Decoder(DataRecord | Status)
_REMOVED = msgspec.json.Decoder(Removed)
_TOPICS = msgspec.json.Decoder(tuple[Topic, ...])
_DEMAND = msgspec.json.Decoder(ProcessDemand)
_REPORT = msgspec.json.Decoder(dict[str, Any])


def encode_change(change: Change) -> tuple[str | bytes, str | bytes, bytes]:
    """Return the kind, the fields of the newest records concerned, a line each, and the data."""
    if isinstance(change, Tombstone):
        return "f", "\n".join(map(_field, change.topics)), msgspec.json.encode(change.topics)
    if isinstance(change, EpochComplete):
        return "c", b"", b""
    return "x" if isinstance(change, Removed) else "r", _field(change.topic), encode(change)


def decode_change(kind: bytes, data: bytes) -> Change | None:
    """Return the change of an entry; None for a heartbeat, too."""
    if kind == b"r":
        return decode_record(data)
    if kind == b"x":
        return _decode(_REMOVED, data)
    if kind == b"f":
        topics = _decode(_TOPICS, data)
        return None if topics is None else Tombstone(topics)
    return EpochComplete() if kind == b"c" else None


def decode_record(data: bytes) -> DataRecord | Status | None:
    """Return the record."""
    return _decode(_RECORD, data)


def decode_demand(found: Iterable[bytes]) -> list[ProcessDemand]:
    """Return what the web processes want."""
    return [each for data in found if (each := _decode(_DEMAND, data)) is not None]


def decode_report(data: bytes | None) -> UpstreamReport | None:
    """Return what the feed process says of itself."""
    document = None if data is None else _decode(_REPORT, data)
    return None if document is None else read_report(document)


def decode_revoked(entries: Iterable[tuple[bytes, list[bytes]]]) -> dict[str, float]:
    """Return the logins of entries of the stream, and when each would have ended."""
    return {
        login.decode(): float(at_s)
        for _, (login, at_s, *_) in entries
        if login.isalnum() and at_s.isdigit()
    }


def make_holder(name: str, lease_s: float) -> str:
    """Return the value of the lease: who, and how long from a renewal to its end in ms."""
    return f"{name}:{to_ms(lease_s)}"


def find_name(holder: bytes | None) -> str | None:
    """Return the name in the value of the lease."""
    return None if holder is None else holder.rpartition(b":")[0].decode(errors="replace")


def find_age_s(holder: bytes | None, left_ms: int) -> float | None:
    """Return the seconds since the lease was renewed; None when nobody has it."""
    lease_ms = (holder or b"").rpartition(b":")[2]
    return max(0, int(lease_ms) - left_ms) / 1000 if lease_ms.isdigit() else None


def to_ms(seconds: float) -> int:
    """Return whole milliseconds, at least one."""
    return max(1, round(seconds * 1000))


def decode_position(identity: bytes | None) -> StreamPosition:
    """Return the position that an entry's id says; the beginning, when it is none."""
    epoch, _, offset = (identity or b"").partition(b"-")
    if epoch.isdigit() and offset.isdigit():
        return StreamPosition(epoch.decode(), int(offset))
    return BEGINNING


def _field(topic: Topic) -> str:
    kind, owner, subject = topic
    if owner == NOBODY:
        return f"{kind} {subject}"
    # As before there were viewers, so that processes of both versions mean the same field.
    return f"{kind} {'/'.join(owner if owner.viewer else owner[:2])} {subject}"


def _decode(decoder: "msgspec.json.Decoder[T]", data: bytes) -> T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
