"""Orders to publish, for the servers in Python and nchan's publisher, and when each record is due.

An order is a line of JSON on the standard input; the answer a line on the standard output when the
last record of the order is out. The end of the input ends the process.
"""

import asyncio
import math
import sys
import time
from collections.abc import Callable, Iterator

import msgspec

from bench.records import Tape

PAUSE_S = 0.001
"""Between two looks at the clock: what is due by then goes out together, as it would arrive."""

LATE_S = 0.005
"""Later than any timer is by itself. From there on the waiting is the server's and is measured."""


class Order(msgspec.Struct, frozen=True):
    """Publish the records from `first` on, so many a second, for so long."""

    first: int
    rate: float
    seconds: float

    @property
    def count(self) -> int:
        """How many records that is."""
        return max(1, math.ceil(self.rate * self.seconds))


class Report(msgspec.Struct, frozen=True):
    """How an order was followed: the last record and how long it took."""

    last: int
    took_s: float


def due(order: Order, begun_ns: int, done: int, now_ns: int) -> Iterator[tuple[int, int]]:
    """The sequences that are due and not done, each with the time to stamp it with.

    A publisher that comes late because its server was busy must not hide that: from `LATE_S` on
    the stamp is the time when the record should have gone out.
    """
    end = min(order.count, int((now_ns - begun_ns) * order.rate / 1e9) + 1)
    for index in range(done, end):
        due_ns = begun_ns + int(index * 1e9 / order.rate)
        is_late = now_ns - due_ns > LATE_S * 1e9
        yield order.first + index, due_ns if is_late else now_ns


async def follow_orders(publish: Callable[[int, int], object]) -> None:
    """Publish what the standard input orders, until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        order = msgspec.json.decode(line, type=Order)
        begun_ns = time.monotonic_ns()
        done = 0
        while done < order.count:
            for seq, at_ns in due(order, begun_ns, done, time.monotonic_ns()):
                publish(seq, at_ns)
                done += 1
            next_s = done / order.rate - (time.monotonic_ns() - begun_ns) / 1e9
            await asyncio.sleep(max(PAUSE_S, next_s) if done < order.count else 0)
        tell(Report(order.first + done - 1, (time.monotonic_ns() - begun_ns) / 1e9))


def tell(message: msgspec.Struct | dict[str, object]) -> None:
    """Write one line for the benchmark."""
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def read_symbols(arguments: list[str]) -> Tape:
    """The tape that the command line asks for: its one argument is the number of symbols."""
    return Tape(int(arguments[1]))
