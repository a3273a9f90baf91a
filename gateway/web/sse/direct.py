"""The server's own `send`, and whether anything stands between it and a response.

Streams write to the server without a task if nobody stands between. Whatever does (somebody's
middleware, a mounting application) must see every chunk, and then the stream writes through it.
"""

import sys
from types import CodeType, FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RAW_SEND = "gateway.raw_send"
"""Where in the scope the server's own `send` is."""

HEAD_ONLY = frozenset(
    {
        "gateway.web.middleware.require_viewer",
        "gateway.web.middleware.security_headers",
        "starlette._exception_handler",
        "starlette.middleware.body_limit",
        "starlette.middleware.errors",
    }
)
"""Modules that wrap `send` and look at the head of a response only."""


class RawSend:
    """The server's `send`, and what a response's head passes on its way to it."""

    __slots__ = ("_origin", "is_direct", "send")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.is_direct = False
        """Whether nothing between looks at bodies, as far as a watched head has shown."""
        self._origin: CodeType | None = None

    def watch(self, origin: CodeType) -> None:
        """Find out with the next head, which a function with this code sends."""
        self._origin = origin

    async def __call__(self, message: Message) -> None:
        if self._origin is not None and message["type"] == "http.response.start":
            self.is_direct = _is_direct(sys._getframe(1), self._origin)
            self._origin = None
        await self.send(message)


def _is_direct(frame: FrameType | None, origin: CodeType) -> bool:
    """Look up the stack: through code that only looks at heads, and in the same task."""
    while frame is not None and frame.f_code is not origin:
        if frame.f_globals.get("__name__") not in HEAD_ONLY:
            return False
        frame = frame.f_back
    return frame is not None


class KeepRawSend:
    """The outermost ASGI application: keeps the server's `send` before anything wraps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw_send = scope[RAW_SEND] = RawSend(send)
        try:
            await self._app(scope, receive, raw_send)
        finally:
            # It belongs to what holds the scope: such a ring waits for a full collection, which is
            # rare because what lives long hardly grows here.
            scope.pop(RAW_SEND, None)
