"""Frames as they come over the wire, and what is made of them."""

from collections import deque
from typing import Any

import msgspec
from hypothesis import strategies as st
from wsproto.utilities import LocalProtocolError

from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.frames import FilteredSocket, MarketFilter
from gateway.streams.upstream.sdk import EVENT_TYPES, wire_fields

CHANNELS = {number * 2 + 1: name for number, name in enumerate(EVENT_TYPES)}


FIELDS = {name: list(wire_fields(name)) for name in EVENT_TYPES}


class Closed(Exception):
    """The fake socket has no more to give."""


class FakeSocket:
    """What the guard needs of a websocket."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = deque(texts)
        self.sent: list[Any] = []
        self.is_closed = False

    async def receive_text(self) -> str:
        if not self.texts:
            raise Closed
        return self.texts.popleft()

    async def send_json(self, data: Any) -> None:
        if self.is_closed:
            raise LocalProtocolError("cannot be sent in state CLOSED")
        self.sent.append(data)


class Wire:
    """A guard before a fake socket, with everything that it can tell."""

    def __init__(self, *frames: Any) -> None:
        self.dropped: DropStats = DropStats()
        self.closed: list[str] = []
        self.frames = 0
        self.filter = MarketFilter(CHANNELS, FIELDS, self.dropped, self.closed.append)
        encode = msgspec.json.Encoder(decimal_format="number").encode
        texts = [each if isinstance(each, str) else encode(each).decode() for each in frames]
        self.socket = FakeSocket(texts)
        socket: Any = self.socket
        self.guard = FilteredSocket(socket, self.filter, self.dropped, self.count)

    def count(self) -> None:
        self.frames += 1

    async def receive_all(self) -> list[Any]:
        """What the SDK's reader gets until the socket ends."""
        found = []
        while True:
            try:
                found.append(await self.guard.receive_json())
            except Closed:
                return found


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["NaN", "Infinity", "", "SPY", "\0", *EVENT_TYPES, "x"]),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=4), each),
    max_leaves=8,
)
