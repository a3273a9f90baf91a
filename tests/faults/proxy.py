"""A TCP proxy on loopback that breaks connections in every way that a network does.

Runs in a thread of its own with its own event loop, so that a busy test does not slow it down.
"""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from tests.waiting import scaled

T = TypeVar("T")

LINGER_OFF = struct.pack("ii", 1, 0)  # a close sends RST


@dataclass(slots=True)
class Weather:
    """How the network is now; read for each piece that passes, so changes hold at once."""

    latency_s: float = 0.0
    slice_bytes: int = 65_536
    bytes_per_s: float = 0.0
    """0: as fast as it goes."""
    is_refusing: bool = False
    """New connections are reset at once."""


class Proxy:
    """Between one address and another. `port` is where to connect instead."""

    def __init__(self, port: int) -> None:
        self.weather = Weather()
        self.accepted_ns: list[int] = []
        """When each connection was accepted, on the monotonic clock."""
        self.port = 0
        self._target = ("127.0.0.1", port)
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._started = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run_loop, name="proxy", daemon=True)
        self._thread.start()
        assert self._started.wait(scaled(5))

    @property
    def accepted(self) -> int:
        """How many connections there have been."""
        return len(self.accepted_ns)

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._open) // 2

    def cut(self) -> int:
        """Reset every connection, in both directions; how many there were."""
        return self._call(self._cut)

    def swallow(self) -> None:
        """Be a black hole: connections stay open, nothing passes, nobody is told."""
        self._call(self._passing.clear)

    def let_pass(self) -> None:
        """End the black hole; what has waited passes now, as after retransmission."""
        self._call(self._passing.set)

    def close(self) -> None:
        """Reset everything and stop listening."""
        assert self._stop is not None
        self._call(self._cut)
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(scaled(5))
        assert not self._thread.is_alive()

    def _call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(scaled(5))

    def _cut(self) -> int:
        count = self.connections
        for writer in list(self._open):
            found = writer.get_extra_info("socket")
            with suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
            writer.transport.abort()
        self._open.clear()
        return count

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with await asyncio.start_server(self._accept, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()
            await self._stop.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted_ns.append(time.monotonic_ns())
        if self.weather.is_refusing:
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF
            )
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer))
                group.create_task(self._pass(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self.weather
        with suppress(OSError):
            while piece := await reader.read(weather.slice_bytes):
                await self._passing.wait()
                if weather.latency_s:
                    await asyncio.sleep(weather.latency_s)
                if weather.bytes_per_s:
                    await asyncio.sleep(len(piece) / weather.bytes_per_s)
                writer.write(piece)
                await writer.drain()
        # The end of one direction ends both: nobody here speaks half-closed.
        with suppress(OSError):
            writer.close()


@contextmanager
def open_proxy(port: int) -> Iterator[Proxy]:
    """A proxy to this port of loopback, gone on leaving."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
