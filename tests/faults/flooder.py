"""Somebody who means ill, as a process: many connections, many symbols, huge and slow requests.

`python -m tests.faults.flooder PORT` floods from addresses of its own on loopback, one for each
kind, until its standard input closes, then prints as JSON what it was answered and how fast.
"""

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

ADDRESSES = {
    "connections": "127.0.0.2",
    "symbols": "127.0.0.3",
    "huge": "127.0.0.4",
    "slow": "127.0.0.5",
}
TURN_S = 0.02
CONNECTIONS = 8
"""A turn, that is 400 a second."""

OTHERS = 5
"""In so many turns there is one of each other kind."""

HELD = 1000
"""Answered connections that are kept open; the oldest give way."""

SYMBOLS = 10_000
SYMBOLS_AT_ONCE = 500
SLOW_PIECE_S = 0.2
GIVE_UP_S = 20.0


@dataclass(slots=True)
class Answers:
    """What one kind of request got: statuses (0: cut off without a word), and how fast."""

    statuses: Counter[int] = field(default_factory=Counter)
    taken_s: list[float] = field(default_factory=list)

    def note(self, status: int, begun_s: float) -> None:
        self.statuses[status] += 1
        self.taken_s.append(time.monotonic() - begun_s)


class Flooder:
    """All that it does at once."""

    def __init__(self, port: int) -> None:
        self.answers = {name: Answers() for name in ADDRESSES}
        self._port = port
        self._host = f"Host: 127.0.0.1:{port}"
        self._held: list[asyncio.StreamWriter] = []
        self._blocks = itertools.cycle(range(0, SYMBOLS, SYMBOLS_AT_ONCE))
        self._tasks: set[asyncio.Task[None]] = set()

    async def flood(self, is_over: asyncio.Event) -> None:
        """Flood until it is over."""
        for turn in itertools.count():
            if is_over.is_set():
                break
            for _ in range(CONNECTIONS):
                self._begin(self._connect)
            if turn % OTHERS == 0:
                for kind in (self._follow_many, self._send_much, self._send_slowly):
                    self._begin(kind)
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), TURN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, kind: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await kind()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        await self._ask("connections", f"GET /healthz HTTP/1.1\r\n{self._host}\r\n\r\n")

    async def _follow_many(self) -> None:
        first = next(self._blocks)
        symbols = ",".join(f"F{first + number}" for number in range(SYMBOLS_AT_ONCE))
        await self._ask(
            "symbols", f"GET /events?symbols={symbols} HTTP/1.1\r\n{self._host}\r\n\r\n"
        )

    async def _send_much(self) -> None:
        head = f"GET / HTTP/1.1\r\n{self._host}\r\nX-Much: {'x' * 100_000}\r\n\r\n"
        await self._ask("huge", head)

    async def _send_slowly(self) -> None:
        begun_s = time.monotonic()
        status = 0
        with suppress(OSError, TimeoutError):
            reader, writer = await self._open("slow")
            answer = asyncio.ensure_future(reader.read(4096))
            for letter in f"GET / HTTP/1.1\r\n{self._host}\r\nX-Slow: {'x' * 1000}":
                writer.write(letter.encode())
                done, _ = await asyncio.wait([answer], timeout=SLOW_PIECE_S)
                if done:
                    break
            status = read_status(await answer)
            writer.close()
        self.answers["slow"].note(status, begun_s)

    async def _ask(self, kind: str, request: str) -> None:
        begun_s = time.monotonic()
        status = 0
        with suppress(OSError, TimeoutError):
            reader, writer = await self._open(kind)
            async with asyncio.timeout(GIVE_UP_S):
                writer.write(request.encode())
                status = read_status(await reader.read(4096))
            self._held.append(writer)
            if len(self._held) > HELD:
                self._held.pop(0).close()
        self.answers[kind].note(status, begun_s)

    async def _open(self, kind: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = (ADDRESSES[kind], 0)
        return await asyncio.open_connection("127.0.0.1", self._port, local_addr=source)


def read_status(answer: bytes) -> int:
    """The status of an answer; 0 when there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


async def run(port: int) -> None:
    """Flood until standard input closes, and tell."""
    flooder, is_over = Flooder(port), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), is_over.set)
    await flooder.flood(is_over)
    told = {
        name: {"statuses": each.statuses, "p99_s": statistics.quantiles(each.taken_s, n=100)[98]}
        for name, each in flooder.answers.items()
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
