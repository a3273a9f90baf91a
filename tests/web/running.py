"""The web half behind a real uvicorn on loopback, its hub fed by the test; a strict SSE parser."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self, TypeVar

import httpx
from starlette.applications import Starlette

from gateway.app import build_app, create_context
from gateway.server.server import Server, open_socket
from gateway.settings import Settings, load_settings
from gateway.store.store import Store
from gateway.streams.account_records import BalanceUpdate
from gateway.streams.records import QuoteUpdate, Record, Status, format_time
from gateway.web.auth.revocations import Peers
from gateway.web.state import AppState
from tests.waiting import eventually_sync, scaled

T = TypeVar("T")

TOKEN = "a-token-of-the-tests"
TLS = ssl.create_default_context()
"""Unused, but httpx would make one for each request, which takes longer than the request."""

START_MS = 1_795_188_600_456

HTML = {"Accept": "text/html,application/xhtml+xml"}
"""What a browser asks for."""


def make_settings(**overrides: Any) -> Settings:
    """Settings that nothing outside the test can change; open, as with a simulator."""
    given = {
        "_env_file": None,
        "simulator_rest": "http://127.0.0.1:1",
        "simulator_account_ws": "ws://127.0.0.1:1",
        "tt_secret": "a secret",
        "tt_refresh": "a refresh token",
        "host": "127.0.0.1",
        "port": 0,
        "tick_ms": 0,
        "heartbeat_s": 50,
        "drain_s": 2,
        "symbols": ("SPY", "QQQ"),
    }
    return load_settings(**{**given, **overrides})


def make_protected(**overrides: Any) -> Settings:
    """Settings as with real credentials: a token is wanted."""
    return make_settings(simulator_rest=None, simulator_account_ws=None, **overrides)


def make_quote(symbol: str = "SPY", last: str | None = "450.25", **values: Any) -> QuoteUpdate:
    """A quote with this last price, and nothing else known unless given."""
    unknown = dict.fromkeys({*QuoteUpdate.__struct_fields__} - {"refused"})
    price = None if last is None else Decimal(last)
    known = {"symbol": symbol, "last": price, "updated_at": format_time(START_MS)}
    return QuoteUpdate(**{**unknown, "source": "dxfeed_stream", "stale": False, **known, **values})


def make_balance(account: str = "5WX00001", balance: str = "100000.00") -> BalanceUpdate:
    """A balance with half of it as buying power."""
    return BalanceUpdate(
        account=account,
        balance=Decimal(balance),
        buying_power=Decimal("50000.00"),
        equity_buying_power=None,
        cash=None,
        currency="USD",
        timestamp=START_MS,
        source="rest",
    )


def make_status(state: Any = "live", upstream: Any = "feed", **values: Any) -> Status:
    """A status without a reason, unless one is given."""
    given = {"since": format_time(START_MS), "reason": None, **values}
    return Status(upstream=upstream, state=state, **given)


async def idle() -> None:
    """An upstream half that brings nothing and never ends."""
    await asyncio.Event().wait()


@dataclass(slots=True)
class Running:
    """A gateway that serves in a thread of its own."""

    context: AppState
    app: Starlette
    server: Server
    port: int
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns when the gateway's loop calls it."""

        async def run() -> T:
            return function()

        return self.run(run())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(scaled(10))

    def publish(self, *records: Record) -> None:
        """Publish, and flush so that all streams have it."""

        def publish() -> None:
            for record in records:
                self.context.hub.publish(record)

        self.call(publish)

    def count_tasks(self) -> int:
        """The tasks on the gateway's loop, without the one that counts."""
        return self.call(lambda: len(asyncio.all_tasks(self.loop))) - 1

    def wait_for_streams(self, count: int) -> None:
        """Return when so many streams are open, no more, no less."""
        eventually_sync(lambda: self.context.hub.subscribers == count)


