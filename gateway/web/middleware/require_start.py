"""No page and no stream where nothing fills them: the lifespan of the application must have run."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.problem import HEALTH_PATHS, ErrorPage, local_path, refuse

NOT_STARTED = (
    "The gateway was not started: the server, or the application around it, does not run its "
    "lifespan."
)
"""Why a gateway that answers has no data and never will."""

OPEN_PATHS = HEALTH_PATHS | {"/login", "/logout", "/status", "/metrics"}
"""What works without data, and what an operator asks to find out why there is none."""

FILES = "/static/"
"""What the page that shows the error needs."""


class RequireStart:
    """Answers 503 with the reason in place of pages and streams until the lifespan has run."""

    def __init__(
        self, app: ASGIApp, *, has_started: Callable[[], bool], error_page: ErrorPage
    ) -> None:
        self._app = app
        self._has_started = has_started
        self._error_page = error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http" and not self._has_started():
            path = local_path(scope)
            if path not in OPEN_PATHS and not path.startswith(FILES):
                answer = refuse(scope, 503, NOT_STARTED, self._error_page)
        await answer(scope, receive, send)
