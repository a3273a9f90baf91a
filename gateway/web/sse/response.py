"""The Server-Sent Events response: the one sink between a source and a client.

What is written is the source's. Here are the headers, the counting, the eviction of a client that
does not read, and `bye`. A chunk that the server takes at once costs no task: one is made only
while a socket is full, or for each chunk where somebody's middleware stands between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.types import Message, Receive, Scope, Send

from gateway.streams.hub.sink import Attach, Source
from gateway.web.auth.authenticator import auth_context_of
from gateway.web.auth.viewers import OWNER
from gateway.web.sse.direct import RAW_SEND, RawSend
from gateway.web.sse.retry import BYE_RETRY_MS, Spread, encode_bye
from gateway.web.sse.shutdown import close_on_signal
from gateway.web.sse.step import begin
from gateway.web.state import AppState

logger = logging.getLogger(__name__)

END_TIMEOUT_S = 0.5
"""For `bye` to a viewer who may not see more; a client that does not read it is cut off."""

HEADERS = {
    "Cache-Control": "no-store, no-transform",
    # Caddy 2.6.2 compresses a stream, and then holds it back, unless it has an encoding.
    "Content-Encoding": "identity",
}

Begin = Callable[[], tuple[bytes, Attach | None]]
"""Returns the first bytes and how to join what follows; None when nothing does."""


class EventStream(EventSourceResponse):
    """One open stream: a beginning, what its source writes, and `bye`.

    Of `EventSourceResponse` it has the headers only. `on_close` is called once, however it ends.
    Nothing is written after `close` but `bye`.
    """

    def __init__(
        self,
        context: AppState,
        begin: Begin,
        *,
        on_close: Callable[[], None] = lambda: None,
        bye_retry_ms: Spread = BYE_RETRY_MS,
        is_counted: bool = True,
    ) -> None:
        # Not by its own constructor, which builds the same headers again for each stream.
        self.status_code, self.background = 200, None
        self.raw_headers = list(_RAW_HEADERS)
        self._context = context
        self._begin = begin
        self._on_close = on_close
        self._bye_retry_ms = bye_retry_ms
        self._is_counted = is_counted
        self._attach: Attach | None = None
        self._source: Source | None = None
        self._task: asyncio.Task[Any] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_direct = False
        self._is_over = False
        self._is_stopped = False
        self._is_evicted = False
        self._reason: str | None = None
        """Why it ends; None while it does not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        try:
            if scope["method"] == "HEAD":
                await self._send_head(scope, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            close_on_signal(context.hub)
            context.streams += self._is_counted
            context.streams_opened += self._is_counted
            try:
                await self._serve(scope, receive, send)
            finally:
                context.streams -= self._is_counted
        finally:
            self._on_close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._task = asyncio.current_task()
        await self._send_head(scope, send)
        auth_context = auth_context_of(scope)
        release = (
            _release_nothing if auth_context is None else auth_context.register(self._on_revoked)
        )
        try:
            if self._reason is None:
                first, self._attach = self._begin()
                self._is_over = self._attach is None
                if self._send(_make_body(first, is_last=self._is_over)) and not self._is_over:
                    self._join()
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            assert self._task is not None
            if not self._is_stopped:
                await self._end_cancelled()
                raise
            self._task.uncancel()
        finally:
            release()
            self._leave()

    async def _send_head(self, scope: Scope, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        raw_send: RawSend | None = scope.get(RAW_SEND)
        if raw_send is not None:
            raw_send.watch(EventStream._send_head.__code__)
        await send(start)
        self._is_direct = raw_send is not None and raw_send.is_direct
        self._server_send: Send = (
            raw_send.send if raw_send is not None and self._is_direct else send
        )

    def write(self, chunk: bytes) -> bool:
        """Send a chunk; False while the socket is full, and `resume_writing` follows."""
        if self._reason is not None:
            return False
        return self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    def close(self, reason: str) -> None:
        """Send `bye` and end the response, at once or as soon as the last chunk is written."""
        if self._reason is None:
            self._reason = reason
        if self._writer is None and not self._is_over:
            self._is_over = True
            bye = encode_bye(self._reason, self._bye_retry_ms)
            self._send(_make_body(bye, is_last=True))

    def _send(self, message: Message) -> bool:
        if self._is_direct:
            try:
                rest = begin(self._server_send(message))  # type: ignore[arg-type]
            except Exception:
                # One broken connection must not end the source's round through all the others.
                logger.exception("a stream could not be written to")
                self._stop()
                return False
            if rest is None:
                return True
            work = self._finish(rest)
        else:
            work = self._finish(_Sending(self._server_send, message))
        self._writer = asyncio.get_running_loop().create_task(work, name="write to a slow client")
        self._start_timer()
        return False

    async def _finish(self, rest: Awaitable[None]) -> None:
        """Wait until the server has taken a message, then go on."""
        try:
            await rest
        except OSError:  # how servers say, since ASGI 2.4, that the client has gone
            self._stop()
            return
        except Exception:
            logger.exception("a stream could not be written to")
            self._stop()
            return
        self._stop_timer()
        self._writer = None
        if self._is_over:
            self._stop()
        elif self._reason is not None:
            self.close(self._reason)
        elif self._source is None:
            self._join()
        else:
            self._source.resume_writing()

    def _join(self) -> None:
        assert self._attach is not None
        self._source = self._attach(self)

    def _leave(self) -> None:
        context = self._context
        was_cut = context.hub.closing is not None and (
            not self._is_over or self._writer is not None
        )
        if was_cut:
            context.streams_cut += 1
            logger.info("a stream was cut off before its `bye` could be sent")
        elif self._is_evicted and self._reason is None:
            context.streams_evicted += 1
            logger.info(
                "closed a stream: its client took more than %g s to read what was sent",
                context.limits.send_timeout_s,
            )
        if self._source is not None:
            self._source.close()
        self._source = self._attach = self._task = None  # no ring: a collection would come late
        self._stop_timer()
        if self._writer is not None:
            self._writer.cancel()

    async def _end_cancelled(self) -> None:
        """Say `bye` although the server cancels the request instead of letting the stream end."""
        if self._source is not None:
            self._source.close()
        self.close(self._context.hub.closing or "shutdown")
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=END_TIMEOUT_S)

    def _on_revoked(self, reason: str) -> None:
        """Write nothing more but `bye`: from now on the viewer may not see this."""
        if self._reason is None:
            self._reason = reason
        if self._source is not None:
            self._source.close()
        if self._writer is not None:  # what is being written is read soon, or never
            self._start_timer()
        self.close(reason)

    def _start_timer(self) -> None:
        self._stop_timer()
        is_revoked = self._reason is not None and self._context.hub.closing is None
        timeout_s = END_TIMEOUT_S if is_revoked else self._context.limits.send_timeout_s
        self._timer = asyncio.get_running_loop().call_later(timeout_s, self._evict)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _evict(self) -> None:
        self._is_evicted = True
        self._stop()

    def _stop(self) -> None:
        """End the waiting for the client's disconnect."""
        if self._task is not None and not self._is_stopped:
            self._is_stopped = True
            self._task.cancel()


class _Sending:
    """A message on its way, not begun until it is awaited: its task may be cancelled before."""

    def __init__(self, send: Send, message: Message) -> None:
        self._send = send
        self._message = message

    def __await__(self) -> Generator[Any, None, None]:
        return self._send(self._message).__await__()


def has_room(context: AppState, scope: Scope) -> bool:
    """Say whether this viewer may open another stream. The owner has all the room that there is."""
    auth_context = auth_context_of(scope)
    if context.is_full:
        return False
    if auth_context is None or auth_context.viewer == OWNER:
        return True
    return auth_context.streams < context.limits.max_streams_per_viewer


def _make_body(body: bytes, *, is_last: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": not is_last}


def _release_nothing() -> None:
    """Stand in for the release of a request that nobody had to be let in for."""


def _make_raw_headers() -> list[tuple[bytes, bytes]]:
    response = EventSourceResponse(_nothing(), headers=HEADERS)
    del response.headers["Connection"]  # forbidden in HTTP/2 and HTTP/3, and the default before
    return response.raw_headers


async def _nothing() -> AsyncIterator[bytes]:
    """Yield nothing: the content that `EventSourceResponse` asks for, and never reads here."""
    chunks: tuple[bytes, ...] = ()
    for chunk in chunks:
        yield chunk


_RAW_HEADERS = _make_raw_headers()
