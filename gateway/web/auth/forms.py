"""Who may ask what: the rule of every route, the login form, and what is refused.

The demo on loopback is open. With real credentials every route but a short public list wants a
viewer: `Authorization: Bearer` from scripts, a cookie made at /login from browsers. Who that is
and for how long is told by `gateway.web.auth.authenticator`.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import ConfigurationError
from gateway.web.auth.authenticator import AuthContext, Authenticator
from gateway.web.auth.throttle import TooManyTries
from gateway.web.auth.viewers import OWNER
from gateway.web.problem import Problem, local_path, respond, root_path_of, wants_page

COOKIE = "gateway"
MAX_FORM_BYTES = 4096

LoginPage = Callable[[Request, str, str | None], str]
"""Renders the login form: where to go afterwards, and what was wrong with the last try."""


class RoutePolicy(Enum):
    """Who may ask a route."""

    PUBLIC = "public"
    VIEWER = "viewer"


class RoutePolicies:
    """The rule of every route; a request that no public route matches needs a viewer."""

    def __init__(self) -> None:
        self._policies: dict[int, RoutePolicy] = {}
        self._public: list[BaseRoute] = []

    def declare(self, rule: RoutePolicy, routes: Iterable[BaseRoute]) -> list[BaseRoute]:
        """The same routes, now under `rule`."""
        declared = list(routes)
        self._policies.update((id(route), rule) for route in declared)
        if rule is RoutePolicy.PUBLIC:
            self._public += declared
        return declared

    def is_public(self, scope: Scope) -> bool:
        """Whether a public route answers this request."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._public)

    def check(self, routes: Sequence[BaseRoute]) -> None:
        """Raises: ConfigurationError, when a route has no rule or is not plain HTTP."""
        for route in routes:
            if id(route) not in self._policies or not isinstance(route, Route):
                raise ConfigurationError(f"the route {route!r} has no rule")


