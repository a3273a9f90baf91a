"""The viewers of the long run, as cheap as can be: they come, go, read slowly, and look at ids."""

import asyncio
import random
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.waiting import scaled

SLOW_BYTES_PER_S = 1024

ID = re.compile(rb"^id: ([a-z0-9]+)-(\d+)$", re.MULTILINE)
BALANCE = re.compile(rb'"type":"balance_update","account":"(\w+)"')


class Watcher:
    """A viewer as cheap as can be: counts, and looks at ids and accounts."""

    def __init__(self, port: int, path: str, token: str, granted: frozenset[bytes] | None) -> None:
        self.path = path
        self.problems: list[str] = []
        self.events = 0
        self.bytes_per_s = 0
        self._port = port
        self._token = token
        self._granted = granted
        self._epoch = b""
        self._seq = -1

    async def watch(self) -> None:
        """Read until cancelled; come again when the stream ends."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._follow()
            await asyncio.sleep(0.5)

    async def _follow(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._epoch, self._seq = b"", -1
        try:
            writer.write(
                f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
                f"Authorization: Bearer {self._token}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                self.problems.append(f"{self.path}: {head.splitlines()[0]!r}")
                return
            rest = b""
            while piece := await reader.read(SLOW_BYTES_PER_S if self.bytes_per_s else 65_536):
                rest += piece
                whole, _, rest = rest.rpartition(b"\n\n")
                self._look(whole)
                if self.bytes_per_s:
                    await asyncio.sleep(len(piece) / self.bytes_per_s)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _look(self, whole: bytes) -> None:
        self.events += whole.count(b"\ndata: ")
        for epoch, digits in ID.findall(whole):
            seq = int(digits)
            if epoch == self._epoch and seq <= self._seq:
                self.problems.append(f"{self.path}: id {seq} after {self._seq}")
            self._epoch, self._seq = epoch, seq
        if self._granted is not None:
            for account in set(BALANCE.findall(whole)) - self._granted:
                self.problems.append(f"{self.path}: saw a balance of {account[-1:]!r}…")


class Crowd:
    """The viewers, on an event loop in a thread of their own."""

    def __init__(self, make: Callable[[], Watcher], rng: random.Random) -> None:
        self._make = make
        self._rng = rng
        self.here: dict[Watcher, asyncio.Task[None]] = {}
        self.came = 0
        self.events = 0
        self.problems: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="crowd", daemon=True)
        self._thread.start()

    def come(self, count: int) -> None:
        """So many more viewers."""
        self._run(self._come(count))

    def churn(self) -> None:
        """One leaves, another comes."""
        self._run(self._leave([self._rng.choice(list(self.here))]))
        self._run(self._come(1))

    def slow_down(self, seconds: float) -> None:
        """One of them reads hardly anything for a while."""
        watcher = self._rng.choice(list(self.here))
        watcher.bytes_per_s = SLOW_BYTES_PER_S
        self._loop.call_soon_threadsafe(
            self._loop.call_later, seconds, setattr, watcher, "bytes_per_s", 0
        )

    def leave(self) -> None:
        """All of them go."""
        self._run(self._leave(list(self.here)))

    def close(self) -> None:
        """End the thread."""
        self.leave()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(scaled(5))
        self._loop.close()

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(scaled(30))

    async def _come(self, count: int) -> None:
        for _ in range(count):
            watcher = self._make()
            self.here[watcher] = asyncio.create_task(watcher.watch(), name=watcher.path)
            self.came += 1

    async def _leave(self, those: list[Watcher]) -> None:
        tasks = [self.here.pop(each) for each in those]
        for task in tasks:
            task.cancel()
        for watcher, task in zip(those, tasks, strict=True):
            with suppress(asyncio.CancelledError):
                await task
            self.events += watcher.events
            self.problems += watcher.problems
