"""What stands in the backplane: how it is written, and how it is read back; pure.

What cannot be read, because a later gateway or somebody else wrote it, is None or left out.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from gateway.streams.backplane.outbox import Change, Complete, Forget
from gateway.streams.hub.position import NOWHERE, Origin
from gateway.streams.records import DataRecord, Status, encode
from gateway.streams.topics import NOBODY, Topic

T = TypeVar("T")

BEAT: Final = (b"b", b"", b"")
"""A sign of life: an entry without a change."""


class Wish(msgspec.Struct, frozen=True, array_like=True):
    """What one web process wants, and the newest epoch that it has seen."""

    epoch: int
    symbols: tuple[str, ...]


class Newest(msgspec.Struct, frozen=True):
    """All that a new web process needs: records in order, and how far what they say reaches."""

    records: list[tuple[Origin, DataRecord | Status]]
    mark: Origin
    is_complete: bool
    """Whether what is not among them is not known any more."""
    provable_from: Origin
    epochs: list[str]
    silent_s: float | None
    """Since the publisher of these records was last heard of; None when that is not known."""


class Lease(msgspec.Struct, frozen=True):
    """Who publishes, as the server knows it at one moment."""

    holder: str | None
    age_s: float | None
    """Since the last renewal."""
    mark: Origin
    fenced: int
    """Entries refused because their publisher held the lease no more."""


class Revoked(msgspec.Struct, frozen=True):
    """Logins that were signed out, hidden; when each would have ended (s); where to read on."""

    revoked: dict[str, float]
    mark: str


_RECORD = msgspec.json.Decoder(DataRecord | Status)
_KEYS = msgspec.json.Decoder(tuple[Topic, ...])
_WISH = msgspec.json.Decoder(Wish)
_REPORT = msgspec.json.Decoder(dict[str, Any])


def encode_change(change: Change) -> tuple[str | bytes, str | bytes, bytes]:
    """The kind, the fields of the newest records that it concerns, a line each, and the rest."""
    if isinstance(change, Forget):
        return "f", "\n".join(map(_field, change.keys)), msgspec.json.encode(change.keys)
    if isinstance(change, Complete):
        return "c", b"", b""
    return "r", _field(change.topic), encode(change)


def decode_change(kind: bytes, data: bytes) -> Change | None:
    """The change of an entry; None for a sign of life too."""
    if kind == b"r":
        return decode_record(data)
    if kind == b"f":
        keys = _decode(_KEYS, data)
        return None if keys is None else Forget(keys)
    return Complete() if kind == b"c" else None


def decode_record(data: bytes) -> DataRecord | Status | None:
    """The record."""
    return _decode(_RECORD, data)


def decode_wishes(found: Iterable[bytes]) -> list[Wish]:
    """What the web processes want."""
    return [wish for each in found if (wish := _decode(_WISH, each)) is not None]


def decode_report(data: bytes | None) -> dict[str, Any] | None:
    """What the feed process told of itself."""
    return None if data is None else _decode(_REPORT, data)


def decode_revoked(entries: Iterable[tuple[bytes, list[bytes]]]) -> dict[str, float]:
    """The logins of entries of the stream, and when each would have ended."""
    return {
        login.decode(): float(at_s)
        for _, (login, at_s, *_) in entries
        if login.isalnum() and at_s.isdigit()
    }


def make_holder(name: str, lease_s: float) -> str:
    """What stands in the lease: who, and how long from a renewal to its end in ms."""
    return f"{name}:{to_ms(lease_s)}"


def find_name(holder: bytes | None) -> str | None:
    """Who is meant by what stands in the lease."""
    return None if holder is None else holder.rpartition(b":")[0].decode(errors="replace")


def find_age_s(holder: bytes | None, left_ms: int) -> float | None:
    """Since the lease was renewed; None when nobody has it."""
    lease_ms = (holder or b"").rpartition(b":")[2]
    return max(0, int(lease_ms) - left_ms) / 1000 if lease_ms.isdigit() else None


def to_ms(seconds: float) -> int:
    """Whole milliseconds, at least one."""
    return max(1, round(seconds * 1000))


def to_origin(identity: bytes | None) -> Origin:
    """The epoch and sequence of an id; nowhere, when it is none."""
    epoch, _, seq = (identity or b"").partition(b"-")
    return (epoch.decode(), int(seq)) if epoch.isdigit() and seq.isdigit() else NOWHERE


def _field(topic: Topic) -> str:
    kind, owner, subject = topic
    return f"{kind} {subject}" if owner == NOBODY else f"{kind} {'/'.join(owner)} {subject}"


def _decode(decoder: "msgspec.json.Decoder[T]", data: bytes) -> T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
