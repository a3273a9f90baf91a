"""The Server-Sent Events response: what `/events` and `/live` have in common.

What is sent is the caller's; here are the headers, the counting, the eviction of a reader that
reads no more, and the way from a server's shutdown to the hub.
"""

import logging
import random
from collections.abc import AsyncGenerator, Callable

import anyio
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.types import Message, Receive, Scope, Send

from gateway.streams.hub.hub import Hub
from gateway.streams.records import Bye
from gateway.streams.sse import encode_frame, encode_retry
from gateway.web.auth.authenticator import auth_context_of
from gateway.web.auth.viewers import OWNER
from gateway.web.state import Context

logger = logging.getLogger(__name__)

RETRY_MS = (2_000, 5_000)
"""How long a client waits when a connection breaks: a spread, so that not all come at once."""

BYE_RETRY_MS = (500, 5_000)
"""The same when the server says goodbye: the next process is about to be there."""

FULL_RETRY_MS = (5_000, 15_000)
"""The same when there is no room: it will not be there at once."""

END_TIMEOUT_S = 0.5
"""For the last words to a viewer who is not to see more; whoever does not read them is cut off."""

HEADERS = {"Cache-Control": "no-store, no-transform"}


class _Drain(anyio.Event):
    """Closes the hub when sse-starlette sees that the server, whichever it is, shuts down."""

    def __new__(cls, hub: Hub) -> "_Drain":
        return object.__new__(cls)

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def set(self) -> None:
        if self._hub.closing is None:
            self._hub.close("shutdown")


class EventStream(EventSourceResponse):
    """One open stream. Whatever ends it, `content` is closed and `on_close` called, once."""

    def __init__(
        self,
        context: Context,
        content: AsyncGenerator[bytes, None],
        *,
        on_close: Callable[[], None] = lambda: None,
        counted: bool = True,
    ) -> None:
        super().__init__(
            content,
            headers=HEADERS,
            ping=0,  # the hub's heartbeat is an event that browsers can see
            sep="\n",
            send_timeout=context.settings.send_timeout_s,
            shutdown_event=_Drain(context.hub),
            shutdown_grace_period=context.settings.drain_s,
        )
        self._context = context
        self._content = content
        self._on_close = on_close
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = self._counted and scope["method"] != "HEAD"
        if counted:
            self._context.streams += 1
            self._context.streams_opened += 1
        try:
            await self._serve(scope, receive, send)
        except SendTimeoutError:
            self._context.streams_evicted += 1
            logger.info("closed a stream: its client has read nothing for %g s", self.send_timeout)
        finally:
            if counted:
                self._context.streams -= 1
            self._on_close()
            await self._content.aclose()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream for as long as the viewer may see it."""
        auth_context = auth_context_of(scope)
        if auth_context is None or scope["method"] == "HEAD":
            await super().__call__(scope, receive, send)
            return
        is_started = False

        async def send_noting(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        reason = ""
        with anyio.CancelScope() as streaming:

            def end(why: str) -> None:
                nonlocal reason
                reason = why
                streaming.cancel()

            release = auth_context.hold(end)
            try:
                await super().__call__(scope, receive, send_noting)
            finally:
                release()
        if reason and streaming.cancelled_caught:
            with anyio.move_on_after(END_TIMEOUT_S):
                if not is_started:
                    start = {"type": "http.response.start", "status": 200}
                    await send({**start, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": encode_bye(reason)})


def has_room(context: Context, scope: Scope) -> bool:
    """Whether this viewer may open another stream. The owner has all the room that there is."""
    auth_context = auth_context_of(scope)
    if context.is_full:
        return False
    if auth_context is None or auth_context.viewer == OWNER:
        return True
    return auth_context.streams < context.settings.max_streams_per_viewer


def encode_bye(reason: str, spread_ms: tuple[int, int] = BYE_RETRY_MS) -> bytes:
    """The last frames of a stream; EventSource obeys `retry:`, programs read `retry_ms`."""
    retry_ms = random.randint(*spread_ms)
    return encode_retry(retry_ms) + encode_frame(Bye(reason=reason, retry_ms=retry_ms))


def choose_retry_ms() -> int:
    """A reconnection time for a stream that begins."""
    return random.randint(*RETRY_MS)
