"""A person at a stream, independent of our code: what came, when, and what was on the screen then.

Follows a stream as EventSource does (WHATWG HTML, section 9.2): reconnects after the `retry:` that
it was told, with the last id. Keeps every event with the instant of its arrival, on the clock that
the simulator's `sent_ns` is on (CLOCK_MONOTONIC is one for all processes of a machine).
"""

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.sse import Event, Parser
from tests.waiting import eventually_sync, scaled

FIRST_RETRY_S = 1.0
"""Before the server has said anything; browsers take 3 to 5 seconds."""

READ_S = 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """One event: when it arrived (monotonic ns), on which connection, and what it said."""

    at_ns: int
    connection: int
    event: Event
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.event.event


@dataclass(frozen=True, slots=True)
class Painted:
    """What a person saw of one symbol from this instant on."""

    at_ns: int
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    is_live: bool
    """Neither the record nor the feed's status said otherwise, and the stream was open."""


class Observer:
    """Watches one stream until it is closed; may be read from other threads meanwhile."""

    def __init__(
        self,
        port: int,
        path: str,
        *,
        token: str = "",
        cookie: str = "",
        retry_s: float | None = None,
    ) -> None:
        self.port = port
        self.seen: list[Seen] = []
        self.statuses: list[int] = []
        """The HTTP status of each connection."""
        self.lost_ns: list[int] = []
        """When a connection ended or was refused."""
        self.last_event_id = ""
        self._feed = "connecting"
        self._records: dict[str, dict[str, Any]] = {}
        self._screens: dict[str, list[Painted]] = {}
        self._path = path
        self._token = token
        self._cookie = cookie
        self._retry_s = retry_s
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave."""
        self._is_closed.set()
        self._thread.join(scaled(5))
        assert not self._thread.is_alive()

    def wait_for(self, kind: str, count: int = 1, timeout_s: float = 10.0) -> None:
        """Return when so many events of this kind have come."""
        eventually_sync(lambda: sum(each.kind == kind for each in self.seen) >= count, timeout_s)

    def wait_for_words(self, words: str, after_ns: int, timeout_s: float = 10.0) -> Seen:
        """The first event since then whose text holds these words; of pages too."""

        def find() -> Seen | None:
            found = (each for each in list(self.seen) if each.at_ns > after_ns)
            return next((each for each in found if words in each.event.data), None)

        found = eventually_sync(find, timeout_s)
        assert found
        return found

    def quotes(self, symbol: str) -> list[Seen]:
        """The records of this symbol, in the order of arrival."""
        return [
            each
            for each in list(self.seen)
            if each.kind == "quote_update" and each.data["symbol"] == symbol
        ]

    def last(self, symbol: str) -> dict[str, Any] | None:
        """The newest record of this symbol."""
        found = self.quotes(symbol)
        return found[-1].data if found else None

    def is_live(self, symbol: str) -> bool:
        """Whether a person sees a live price at this moment."""
        screen = self._screens.get(symbol)
        return bool(screen and screen[-1].is_live)

    def painted(self, symbol: str) -> list[Painted]:
        """All that the screen showed of this symbol, one item per change."""
        return list(self._screens.get(symbol, ()))

    def check_ids(self) -> int:
        """How many ids there were.

        Raises: AssertionError, unless they rise strictly on each connection and over all of them.
        """
        ids = [parse_id(each.event.id) for each in list(self.seen) if each.event.id is not None]
        for before, after in itertools.pairwise(ids):
            # A snapshot after a reconnect tells again what is current; a resume never does.
            assert before[0] != after[0] or before[1] < after[1] or self._is_snapshot(after), (
                before,
                after,
            )
        by_connection: dict[int, list[tuple[str, int]]] = {}
        for each in list(self.seen):
            if each.event.id is not None:
                by_connection.setdefault(each.connection, []).append(parse_id(each.event.id))
        for found in by_connection.values():
            for (epoch, seq), (next_epoch, next_seq) in itertools.pairwise(found):
                assert epoch != next_epoch or seq < next_seq, (epoch, seq, next_seq)
            epochs = [epoch for epoch, _ in found]
            assert len(set(epochs)) == sum(1 for _ in _runs(epochs)), "an epoch came back"
        return len(ids)

    def check_values(self, symbol: str, sent: Iterable[dict[str, Any]]) -> int:
        """How many quotes were compared with the rows that the simulator says it sent.

        Raises: AssertionError, for a bid or ask that had not been sent before it was seen.
        """
        # When each value was first sent; of each side by itself.
        first_ns: dict[str, dict[Decimal | None, int]] = {"bid": {}, "ask": {}}
        begun_ns = None
        for row in sorted(sent, key=lambda row: int(row["sent_ns"])):
            begun_ns = begun_ns or row["sent_ns"]
            for side, known in first_ns.items():
                known.setdefault(_decimal(row[f"{side}Price"]), row["sent_ns"])
        compared = 0
        for each in self.quotes(symbol):
            if begun_ns is None or each.at_ns <= begun_ns or each.data["stale"]:
                continue
            compared += 1
            for side, known in first_ns.items():
                sent_ns = known.get(each.data[side])
                assert sent_ns is not None, (symbol, side, each.data)
                assert sent_ns <= each.at_ns, (symbol, side, each.data)
        return compared

    def _is_snapshot(self, identity: tuple[str, int]) -> bool:
        """Whether this id came inside the snapshot of its connection."""
        for each in self.seen:
            if each.event.id is not None and parse_id(each.event.id) == identity:
                hello = [
                    other
                    for other in self.seen
                    if other.connection == each.connection and other.kind == "hello"
                ]
                if hello and hello[0].data["mode"] == "snapshot":
                    return True
        return False

    def _run(self) -> None:
        connection = 0
        retry_s = FIRST_RETRY_S
        while not self._is_closed.is_set():
            parser = Parser(self.last_event_id)
            with suppress(OSError, ConnectionError):
                self._follow(connection, parser)
            self.lost_ns.append(time.monotonic_ns())
            for symbol in self._records:
                self._paint(self.lost_ns[-1], symbol, is_open=False)
            self.last_event_id = parser.last_event_id
            connection += 1
            if parser.retry is not None:
                retry_s = parser.retry / 1000
            self._is_closed.wait(retry_s if self._retry_s is None else self._retry_s)

    def _follow(self, connection: int, parser: Parser) -> None:
        lines = [
            f"GET {self._path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Accept: text/event-stream",
            "Connection: close",
        ]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        if self._cookie:
            lines.append(f"Cookie: {self._cookie}")
        if self.last_event_id:
            lines.append(f"Last-Event-ID: {self.last_event_id}")
        with socket.create_connection(("127.0.0.1", self.port), scaled(5)) as connected:
            connected.sendall("\r\n".join([*lines, "", ""]).encode())
            connected.settimeout(READ_S)
            pieces = self._pieces(connected)
            head = _read_head(pieces)
            status, rest = head
            self.statuses.append(status)
            if status != 200:
                return
            for body in _dechunk(rest, pieces):
                at_ns = time.monotonic_ns()
                for event in parser.feed(body):
                    self._take(Seen(at_ns, connection, event, _read_data(event.data)))

    def _take(self, seen: Seen) -> None:
        self.seen.append(seen)
        if seen.kind == "status" and seen.data["upstream"] == "feed":
            self._feed = seen.data["state"]
            for symbol in self._records:
                self._paint(seen.at_ns, symbol)
        elif seen.kind == "quote_update":
            self._records[seen.data["symbol"]] = seen.data
            self._paint(seen.at_ns, seen.data["symbol"])

    def _paint(self, at_ns: int, symbol: str, *, is_open: bool = True) -> None:
        record = self._records[symbol]
        is_live = is_open and self._feed in ("live", "degraded") and not record["stale"]
        painted = Painted(at_ns, record["bid"], record["ask"], record["last"], is_live)
        self._screens.setdefault(symbol, []).append(painted)

    def _pieces(self, connected: socket.socket) -> Iterator[bytes]:
        while not self._is_closed.is_set():
            try:
                piece = connected.recv(65_536)
            except TimeoutError:
                continue
            if not piece:
                return
            yield piece


@contextmanager
def observe(
    port: int,
    path: str,
    *,
    token: str = "",
    cookie: str = "",
    retry_s: float | None = None,
) -> Iterator[Observer]:
    """An observer, closed on leaving; `cookie` is `name=value`."""
    observer = Observer(port, path, token=token, cookie=cookie, retry_s=retry_s)
    try:
        yield observer
    finally:
        observer.close()


def parse_id(event_id: str) -> tuple[str, int]:
    """Epoch and sequence of an id."""
    epoch, separator, seq = event_id.rpartition("-")
    assert separator, event_id
    return epoch, int(seq)


def live_after(screen: list[Painted], instant_ns: int) -> float:
    """How many seconds after `instant_ns` a live price was last to be seen.

    0 when none was; infinite when it is still there.
    """
    before = [each for each in screen if each.at_ns <= instant_ns]
    after = [each for each in screen if each.at_ns > instant_ns]
    if not (before and before[-1].is_live) and not any(each.is_live for each in after):
        return 0.0
    if screen[-1].is_live:
        return float("inf")
    begun = [off.at_ns for on, off in itertools.pairwise(screen) if on.is_live > off.is_live]
    return (max(begun) - instant_ns) / 1e9


def _runs(items: Iterable[str]) -> Iterator[str]:
    previous: str | None = None
    for item in items:
        if item != previous:
            yield item
        previous = item


def _read_data(text: str) -> dict[str, Any]:
    """What an event says; nothing when it is a piece of a page."""
    if not text.startswith("{"):
        return {}
    data: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=_integer)
    return data


def _integer(text: str) -> Decimal:
    return Decimal(text)


def _decimal(value: object) -> Decimal | None:
    found = None if value is None else Decimal(str(value))
    return found if found is not None and found.is_finite() else None


def _read_head(pieces: Iterator[bytes]) -> tuple[int, bytes]:
    """The status, and what came behind the head."""
    held = b""
    for piece in pieces:
        held += piece
        head, separator, rest = held.partition(b"\r\n\r\n")
        if separator:
            return int(head.split(b" ", 2)[1]), rest
    raise ConnectionError("ended before it answered")


def _dechunk(held: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a body in the chunked transfer coding (RFC 9112, section 7.1)."""
    while True:
        size, separator, rest = held.partition(b"\r\n")
        if separator:
            length = int(size, 16)
            if length == 0:
                return
            if len(rest) >= length + 2:
                yield rest[:length]
                held = rest[length + 2 :]
                continue
        piece = next(pieces, None)
        if piece is None:
            return
        held += piece
