"""Answers `/status/` as `/status`: a slash at the end of an address means nothing here."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.problem import local_path


class TrailingSlash:
    """Takes the slash off, unless a route was declared with it."""

    def __init__(self, app: ASGIApp, *, keeps_slash: Callable[[Scope], bool]) -> None:
        self._app = app
        self._keeps_slash = keeps_slash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = local_path(scope)
            if len(path) > 1 and path.endswith("/") and not self._keeps_slash(scope):
                scope["path"] = scope["path"].rstrip("/") or "/"
                if isinstance(raw := scope.get("raw_path"), bytes):
                    scope["raw_path"] = raw.rstrip(b"/") or b"/"
        await self._app(scope, receive, send)
