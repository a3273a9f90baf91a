"""Who may see what: everything or nothing so far, by token.

The demo on loopback is open. With real credentials every route but a short public list wants the
token: as `Authorization: Bearer` from scripts, as a cookie made at /login from browsers. The
cookie is `version.expiry.nonce.HMAC`, its key derived from the token, so logins survive a restart
and end when the token changes.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.settings import Settings, is_loopback
from gateway.streams.events import ConfigurationError
from gateway.web.problem import Problem, respond, wants_page

COOKIE = "gateway"
LOGIN_LIFE_S = 7 * 24 * 3600
MAX_FORM_BYTES = 4096

MAX_FAILURES = 5
FAILURE_WINDOW_S = 300.0
MAX_ADDRESSES = 10_000
"""How many addresses the throttle remembers; the oldest give way."""

LoginPage = Callable[[str, str | None], str]
"""Renders the login form: where to go afterwards, and what was wrong with the last try."""


class Rule(Enum):
    """Who may ask a route."""

    PUBLIC = "public"
    VIEWER = "viewer"


class Rules:
    """The rule of every route; a request that no public route matches needs a viewer."""

    def __init__(self) -> None:
        self._rules: dict[int, Rule] = {}
        self._public: list[BaseRoute] = []

    def declare(self, rule: Rule, routes: Iterable[BaseRoute]) -> list[BaseRoute]:
        """The same routes, now under `rule`."""
        declared = list(routes)
        self._rules.update((id(route), rule) for route in declared)
        if rule is Rule.PUBLIC:
            self._public += declared
        return declared

    def is_public(self, scope: Scope) -> bool:
        """Whether a public route answers this request."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._public)

    def check(self, routes: Sequence[BaseRoute]) -> None:
        """Raises: ConfigurationError, when a route has no rule or is not plain HTTP."""
        for route in routes:
            if id(route) not in self._rules or not isinstance(route, Route):
                raise ConfigurationError(f"the route {route!r} has no rule")


class Throttle:
    """Counts failures by client address: at most `MAX_FAILURES` in `FAILURE_WINDOW_S`."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures: dict[str, list[float]] = {}

    def wait_s(self, address: str) -> int:
        """Seconds until another try is allowed; 0 when it is now."""
        now_s = self._now_s()
        recent = [each for each in self._failures.get(address, ()) if each > now_s]
        if len(recent) < MAX_FAILURES:
            return 0
        return max(1, int(recent[-MAX_FAILURES] - now_s) + 1)

    def record(self, address: str) -> None:
        """Remember one failure of this address."""
        now_s = self._now_s()
        recent = [each for each in self._failures.pop(address, ()) if each > now_s]
        recent.append(now_s + FAILURE_WINDOW_S)
        self._failures[address] = recent[-MAX_FAILURES:]
        while len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]


class Access:
    """Whether a request comes from a viewer; without a token it only has to be from here.

    Promises: comparisons take the same time whatever is wrong; the token is never logged or sent.
    Logged-out cookies are remembered until they would have expired; a restart forgets them.
    """

    def __init__(
        self,
        token: str | None,
        *,
        is_generated: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._token = token
        self.is_generated = is_generated
        self.throttle = Throttle()
        self._now_s = now_s
        self._key = hashlib.sha256(b"gateway cookie\0" + (token or "").encode()).digest()
        self._ended: dict[str, float] = {}

    @property
    def is_open(self) -> bool:
        """Whether everybody on this machine is a viewer: only with a simulated upstream."""
        return self._token is None

    def login_fragment(self) -> str:
        """What makes a link to /login log in; a fragment is never sent to a server."""
        return f"#token={quote(self._token or '', safe='')}"

    def is_token(self, text: str) -> bool:
        """Whether `text` is the token."""
        # Hashed first, so that not even the length shows in the time taken.
        given = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        right = hashlib.sha256((self._token or "").encode()).digest()
        return hmac.compare_digest(given, right) and self._token is not None

    def make_cookie(self) -> str:
        """A cookie value that `is_cookie` accepts until it expires."""
        payload = f"1.{int(self._now_s()) + LOGIN_LIFE_S}.{secrets.token_hex(8)}"
        return f"{payload}.{self._sign(payload)}"

    def is_cookie(self, value: str) -> bool:
        """Whether this is a cookie of ours, unexpired and not logged out."""
        payload, _, signature = value.rpartition(".")
        if not hmac.compare_digest(
            self._sign(payload).encode(), signature.encode("utf-8", "surrogateescape")
        ):
            return False
        _, expires_s, nonce = payload.split(".")
        return int(expires_s) > self._now_s() and nonce not in self._ended

    def end(self, value: str) -> None:
        """Log this cookie out; nothing happens when it is none of ours."""
        if self.is_cookie(value):
            now_s = self._now_s()
            self._ended = {each: at_s for each, at_s in self._ended.items() if at_s > now_s}
            _, expires_s, nonce, _ = value.split(".")
            self._ended[nonce] = float(expires_s)

    def _sign(self, payload: str) -> str:
        data = payload.encode("utf-8", "surrogateescape")
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()


def open_access(settings: Settings) -> Access:
    """The access that these settings ask for; a token is generated where one is missing.

    Raises:
        ConfigurationError: where other machines could come in without a token.
    """
    token = settings.token.get_secret_value() if settings.token is not None else None
    if token is None and not is_loopback(settings.host):
        raise ConfigurationError(
            "GATEWAY_TOKEN: must be set when HOST is not loopback, "
            "because other machines could come in"
        )
    if token is None and not settings.uses_simulator:
        return Access(secrets.token_urlsafe(24), is_generated=True)
    return Access(token)


class RequireViewer:
    """Lets requests to public routes and those of viewers through, and answers the others."""

    def __init__(self, app: ASGIApp, *, access: Access, rules: Rules) -> None:
        self._app = app
        self._access = access
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._rules.is_public(scope):
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        access, headers = self._access, Headers(scope=scope)
        address = client_address(scope)
        if access.is_open:
            if is_local(address):
                return None
            return respond(403, "Without a token this gateway answers to its own machine only.")
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if access.is_token(credentials.strip()):
                return None
            if wait_s := access.throttle.wait_s(address):
                return _too_many(wait_s)
            access.throttle.record(address)
            return _unauthorized("This token is not the gateway's.", "invalid_token")
        cookie = read_cookie(scope)
        if cookie is not None and access.is_cookie(cookie):
            return None
        if scope["method"] in {"GET", "HEAD"} and wants_page(
            scope["path"], headers.get("accept", "")
        ):
            target = scope["path"]
            if query := scope.get("query_string", b""):
                target += "?" + query.decode("latin-1")
            return RedirectResponse(
                f"/login?next={quote(target, safe='')}", 303, {"Cache-Control": "no-store"}
            )
        return _unauthorized("Log in at /login, or send the token as a bearer token.")


def routes(access: Access, login_page: LoginPage) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """The routes of this module: the public ones, and those for viewers."""
    log_in = partial(_log_in, access, login_page)
    log_out = partial(_log_out, access)
    return (
        [Route("/login", log_in, methods=["GET", "POST"], name="login")],
        [Route("/logout", log_out, methods=["POST"], name="logout")],
    )


def client_address(scope: Scope) -> str:
    """The address that the connection comes from; no header can change it."""
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


def safe_target(text: str) -> str:
    """`text` when it is a path of ours, else `/`: a login must not send anybody elsewhere."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    is_plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= 2048
    return text if is_path and is_plain else "/"


