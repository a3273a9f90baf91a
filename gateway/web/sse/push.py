"""A Server-Sent Events response that is written to from outside, without a task of its own.

`EventStream` pulls: three tasks and a wake-up for every stream and flush. Here the source hands the
same bytes to one stream after the other and drives the server's `send` by hand; a task is made
only for a client whose socket is full. That needs a `send` that never looks at the current task:
uvicorn's own, which `gateway.server.server` leaves in the scope. Elsewhere `EventStream` serves.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from importlib.metadata import version
from typing import Any, Protocol

from sse_starlette import EventSourceResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.auth.authenticator import auth_context_of
from gateway.web.sse.stream import END_TIMEOUT_S, HEADERS, encode_bye
from gateway.web.state import Context

logger = logging.getLogger(__name__)

RAW_SEND = "gateway.raw_send"
"""Where in the scope the server's own `send` is, behind no middleware."""

IS_SUPPORTED = version("sse-starlette").startswith("3.")
"""What is used of `EventSourceResponse` besides its constructor: `raw_headers`, HEAD's answer."""

_END = {"type": "http.response.body", "body": b"", "more_body": False}


class Handle(Protocol):
    """A place among those whom a source writes to: `hub.Pushed`, `view.Viewer`."""

    def resume(self) -> None:
        """Hand over what was missed while the last chunk was being written."""

    def close(self) -> None:
        """Leave."""


Attach = Callable[[Callable[[bytes], bool], Callable[[], None]], Handle]
"""Given what takes a chunk and what ends the stream, joins a source; see `Hub.push`."""


class KeepRawSend:
    """The outermost ASGI application: notes the server's `send` before anything wraps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if IS_SUPPORTED and scope["type"] == "http":
            scope[RAW_SEND] = send
        try:
            await self._app(scope, receive, send)
        finally:
            # It belongs to what holds the scope: such a ring waits for a collection that comes once
            # in days, because what is long-lived hardly grows here.
            scope.pop(RAW_SEND, None)


class _Rest:
    """What is left of a coroutine that was begun by hand and did not end at once."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            thrown: BaseException | None = None
            value: Any = None
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 - also a cancellation is handed on
                thrown = error
            try:
                if thrown is None:
                    awaited = self._coroutine.send(value)
                else:
                    awaited = self._coroutine.throw(thrown)
            except StopIteration:
                return


class PushedStream(EventSourceResponse):
    """One open stream: a beginning, then whatever its source hands over. See `Hub.push`."""

    def __init__(
        self,
        context: Context,
        begin: Callable[[], tuple[bytes, Attach]],
        *,
        on_close: Callable[[], None] = lambda: None,
        say_bye: Callable[[str], bytes] = encode_bye,
    ) -> None:
        super().__init__(_nothing(), headers=HEADERS, ping=0, sep="\n")
        self._context = context
        self._begin = begin
        self._on_close = on_close
        self._say_bye = say_bye
        self._send_timeout_s = context.settings.send_timeout_s
        self._handle: Handle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_said_bye = False
        self._is_over = False
        self._is_evicted = False
        self._why_over: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        try:
            if scope["method"] == "HEAD":
                await super().__call__(scope, receive, send)
                return
            context.streams += 1
            context.streams_opened += 1
            try:
                await self._serve(scope, receive, send)
            finally:
                context.streams -= 1
        finally:
            self._on_close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._raw_send: Send = scope[RAW_SEND]
        self._task = asyncio.current_task()
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        auth_context = auth_context_of(scope)
        release = _nothing_to_do if auth_context is None else auth_context.hold(self._end_for)
        try:
            beginning, self._attach = self._begin()
            # By hand too: a client that does not even read this is evicted like any other.
            if self._why_over is None and self._take(beginning):
                self._handle = self._attach(self._take, self._end)
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self._is_evicted or self._task is None:
                raise
            self._task.uncancel()
            if self._why_over is not None:
                return
            self._context.streams_evicted += 1
            logger.info(
                "closed a stream: its client has read nothing for %g s", self._send_timeout_s
            )
        finally:
            release()
            if self._handle is not None:
                self._handle.close()
                self._handle = None  # no ring of the two, for the same reason
            if self._timer is not None:
                self._timer.cancel()
            if self._writer is not None:
                self._writer.cancel()

    def _take(self, chunk: bytes) -> bool:
        """Write a chunk; False while the socket is full, and `resume` follows."""
        if self._why_over is not None:
            return False
        return self._write(chunk)

    def _write(self, chunk: bytes) -> bool:
        message = {"type": "http.response.body", "body": chunk, "more_body": True}
        return self._drive(message)

    def _drive(self, message: dict[str, Any]) -> bool:
        coroutine: Coroutine[Any, Any, None] = self._raw_send(message)  # type: ignore[assignment]
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return True
        except Exception:
            # One broken connection must not end the hub's round through all the others.
            logger.exception("a stream could not be written to")
            self._evict()
            return False
        loop = asyncio.get_running_loop()
        self._writer = loop.create_task(
            self._finish(_Rest(coroutine, awaited)), name="write to a slow client"
        )
        timeout_s = self._send_timeout_s if self._why_over is None else END_TIMEOUT_S
        self._timer = loop.call_later(timeout_s, self._evict)
        return False

    async def _finish(self, rest: _Rest) -> None:
        await rest
        assert self._timer is not None
        self._timer.cancel()
        self._timer = self._writer = None
        if self._why_over is not None:
            self._end()
        elif self._handle is None:
            self._handle = self._attach(self._take, self._end)
        else:
            self._handle.resume()

    def _end(self) -> None:
        """Say `bye`, then end the response: uvicorn then reports a disconnect to `receive`."""
        if self._writer is not None or self._is_over:
            return  # a writer that has finished resumes, and the source ends us again
        if not self._has_said_bye:
            self._has_said_bye = True
            reason = self._why_over or self._context.hub.closing or "shutdown"
            if not self._write(self._say_bye(reason)):
                return
        self._is_over = True
        self._drive(_END)

    def _end_for(self, reason: str) -> None:
        """Say nothing more than `bye`: from now on the viewer may not see this."""
        self._why_over = reason
        if self._handle is not None:
            self._handle.close()
        if self._timer is not None:  # what is being written is read soon, or never
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(END_TIMEOUT_S, self._evict)
        self._end()

    def _evict(self) -> None:
        self._is_evicted = True
        if self._task is not None:
            self._task.cancel()


def _nothing_to_do() -> None:
    """Release nothing."""


async def _nothing() -> AsyncIterator[bytes]:
    """The content of a response that is never pulled from."""
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk
