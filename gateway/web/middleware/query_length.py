"""Refuses queries that are longer than anything this gateway is asked for (414)."""

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.problem import ErrorPage, refuse


class QueryLength:
    """Lets queries through up to `max_bytes`."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, error_page: ErrorPage | None = None
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._error_page = error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope.get("query_string", b"")) > self._max_bytes:
            detail = f"A query is at most {self._max_bytes} bytes here; ask for fewer symbols."
            response = refuse(scope, 414, detail, self._error_page)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)
