"""The bytes of Server-Sent Events; pure.

Frames follow the WHATWG HTML standard, section 9.2 "Server-sent events", with LF line ends.
"""

from gateway.streams.records import Control, Record, encode


def encode_frame(record: Record | Control, event_id: str | None = None) -> bytes:
    """One SSE frame: `event:`, `id:` when given, `data:` with one JSON object."""
    name = record.__struct_config__.tag
    if event_id is None:
        return b"event: %b\ndata: %b\n\n" % (
            str(name).encode(),
            encode(record),
        )
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        str(name).encode(),
        event_id.encode(),
        encode(record),
    )


def encode_retry(retry_ms: int) -> bytes:
    """An SSE block that sets the client's reconnection time and dispatches no event."""
    return b"retry: %d\n\n" % retry_ms
