"""Refuses websockets: everything live here is Server-Sent Events."""

from starlette.types import ASGIApp, Receive, Scope, Send


class NoWebsockets:
    """Closes a websocket before it is accepted: the server then answers its handshake with 403."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no websocket here"})
            return
        await self._app(scope, receive, send)
