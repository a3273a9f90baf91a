"""Puts the security headers on every answer (no `unsafe-*`, no nonce), and keeps it uncached."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: that makes the Origin of our own forms `null` (Fetch, section 3.2).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_ENCODED = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_NAMES = frozenset(name for name, _ in _ENCODED)
_UNCACHED = (b"cache-control", b"no-store")


class SecurityHeaders:
    """Adds the headers; an answer that says nothing of caching is not cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                raw = message.get("headers") or ()
                kept = [each for each in raw if each[0] not in _NAMES]
                if not any(name == b"cache-control" for name, _ in kept):
                    kept.append(_UNCACHED)
                message["headers"] = kept + _ENCODED
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
