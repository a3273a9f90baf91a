"""The load client: thousands of streams over raw sockets and epoll, each checked as it is read.

It runs in the benchmark's own process, on a core that no server has. `Load.pace_s` lets data
gather between two looks, which costs that much latency and saves a system call per event.
"""

import errno
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from bench.check import HtmlStream, Reader, Stream, Tally, find_end
from bench.process import cpu_s
from bench.publish import Order, Report
from bench.records import STAMP, Expectation
from bench.servers import Server

READ_BYTES = 1 << 18

CONNECT_WINDOW = 64
"""Connections that are being opened at the same time, where it is not to be all at once."""

CONNECT_S = 60.0

DRAIN_S = 10.0
"""What is not there so long after the last record was published is lost."""

SAMPLED = 50
"""Streams of a run, about, whose every record gives a latency."""

_CLOCK_US = 10**13


class Refused(Exception):
    """A server did not answer a stream with 200, or ended one."""


@dataclass(slots=True, eq=False)
class Connection:
    """One client."""

    socket: socket.socket
    request: bytes
    stream: Stream
    begun_s: float
    opening: bytes | None = b""
    """What came so far of the beginning; None from then on."""
    opened_s: float = 0.0
    is_over: bool = False


class Load:
    """All clients of one server."""

    def __init__(self, server: Server, expectations: Sequence[Expectation], has_ids: bool) -> None:
        self.server = server
        self.tally = Tally()
        self.pace_s = 0.0
        self.connections: list[Connection] = []
        self.reports: list[Report] = []
        self.last_read_s = 0.0
        self.on_opened: Callable[[Connection, bytes], None] = lambda connection, opening: None
        self._readers = [Reader(each, has_ids=has_ids) for each in expectations]
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Connection] = {}
        self._stalled: list[Connection] = []
        self._is_opening = 0
        self._reports = server.reports.fileno()
        self._epoll.register(self._reports, select.EPOLLIN)

    def close(self) -> None:
        """Close every connection, by a reset: thousands of ports would wait for nothing."""
        for connection in [*self.connections, *self._stalled]:
            self._drop(connection)
        self._epoll.close()

    def connect(self, count: int, *, after: int, path: str | None = None) -> float:
        """The seconds in which so many streams were open and had all of their beginning.

        `after` is the last sequence published so far; every later one is expected.
        """
        begun_s = time.monotonic()
        made = 0
        sampled = max(1, count // SAMPLED)
        while made < count or self._is_opening:
            while made < count and self._is_opening < CONNECT_WINDOW:
                reader = self._readers[made % len(self._readers)]
                wanted = reader.expected
                kind = Stream if path is None else HtmlStream
                stream = kind(reader, self.tally, is_sampled=made % sampled == 0, after=after)
                symbols = None if wanted.is_all else list(wanted.symbols)
                self._open(self.server.request(symbols, path=path), stream)
                made += 1
            self.turn(0.1)
            if time.monotonic() - begun_s > CONNECT_S:
                raise Refused(f"{self._is_opening} of {made} streams did not open")
        return time.monotonic() - begun_s

    def drop_all(self) -> None:
        """Drop every connection, as a network does that fails."""
        for connection in self.connections:
            self._drop(connection)
        self.connections.clear()

    def drop_and_reopen(self) -> None:
        """Drop every connection and open it again, all at once, each with the last id it saw."""
        before = list(self.connections)
        self.drop_all()
        for connection in before:
            wanted = connection.stream.reader.expected
            connection.stream.begin_again()
            self._open(
                self.server.request(
                    None if wanted.is_all else list(wanted.symbols),
                    connection.stream.last_event_id(),
                ),
                connection.stream,
            )

    @property
    def is_opening(self) -> int:
        """How many connections wait for the rest of their beginning."""
        return self._is_opening

    def stall(self, connection: Connection) -> None:
        """Never read from this one again."""
        self._epoll.unregister(connection.socket)
        del self._by_descriptor[connection.socket.fileno()]
        self.connections.remove(connection)
        self._stalled.append(connection)

    def publish(self, order: Order) -> Report:
        """Have the server publish, and read until all of it is there or too late."""
        self.order(order)
        return self.follow(order.seconds)

    def order(self, order: Order) -> None:
        """Have the server publish; `follow` reads."""
        self.reports.clear()
        self.server.order(order)

    def follow(self, seconds: float) -> Report:
        """Read until all streams have the last record, or `DRAIN_S` after the order's end."""
        deadline_s = time.monotonic() + 3 * seconds + 4 * DRAIN_S
        while not self.reports:
            self.turn(0.05)
            if time.monotonic() > deadline_s:
                raise Refused("the publisher did not finish")
        report = self.reports[0]
        deadline_s = time.monotonic() + DRAIN_S
        while not self.has_all(report.last) and time.monotonic() < deadline_s:
            look_s = time.monotonic() + 0.02
            while time.monotonic() < look_s:
                self.turn(0.02)
        return report

    def has_all(self, last: int) -> bool:
        """Whether every stream has come to this sequence, or is over."""
        wanted = {each: each.expected.previous(last + 1) for each in self._readers}
        return not self._is_opening and all(
            each.is_over
            or isinstance(each.stream, HtmlStream)
            or each.stream.last >= wanted[each.stream.reader]
            for each in self.connections
        )

    def finish(self, last: int) -> Tally:
        """What all streams had, the missing counted."""
        for connection in self.connections:
            connection.stream.finish(last)
        return self.tally

    def begin_tally(self) -> None:
        """Reset the counters."""
        self.tally = Tally()
        for connection in self.connections:
            connection.stream.tally = self.tally

    def cpu_s(self) -> float:
        """What client and publisher have used of their core, where the server has none of it."""
        return time.process_time() + cpu_s(self.server.publisher_pids)

    def turn(self, timeout_s: float) -> None:
        """Read what is there."""
        if self.pace_s:
            time.sleep(self.pace_s)
        by_descriptor, buffer = self._by_descriptor, self._buffer
        for descriptor, event in self._epoll.poll(timeout_s, 1024):
            connection = by_descriptor.get(descriptor)
            if connection is None:
                if descriptor == self._reports:
                    self._read_reports()
                continue
            if event & select.EPOLLOUT:
                self._send(connection)
                continue
            try:
                # `recv` would map and unmap this many bytes each time: half of a core at W1.
                data = buffer[: connection.socket.recv_into(buffer)].tobytes()
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            now_ns = time.monotonic_ns()
            if not data:
                self._end(connection)
            elif connection.opening is None:
                connection.stream.take(data, now_ns // 1000 % _CLOCK_US)
            else:
                self._take_opening(connection, data, now_ns)
        self.last_read_s = time.monotonic()

    def _open(self, request: bytes, stream: Stream) -> None:
        one = socket.socket()
        one.setblocking(False)
        code = one.connect_ex(("127.0.0.1", self.server.port))
        if code not in {0, errno.EINPROGRESS}:
            raise Refused(f"connect: {errno.errorcode.get(code, code)}")
        connection = Connection(one, request, stream, time.monotonic())
        self.connections.append(connection)
        self._by_descriptor[one.fileno()] = connection
        self._epoll.register(one, select.EPOLLOUT)
        self._is_opening += 1

    def _send(self, connection: Connection) -> None:
        if code := connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise Refused(f"connect: {errno.errorcode.get(code, code)}")
        connection.socket.send(connection.request)
        self._epoll.modify(connection.socket, select.EPOLLIN)

    def _take_opening(self, connection: Connection, data: bytes, now_ns: int) -> None:
        opening = connection.opening = (connection.opening or b"") + data
        if len(opening) >= 12 and not opening.startswith(b"HTTP/1.1 200"):
            raise Refused(opening[:300].decode("latin-1"))
        is_html = isinstance(connection.stream, HtmlStream)
        end = find_end(opening, b"\r\n\r\n" if is_html else self.server.opened_by)
        if end < 0:
            return
        connection.opening = None
        connection.opened_s = now_ns / 1e9
        self._is_opening -= 1
        beginning, rest = opening[:end], opening[end:]
        if self.server.has_snapshot and not is_html:
            stamps = STAMP.findall(beginning)
            if stamps:
                # The newest record of all is the newest of its symbol: nothing is behind it.
                connection.stream.begin(max(int(seq) for _, seq in stamps))
        self.on_opened(connection, beginning)
        if rest:
            connection.stream.take(rest, now_ns // 1000 % _CLOCK_US)

    def _read_reports(self) -> None:
        line = self.server.reports.readline()
        if not line:
            raise Refused(f"{self.server.name} ended")
        self.reports.append(msgspec.json.decode(line, type=Report))

    def _end(self, connection: Connection) -> None:
        connection.is_over = True
        if connection.opening is not None:
            raise Refused("a stream ended before it began")
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        descriptor = connection.socket.fileno()
        if descriptor >= 0:
            self._by_descriptor.pop(descriptor, None)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.socket.close()