def _unauthorized(detail: str, error: str | None = None) -> Response:
    challenge = "Bearer" if error is None else f'Bearer error="{error}"'
    return respond(401, detail, headers={"WWW-Authenticate": challenge})


def _too_many(wait_s: int) -> Response:
    return respond(
        429,
        "Too many wrong tokens came from this address; try again later.",
        headers={"Retry-After": str(wait_s)},
    )


async def _log_in(access: Access, login_page: LoginPage, request: Request) -> Response:
    if request.method != "POST":
        return HTMLResponse(login_page(safe_target(request.query_params.get("next", "/")), None))
    form = await _read_form(request)
    target = safe_target(form.get("next", "/"))
    if not access.is_open:
        address = client_address(request.scope)
        if wait_s := access.throttle.wait_s(address):
            page = login_page(target, "Too many wrong tokens. Try again in a few minutes.")
            return HTMLResponse(page, 429, {"Retry-After": str(wait_s)})
        if not access.is_token(form.get("token", "").strip()):
            access.throttle.record(address)
            return HTMLResponse(login_page(target, "This is not the gateway's token."), 401)
    response = RedirectResponse(target, 303, {"Cache-Control": "no-store"})
    if not access.is_open:
        _set_cookie(request, response, access.make_cookie(), LOGIN_LIFE_S)
    return response


async def _log_out(access: Access, request: Request) -> Response:
    cookie = read_cookie(request.scope)
    if cookie is not None:
        access.end(cookie)
    response = RedirectResponse("/login", 303, {"Cache-Control": "no-store"})
    _set_cookie(request, response, "", 0)
    return response


def _set_cookie(request: Request, response: Response, value: str, life_s: int) -> None:
    response.set_cookie(
        cookie_name(request.scope),
        value,
        max_age=life_s,
        path="/",
        secure=request.url.scheme == "https",
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
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise Problem(413, "The form is too large.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=8))
    except ValueError:
        raise Problem(400, "The form cannot be read.") from None
