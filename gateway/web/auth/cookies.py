"""The session cookie as browsers see it: its name, its path, how it is read and set."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gateway.web.problem import root_path_of

COOKIE = "gateway"


def cookie_name(scope: Scope) -> str:
    """Return the cookie's name.

    With TLS a prefix makes browsers bind it: to this very host, or below a path, which `__Host-`
    does not allow, to TLS.
    """
    if scope["scheme"] != "https":
        return COOKIE
    return f"__Secure-{COOKIE}" if root_path_of(scope) else f"__Host-{COOKIE}"


def read_cookie(scope: Scope) -> str | None:
    """Return the cookie's value, None when there is none."""
    return Request(scope).cookies.get(cookie_name(scope))


def set_cookie(scope: Scope, response: Response, value: str, life_s: int) -> None:
    """Have the browser keep the cookie; other applications beside a prefix never get it."""
    response.set_cookie(
        cookie_name(scope),
        value,
        max_age=life_s,
        path=root_path_of(scope) or "/",
        secure=scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
