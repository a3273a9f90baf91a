"""The login form and the sign-out button."""

import logging
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from gateway.web.auth.authenticator import Authenticator
from gateway.web.auth.cookies import read_cookie, set_cookie
from gateway.web.auth.throttle import TooManyTries
from gateway.web.problem import Problem, root_path_of

logger = logging.getLogger(__name__)

MAX_FORM_BYTES = 4096

LoginPage = Callable[[Request, str, str | None], str]
"""Renders the login form: where to go afterwards, and what was wrong with the last try."""

NO_STORE = {"Cache-Control": "no-store"}

PROXY_OF_A_CLIENT = "gateway.proxy"
"""The scope's name for the trusted proxy that named the client's address."""


def routes(
    authenticator: Authenticator, login_page: LoginPage
) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """Return the routes of this module: the public ones, and those for viewers."""
    log_in = partial(_log_in, authenticator, login_page)
    log_out = partial(_log_out, authenticator)
    return (
        [Route("/login", log_in, methods=["GET", "POST"], name="login")],
        [Route("/logout", log_out, methods=["POST"], name="logout")],
    )


def client_address(scope: Scope) -> str:
    """Return the client's address; only a trusted proxy's headers change it, see `proxies`."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def proxy_of(scope: Scope) -> str:
    """Return the trusted proxy that named the client's address; empty when none did."""
    return str(scope.get(PROXY_OF_A_CLIENT, ""))


def safe_target(text: str, home: str = "/") -> str:
    """Return `text` when it is a path of ours, else `home`: a login leads nowhere else."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    is_plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= 2048
    return text if is_path and is_plain else home


def find_scheme_mistake(scope: Scope, origin: str | None) -> str | None:
    """Return a sentence when browser and proxy disagree about TLS, so that no cookie would be kept.

    What only makes the cookie weaker is logged: TLS that ends at a proxy which is not trusted.
    """
    asked = urlsplit(origin or "").scheme
    if asked == "http" and scope["scheme"] == "https":
        return (
            "The browser uses http, but the proxy in front says https (X-Forwarded-Proto): the "
            "browser would not keep the login. Open this page with https, or correct the header."
        )
    if asked == "https" and scope["scheme"] == "http":
        logger.warning(
            "a browser signs in over https, but the cookie is made for http: name the proxy in "
            "GATEWAY_TRUSTED_PROXIES and have it send X-Forwarded-Proto"
        )
    return None


async def _log_in(
    authenticator: Authenticator, login_page: LoginPage, request: Request
) -> Response:
    home = f"{root_path_of(request.scope)}/"
    before = read_cookie(request.scope)
    if request.method != "POST":
        target = safe_target(request.query_params.get("next", ""), home)
        if before is not None and authenticator.read_cookie(before) is not None:
            return RedirectResponse(target, 303, NO_STORE)
        return HTMLResponse(login_page(request, target, None))
    form = await _read_form(request)
    target = safe_target(form.get("next", ""), home)
    response = RedirectResponse(target, 303, NO_STORE)
    if authenticator.is_open:
        return response
    if mistake := find_scheme_mistake(request.scope, request.headers.get("origin")):
        logger.warning("a login was refused: %s", mistake)
        return HTMLResponse(login_page(request, target, mistake), 403)
    try:
        viewer = await authenticator.authenticate(
            form.get("token", "").strip(), client_address(request.scope), proxy_of(request.scope)
        )
    except TooManyTries as error:
        page = login_page(request, target, "Too many wrong tokens. Try again in a few minutes.")
        return HTMLResponse(page, 429, {"Retry-After": str(error.wait_s)})
    if viewer is None:
        return HTMLResponse(login_page(request, target, "This is not the gateway's token."), 401)
    if before is not None:
        # One browser, one session, and never one that somebody else began.
        authenticator.sign_out(before)
    cookie = authenticator.make_cookie(viewer)
    set_cookie(request.scope, response, cookie, authenticator.max_age_s())
    return response


async def _log_out(authenticator: Authenticator, request: Request) -> Response:
    cookie = read_cookie(request.scope)
    if cookie is not None:
        authenticator.sign_out(cookie)
    login = f"{root_path_of(request.scope)}/login"
    response = RedirectResponse(login, 303, NO_STORE)
    set_cookie(request.scope, response, "", 0)
    return response


async def _read_form(request: Request) -> dict[str, str]:
    """Read the fields of a small form.

    Raises:
        Problem: 400, 413 or 415.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise Problem(415, "Send the form as application/x-www-form-urlencoded.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                raise Problem(413, "The form is too large.")
    except ClientDisconnect:
        raise Problem(400, "The form did not come to its end.") from None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=8))
    except ValueError:
        raise Problem(400, "The form cannot be read.") from None
