"""Whether a stream may write past what stands around it."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.app import build_app, create_context
from gateway.web.sse.direct import KeepRawSend
from gateway.web.sse.response import EventStream
from gateway.web.state import AppState
from tests.web.running import idle, make_quote, make_settings, parse_frames


class Counting:
    """Somebody's middleware: passes every message on as it is, and counts bytes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            self.bytes += len(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, count)


class Asgi:
    """A server's side of one request to `/events`."""

    def __init__(self) -> None:
        self.body = b""
        self.headers: dict[bytes, bytes] = {}
        self.is_over = asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        else:
            self.body += message["body"]
            if not message["more_body"]:
                self.is_over.set()


@pytest.fixture
def is_direct(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each stream that was opened wrote past what stands around it."""
    found: list[bool] = []
    call = EventStream.__call__

    async def noting(self: EventStream, scope: Scope, receive: Receive, send: Send) -> None:
        await call(self, scope, receive, send)
        found.append(self._is_direct)

    monkeypatch.setattr(EventStream, "__call__", noting)
    return found


@pytest.fixture
def gateway() -> tuple[AppState, Starlette]:
    """Not within the test, whose event loop may not read files."""
    context = create_context(make_settings())
    app = build_app(context, idle)
    app.state.has_started = True  # without a lifespan
    return context, app


async def pass_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


WRAPPERS: dict[str, Any] = {
    "nothing": lambda app: app,
    "counting": Counting,
    "base": lambda app: BaseHTTPMiddleware(app, dispatch=pass_on),
    "gzip": lambda app: GZipMiddleware(app, minimum_size=1),
}


async def read(app: ASGIApp, path: str = "/events", query: bytes = b"snapshot=only") -> Asgi:
    asgi = Asgi()
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"127.0.0.1"), (b"accept-encoding", b"gzip")],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }
    got_request = False

    async def receive() -> Message:
        nonlocal got_request
        if not got_request:
            got_request = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.wait_for(asgi.is_over.wait(), 5)
        return {"type": "http.disconnect"}

    await app(scope, receive, asgi.send)
    return asgi


@pytest.mark.parametrize("name", WRAPPERS)
async def test_whoever_stands_between_sees_all_of_a_stream(
    name: str, is_direct: list[bool], gateway: tuple[AppState, Starlette]
) -> None:
    context, app = gateway
    context.hub.publish(make_quote("SPY", "1.25"))
    wrapped = WRAPPERS[name](app)
    asgi = await read(KeepRawSend(wrapped))
    assert is_direct == [name == "nothing"]
    assert [each.event for each in parse_frames(asgi.body)][-1] == "snapshot_end"
    assert asgi.headers[b"content-encoding"] == b"identity"
    assert b"connection" not in asgi.headers
    if isinstance(wrapped, Counting):
        assert wrapped.bytes == len(asgi.body)


async def test_under_any_other_server_a_stream_is_not_direct(
    is_direct: list[bool], gateway: tuple[AppState, Starlette]
) -> None:
    asgi = await read(gateway[1])
    assert is_direct == [False]
    assert parse_frames(asgi.body)[-1].event == "snapshot_end"