class RequireViewer:
    """Lets requests to public routes and those of viewers through, and answers the others.

    What was let in has its `AuthContext` in the request's state, as `auth_context`.
    """

    def __init__(
        self, app: ASGIApp, *, authenticator: Authenticator, policies: RoutePolicies
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._policies = policies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._policies.is_public(scope):
            await self._app(scope, receive, send)
            return
        authenticated = await self._authenticate(scope)
        if not isinstance(authenticated, AuthContext):
            await authenticated(scope, receive, send)
            return
        scope.setdefault("state", {})["auth_context"] = authenticated
        fresh = self._authenticator.renew(authenticated)
        await self._app(scope, receive, send if fresh is None else _renewing(scope, send, fresh))

    async def _authenticate(self, scope: Scope) -> AuthContext | Response:
        authenticator, headers = self._authenticator, Headers(scope=scope)
        address = client_address(scope)
        if authenticator.is_open:
            if is_local(address):
                return AuthContext(authenticator, OWNER)
            return respond(403, "Without a token this gateway answers to its own machine only.")
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                viewer = await authenticator.authenticate(credentials.strip(), address)
            except TooManyTries as error:
                return _too_many(error.wait_s)
            if viewer is not None:
                return AuthContext(authenticator, viewer)
            return _unauthorized("This token is not the gateway's.", "invalid_token")
        cookie = read_cookie(scope)
        auth_context = None if cookie is None else authenticator.read_cookie(cookie)
        if auth_context is not None:
            return auth_context
        if scope["method"] in {"GET", "HEAD"} and wants_page(
            local_path(scope), headers.get("accept", "")
        ):
            target = scope["path"]
            if query := scope.get("query_string", b""):
                target += "?" + query.decode("latin-1")
            return RedirectResponse(
                f"{root_path_of(scope)}/login?next={quote(target, safe='')}",
                303,
                {"Cache-Control": "no-store"},
            )
        return _unauthorized("Log in at /login, or send the token as a bearer token.")


def _renewing(scope: Scope, send: Send, value: str) -> Send:
    """`send` that puts a fresh cookie on the answer, unless that sets the cookie itself."""
    started_s = float(value.split(".")[3])
    authenticator: Authenticator = scope["state"]["auth_context"].authenticator

    async def send_renewed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            name = cookie_name(scope)
            if not any(each.startswith(f"{name}=") for each in headers.getlist("set-cookie")):
                response = Response()
                _set_cookie(scope, response, value, authenticator.max_age_s(started_s))
                headers.append("set-cookie", response.headers["set-cookie"])
        await send(message)

    return send_renewed


def routes(
    authenticator: Authenticator, login_page: LoginPage
) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """The routes of this module: the public ones, and those for viewers."""
    log_in = partial(_log_in, authenticator, login_page)
    log_out = partial(_log_out, authenticator)
    return (
        [Route("/login", log_in, methods=["GET", "POST"], name="login")],
        [Route("/logout", log_out, methods=["POST"], name="logout")],
    )


def client_address(scope: Scope) -> str:
    """The client's address; only a trusted proxy's headers can change it, see `proxies`."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_local(address: str) -> bool:
    """Whether a connection from this address was made on this machine."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == ""  # a Unix socket


def cookie_name(scope: Scope) -> str:
    """The login cookie's name; with TLS a prefix makes browsers bind it to this very host."""
    return f"__Host-{COOKIE}" if scope["scheme"] == "https" else COOKIE


def read_cookie(scope: Scope) -> str | None:
    """The login cookie's value, None when there is none."""
    return Request(scope).cookies.get(cookie_name(scope))


def safe_target(text: str, home: str = "/") -> str:
    """`text` when it is a path of ours, else `home`: a login must not send anybody elsewhere."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    is_plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= 2048
    return text if is_path and is_plain else home


def _unauthorized(detail: str, error: str | None = None) -> Response:
    challenge = "Bearer" if error is None else f'Bearer error="{error}"'
    return respond(401, detail, headers={"WWW-Authenticate": challenge})


def _too_many(wait_s: int) -> Response:
    return respond(
        429,
        "Too many wrong tokens came from this address; try again later.",
        headers={"Retry-After": str(wait_s)},
    )


async def _log_in(
    authenticator: Authenticator, login_page: LoginPage, request: Request
) -> Response:
    home = f"{root_path_of(request.scope)}/"
    if request.method != "POST":
        target = safe_target(request.query_params.get("next", ""), home)
        return HTMLResponse(login_page(request, target, None))
    form = await _read_form(request)
    target = safe_target(form.get("next", ""), home)
    response = RedirectResponse(target, 303, {"Cache-Control": "no-store"})
    if authenticator.is_open:
        return response
    try:
        viewer = await authenticator.authenticate(
            form.get("token", "").strip(), client_address(request.scope)
        )
    except TooManyTries as error:
        page = login_page(request, target, "Too many wrong tokens. Try again in a few minutes.")
        return HTMLResponse(page, 429, {"Retry-After": str(error.wait_s)})
    if viewer is None:
        return HTMLResponse(login_page(request, target, "This is not the gateway's token."), 401)
    before = read_cookie(request.scope)
    if before is not None:
        authenticator.end(
            before
        )  # one browser, one session, and never one that somebody else began
    _set_cookie(
        request.scope, response, authenticator.make_cookie(viewer), authenticator.max_age_s()
    )
    return response


async def _log_out(authenticator: Authenticator, request: Request) -> Response:
    cookie = read_cookie(request.scope)
    if cookie is not None:
        authenticator.end(cookie)
    login = f"{root_path_of(request.scope)}/login"
    response = RedirectResponse(login, 303, {"Cache-Control": "no-store"})
    _set_cookie(request.scope, response, "", 0)
    return response


def _set_cookie(scope: Scope, response: Response, value: str, life_s: int) -> None:
    response.set_cookie(
        cookie_name(scope),
        value,
        max_age=life_s,
        path="/",
        secure=scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


async def _read_form(request: Request) -> dict[str, str]:
    """The fields of a small form.

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
