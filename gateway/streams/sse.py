"""The bytes of Server-Sent Events; pure.

Frames follow the WHATWG HTML standard, section 9.2 "Server-sent events", with LF line ends.
"""

from gateway.streams.records import Control, Record, encode


def encode_frame(
    record: Record | Control, event_id: str | None = None, *, retry_ms: int | None = None
) -> bytes:
    """Return one SSE block: `event:`, `id:` if given, and one JSON object as `data:`.

    `retry_ms` sets the client's reconnection time. It stands in the block of an event because some
    clients (httpx-sse 0.4) yield an empty event for a `retry:` that stands alone.
    """
    name = str(record.__struct_config__.tag).encode()
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    if event_id is None:
        return b"%bevent: %b\ndata: %b\n\n" % (retry, name, encode(record))
    return b"%bevent: %b\nid: %b\ndata: %b\n\n" % (retry, name, event_id.encode(), encode(record))
