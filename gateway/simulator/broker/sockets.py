"""What both kinds of websockets need: to be stalled, and to see how a client went."""

import asyncio

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed


def set_stalled(socket: ServerConnection, moving: asyncio.Event, is_stalled: bool) -> None:
    """Stop or restart a connection's reading, and let its writers wait on `moving`."""
    transport = socket.transport
    if is_stalled:
        moving.clear()
        if transport.is_reading():
            transport.pause_reading()
    else:
        moving.set()
        if not transport.is_closing():
            transport.resume_reading()


def is_clean_close(closed: ConnectionClosed) -> bool:
    """Return whether the client closed with a close frame instead of a lost connection."""
    return closed.rcvd is not None and closed.rcvd_then_sent is True