@contextmanager
def open_gateway(
    settings: Settings | None = None,
    run_upstream: Callable[[], Awaitable[None]] = idle,
    peers: Peers | None = None,
    store: Store | None = None,
) -> Iterator[Running]:
    """A running gateway; at the end it is shut down, and no stream or cursor may be left."""
    settings = settings or make_settings()
    context = create_context(settings)
    context.store = store
    app = build_app(context, run_upstream, peers=peers)
    listener = open_socket(settings.host, settings.port)
    server = Server(app, settings.server)
    found: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        found.append(asyncio.get_running_loop())
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="gateway")
    port = listener.getsockname()[1]
    thread.start()
    try:
        eventually_sync(lambda: server.started or not thread.is_alive())
        yield Running(context, app, server, port, found[0])
    finally:
        server.should_exit = True
        thread.join(scaled(10))
        assert not thread.is_alive()
    assert (context.hub.subscribers, context.streams) == (0, 0)


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as a browser would dispatch it, and the `retry:` in its block."""

    event: str
    id: str | None
    retry: int | None
    data: Any

    @property
    def kind(self) -> str:
        return self.event


def parse_frames(stream: bytes) -> list[Frame]:
    """The frames of a whole stream, strictly: only what the gateway promises is accepted."""
    text = stream.decode("utf-8")
    assert "\r" not in text
    assert "\0" not in text
    *blocks, rest = text.split("\n\n")
    assert rest == "", f"ends in mid-frame: {rest!r}"
    return [_parse_block(block) for block in blocks]


def _parse_block(block: str) -> Frame:
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, separator, value = line.partition(": ")
        assert separator
        assert name in {"event", "id", "retry", "data"}, line
        assert name not in fields, line
        fields[name] = value
    data = json.loads(fields["data"], parse_float=Decimal, parse_constant=_refuse_constant)
    assert data["type"] == fields["event"]
    retry = int(fields["retry"]) if "retry" in fields else None
    return Frame(fields["event"], fields.get("id"), retry, data)


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


class Reader:
    """An SSE client on a raw socket: reads frame by frame, with a deadline."""

    def __init__(
        self, port: int, path: str = "/events", *, headers: str = "", buffer: int | None = None
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(scaled(10))
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        self.socket.sendall(f"{request}{headers}\r\n".encode("latin-1"))
        self.head = b""
        self.body = b""
        self.frames: list[Frame] = []
        self.is_over = False
        self._rest = b""
        self._parsed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()

    def read_until(self, kind: str, count: int = 1) -> list[Frame]:
        """All frames so far, when so many of this kind have come."""
        self.wait_for(lambda: sum(each.event == kind for each in self.frames) >= count)
        return self.frames

    def read_all(self) -> list[Frame]:
        """All frames, when the server has ended the stream."""
        self.wait_for(lambda: self.is_over)
        assert self._parsed == len(self.body), "ended in mid-frame"
        return self.frames

    def wait_for(self, is_enough: Callable[[], bool]) -> None:
        """Read until `is_enough`."""
        while not is_enough():
            assert not self.is_over, f"ended with {self.body[-500:]!r}"
            self.read()

    def read_bytes_to_end(self) -> None:
        """Take all bytes until the server has ended the stream; parse them only then."""
        while chunk := self.socket.recv(1 << 20):
            self._rest += chunk

    def read(self, most: int = 65_536) -> None:
        """Take what is there, at most so many bytes."""
        chunk = self.socket.recv(most)
        self.is_over = not chunk
        self._rest += chunk
        self._dechunk()
        end = self.body.rfind(b"\n\n") + 2
        if end > max(self._parsed, 1):
            self.frames += parse_frames(self.body[self._parsed : end])
            self._parsed = end

    def _dechunk(self) -> None:
        """Move whole chunks of the transfer coding (RFC 9112, section 7.1) to the body."""
        if not self.head:
            head, separator, rest = self._rest.partition(b"\r\n\r\n")
            if not separator:
                return
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert b"transfer-encoding: chunked" in head.lower()
            self.head, self._rest = head, rest
        while True:
            size, separator, rest = self._rest.partition(b"\r\n")
            if not separator or len(rest) < int(size, 16) + 2:
                return
            self.body += rest[: int(size, 16)]
            self._rest = rest[int(size, 16) + 2 :]


def ask(method: str, url: str, **options: Any) -> httpx.Response:
    """The answer to one request on a connection of its own, without any cookie kept."""
    return httpx.request(method, url, verify=TLS, trust_env=False, timeout=scaled(10), **options)


def get(url: str, **options: Any) -> httpx.Response:
    """The answer to a GET."""
    return ask("GET", url, **options)


def post(url: str, **options: Any) -> httpx.Response:
    """The answer to a POST."""
    return ask("POST", url, **options)


def ask_status(gateway: Running, method: str, path: str, headers: dict[str, str]) -> int:
    """The status code; the body is not waited for, because streams do not end."""
    with httpx.stream(
        method, gateway.url + path, headers=headers, verify=TLS, trust_env=False
    ) as answer:
        return answer.status_code


def read_stream(url: str, **parameters: Any) -> list[Frame]:
    """The frames of a stream that ends by itself, as httpx receives it."""
    headers = parameters.pop("headers", {})
    answer = get(f"{url}/events", params=parameters, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    return parse_frames(answer.content)


def log_in(gateway: Running, token: str = TOKEN, target: str = "/") -> httpx.Response:
    """The answer to the login form."""
    return post(f"{gateway.url}/login", data={"token": token, "next": target})
