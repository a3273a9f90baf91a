"""Many clients of one gateway, read in one thread; how late what they get is, and what waits.

What a client gets is not parsed here, only searched: `observer` and `tests.web.running` parse.
"""

import re
import select
import socket
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.proxy import LINGER_OFF
from tests.faults.trial import Trial, describe
from tests.waiting import eventually_sync, scaled

READ_BYTES = 1 << 17
KEPT_BYTES = 512
"""Of the end of each stream, for what stands in its last frames."""

DAY_MS = 24 * 3600 * 1000

_STAMP = re.compile(rb'"updated_at":"[0-9-]{10}T(\d\d):(\d\d):(\d\d)\.(\d{3})Z"')
_ID = re.compile(rb"\nid: ([A-Za-z0-9-]+)\n")
_RETRY = re.compile(rb'event: bye\ndata: .*"retry_ms":(\d+)')


@dataclass(slots=True, eq=False)
class Client:
    """One connection and what was found on it."""

    socket: socket.socket
    status: int = 0
    """Of HTTP; 0 until it has answered."""
    begun_s: float = 0.0
    has_begun: bool = False
    """The snapshot is complete."""
    began_s: float = 0.0
    is_over: bool = False
    is_broken: bool = False
    """Reset, or refused."""
    last_event_id: str = ""
    end: bytes = b""

    @property
    def retry_ms(self) -> int | None:
        """What `bye` asked for; None without one."""
        found = _RETRY.search(self.end)
        return int(found[1]) if found else None


class Crowd:
    """Clients of `/events`, until it is closed. Asked from the thread that made it."""

    def __init__(self, port: int, *, token: str = "") -> None:
        self.clients: list[Client] = []
        self.delays_ms: list[float] = []
        """From the gateway's receiving a record to its arrival here; a millisecond is cut off."""
        self._port = port
        self._token = token
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Client] = {}
        self._is_closed = False
        self._is_collecting = False
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)
        self._thread.start()

    def join(
        self, count: int, path: str = "/events", *, last_event_ids: Iterable[str] = ()
    ) -> list[Client]:
        """So many more clients, which do not wait for each other."""
        ids = [*last_event_ids, *[""] * count]
        return [self._open(path, ids[number]) for number in range(count)]

    def join_and_begin(self, count: int, path: str = "/events") -> list[Client]:
        """So many more clients, when all hold their snapshot."""
        joined = self.join(count, path)
        eventually_sync(lambda: all(each.has_begun for each in joined), 20)
        return joined

    def drop(self) -> list[Client]:
        """All clients, who have left without a word."""
        dropped, self.clients = self.clients, []
        for client in dropped:
            client.is_over = True  # first: closing takes it out of the thread's hands
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
            client.socket.close()
        return dropped

    def collect(self, count: int, timeout_s: float = 30.0) -> list[float]:
        """The next so many delays, in ms."""
        self.delays_ms, self._is_collecting = [], True
        eventually_sync(lambda: len(self.delays_ms) >= count, timeout_s)
        self._is_collecting = False
        return self.delays_ms[:count]

    def close(self) -> None:
        """Leave, all of them."""
        self._is_closed = True
        self._thread.join(scaled(5))
        assert not self._thread.is_alive()
        self.drop()
        self._epoll.close()

    def _open(self, path: str, last_event_id: str) -> Client:
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}"]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        if last_event_id:
            lines.append(f"Last-Event-ID: {last_event_id}")
        client = Client(socket.socket(), begun_s=time.monotonic())
        self.clients.append(client)
        try:
            client.socket.connect(("127.0.0.1", self._port))
            client.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        except OSError:
            client.is_over = client.is_broken = True
            return client
        client.socket.setblocking(False)
        self._by_descriptor[client.socket.fileno()] = client
        self._epoll.register(client.socket, select.EPOLLIN)
        return client

    def _run(self) -> None:
        while not self._is_closed:
            for descriptor, _ in self._epoll.poll(0.05, 1024):
                client = self._by_descriptor[descriptor]
                try:
                    piece = self._buffer[: client.socket.recv_into(self._buffer)].tobytes()
                except BlockingIOError:
                    continue
                except OSError:
                    client.is_broken, piece = True, b""
                if piece:
                    self._take(client, piece)
                elif not client.is_over:
                    client.is_over = True
                    self._epoll.unregister(client.socket)

    def _take(self, client: Client, piece: bytes) -> None:
        now_s, now_ms = time.monotonic(), time.time() * 1000 % DAY_MS
        held = client.end + piece
        if not client.status:
            head = held.partition(b"\r\n")[0].split(b" ", 2)
            client.status = int(head[1]) if len(head) == 3 else 0
        if client.has_begun and self._is_collecting:
            delays = self.delays_ms
            for hours, minutes, seconds, ms in _STAMP.findall(piece):
                at_ms = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(ms)
                delays.append((now_ms - at_ms) % DAY_MS)
        elif not client.has_begun and b"event: snapshot_end" in held:
            client.has_begun, client.began_s = True, now_s
        ids = _ID.findall(held)
        if ids:
            client.last_event_id = ids[-1].decode()
        client.end = held[-KEPT_BYTES:]


@contextmanager
def open_crowd(port: int, *, token: str = "") -> Iterator[Crowd]:
    """A crowd without clients yet, gone on leaving."""
    crowd = Crowd(port, token=token)
    try:
        yield crowd
    finally:
        crowd.close()


class SideBySide:
    """How late quotes were without something and beside it, in turns of the same run."""

    def __init__(self) -> None:
        self._without_ms: list[float] = []
        self._beside_ms: list[float] = []

    def add(self, without: list[float], beside: list[float]) -> None:
        """Add the delays of one turn, in ms."""
        self._without_ms.append(find_p99(without))
        self._beside_ms.append(find_p99(beside))

    def tell(self, trial: Trial, what: str, at_most_ms: float) -> None:
        """Report what was added to the 99th percentile: of all turns the median, because what
        else the machine does falls on some of them.

        Raises: AssertionError, in the full run, when that is beyond `at_most_ms`.
        """
        pairs = zip(self._without_ms, self._beside_ms, strict=True)
        added = [beside - without for without, beside in pairs]
        trial.tell(
            f"the others' p99 {describe(statistics.median(self._without_ms))} ms without and "
            f"{describe(statistics.median(self._beside_ms))} ms beside {what} "
            f"(medians of {len(added)} turns)"
        )
        trial.measure("added in a turn", [statistics.median(added)], at_most_ms, unit="ms")


def find_p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def count_buffered(gateway_port: int, client_port: int) -> int:
    """Bytes that the kernel holds for a client on its way from a gateway, on both sides (Linux).

    Raises: AssertionError, when there is no such connection.
    """
    found = 0
    is_there = False
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        ports = (int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16))
        unsent, unread = (int(each, 16) for each in queues.split(":"))
        if ports == (gateway_port, client_port):
            found += unsent
            is_there = True
        elif ports == (client_port, gateway_port):
            found += unread
    assert is_there, "no such connection"
    return found
