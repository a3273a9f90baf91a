"""A client that reads when it wants to: a sink that holds one chunk."""

import asyncio

from gateway.streams.backplane.codec import decode_record
from gateway.streams.hub.hub import Hub
from gateway.streams.hub.subscription import Subscription
from gateway.streams.records import DataRecord, Status
from tests.sse import parse


class Puller:
    """Pulls from a hub. Nothing is written to it until the first `read`, or behind its chunk."""

    def __init__(
        self,
        hub: Hub,
        subscription: Subscription,
        *,
        after: int | None = None,
        rate: float | None = None,
    ) -> None:
        self._chunk: bytes | None = None
        self._is_over = False
        self._is_full = True
        self._changed = asyncio.Event()
        self.subscriber = hub.subscribe(subscription, self, after=after, rate=rate)
        for waiting in (self.subscriber._group.ready, self.subscriber._group.paced):
            waiting.pop(self.subscriber, None)  # as if its first chunk were still being written

    @property
    def cursor(self) -> int:
        return self.subscriber.cursor

    def write(self, chunk: bytes) -> bool:
        assert chunk
        assert self._chunk is None, "written to while it was full"
        self._chunk, self._is_full = chunk, True
        self._changed.set()
        return False

    def close(self, reason: str = "") -> None:
        """The hub closes it, or the test; twice does no harm."""
        self._is_over = True
        self._changed.set()
        if not reason:
            self.subscriber.close()

    async def read(self) -> bytes | None:
        """The next chunk; None when the hub or this is closed."""
        if self._is_full and self._chunk is None and not self._is_over:
            self._is_full = False
            self.subscriber.resume_writing()
        while self._chunk is None and not self._is_over:
            self._changed.clear()
            await self._changed.wait()
        chunk, self._chunk = self._chunk, None
        return None if self._is_over else chunk

    async def read_records(self) -> list[DataRecord | Status] | None:
        """What the next chunk holds but for heartbeats and gaps; None as for `read`."""
        chunk = await self.read()
        if chunk is None:
            return None
        found = (decode_record(event.data.encode()) for event in parse(chunk))
        return [each for each in found if each is not None]
