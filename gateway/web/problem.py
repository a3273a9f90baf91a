"""Errors as the outside sees them: one JSON shape (RFC 9457), one HTML page, no internals."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"

ErrorPage = Callable[[Request, int, str], str]
"""Renders status and detail as an HTML page."""

DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not answer to that method.",
    413: "The request is larger than anything that this gateway takes.",
    500: "Something went wrong here. It was logged; trying again may help.",
}

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
"""What platforms ask, by whatever name they know the machine."""

PROGRAM_PATHS = ("/events", "/live", "/api", "/status", "/metrics", *sorted(HEALTH_PATHS))
"""Where a program asks, even when its Accept header looks like a browser's."""


class Problem(HTTPException):
    """Ends a request with a sentence for people; `parameter` names what was wrong."""

    def __init__(
        self,
        status_code: int,
        detail: str,
        *,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status_code, detail, headers)
        self.parameter = parameter


def root_path_of(scope: Scope) -> str:
    """Return the prefix below which this application is served; empty when there is none."""
    return str(scope.get("root_path", "")).rstrip("/")


def local_path(scope: Scope) -> str:
    """Return the path as this application knows it, without the prefix in front."""
    path, root_path = str(scope["path"]), root_path_of(scope)
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        path = path[len(root_path) :]
    return path or "/"


def local_raw_path(scope: Scope) -> str:
    """Return the local path as it was sent: `%2F` in it is part of a name, `/` is not."""
    raw = scope.get("raw_path")
    if not isinstance(raw, bytes):
        return quote(local_path(scope))
    path, root_path = raw.partition(b"?")[0].decode("latin-1"), root_path_of(scope)
    for prefix in (root_path, quote(root_path)):
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            return path[len(prefix) :] or "/"
    return path or "/"


def is_program_path(path: str) -> bool:
    """Return whether a path belongs to the streams and the API, not to the pages."""
    return any(path == each or path.startswith(f"{each}/") for each in PROGRAM_PATHS)


def wants_page(path: str, accept: str) -> bool:
    """Return whether the answer should be HTML: a browser asks for what is not a stream."""
    return "text/html" in accept.lower() and not is_program_path(path)


def respond(
    status: int,
    detail: str,
    *,
    parameter: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the JSON answer: title, status, detail and, if there is one, the wrong parameter."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body["detail"] = detail
    if parameter is not None:
        body["parameter"] = parameter
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def refuse(scope: Scope, status: int, detail: str, error_page: ErrorPage | None) -> Response:
    """Return what middleware answers: a page for a browser, JSON for a program."""
    accept = Headers(scope=scope).get("accept", "")
    if error_page is None or not wants_page(local_path(scope), accept):
        return respond(status, detail)
    page = error_page(Request(scope), status, detail)
    return HTMLResponse(page, status, {"Cache-Control": "no-store"})


def handlers(
    error_page: ErrorPage, headers: Mapping[str, str]
) -> dict[Any, Callable[[Request, Exception], Any]]:
    """Return exception handlers for Starlette.

    `headers` go on the answers that no middleware sees (500).
    """

    def answer(
        request: Request,
        status: int,
        detail: str,
        parameter: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Response:
        if wants_page(local_path(request.scope), request.headers.get("accept", "")):
            page = error_page(request, status, detail)
            return HTMLResponse(page, status, {"Cache-Control": "no-store", **(extra or {})})
        return respond(status, detail, parameter=parameter, headers=extra)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error, Problem):
            detail, parameter = error.detail, error.parameter
        else:  # Starlette's own words are for developers
            phrase = HTTPStatus(error.status_code).phrase
            detail, parameter = DETAILS.get(error.status_code, phrase), None
        return answer(request, error.status_code, detail, parameter, error.headers)

    async def on_crash(request: Request, error: Exception) -> Response:
        return answer(request, 500, DETAILS[500], extra=headers)

    return {HTTPException: on_http, Exception: on_crash}
