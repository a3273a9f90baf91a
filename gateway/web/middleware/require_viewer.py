"""Lets viewers in, and answers everybody else.

The demo on loopback is open. With real credentials every route but a short public list wants a
viewer: `Authorization: Bearer` from scripts, a cookie made at /login from browsers. Whose token or
cookie it is, `gateway.web.auth.authenticator` decides.
"""

from html import escape
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.addresses import is_loopback
from gateway.web.auth.authenticator import AuthContext, Authenticator
from gateway.web.auth.cookies import cookie_name, read_cookie, set_cookie
from gateway.web.auth.forms import NO_STORE, client_address, proxy_of
from gateway.web.auth.policies import RoutePolicies
from gateway.web.auth.throttle import TooManyTries
from gateway.web.auth.viewers import OWNER
from gateway.web.problem import local_path, respond, root_path_of, wants_page

# The scheme of the link is never named: the address is a path of ours.
_CONTINUE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta http-equiv="refresh" content="0;url={url}"><title>Gateway</title></head>'
    '<body><p><a href="{url}">Continue</a></p></body></html>'
)


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
            # No address at all is a Unix socket.
            if not address or is_loopback(address):
                return AuthContext(authenticator, OWNER)
            return respond(403, "Without a token this gateway answers to its own machine only.")
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                viewer = await authenticator.authenticate(
                    credentials.strip(), address, proxy_of(scope)
                )
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
            return _lead_to_login(scope, headers, has_cookie=cookie is not None)
        return _unauthorized("Log in at /login, or send the token as a bearer token.")


def comes_from_elsewhere(headers: Headers) -> bool:
    """Return whether a browser may have kept our cookie back, because another site sent it here.

    Over plain HTTP browsers send no Sec-Fetch headers; the wish for https tells them from programs.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    return "upgrade-insecure-requests" in headers


def _lead_to_login(scope: Scope, headers: Headers, *, has_cookie: bool) -> Response:
    """Lead a browser to the form, which leads on to the page when there is a session after all.

    The cookie is for this site only, so a link from elsewhere comes without it, and so does every
    redirect that follows. A page of ours that goes on by itself is asked for with the cookie.
    """
    target = scope["path"]
    if query := scope.get("query_string", b""):
        target += "?" + query.decode("latin-1")
    url = f"{root_path_of(scope)}/login?next={quote(target, safe='')}"
    if comes_from_elsewhere(headers) and not has_cookie:
        return HTMLResponse(_CONTINUE.format(url=escape(url)), headers=NO_STORE)
    return RedirectResponse(url, 303, NO_STORE)


def _renewing(scope: Scope, send: Send, value: str) -> Send:
    """Return a `send` that puts a fresh cookie on the answer, unless that sets one itself."""
    started_s = float(value.split(".")[3])
    authenticator: Authenticator = scope["state"]["auth_context"].authenticator

    async def send_renewed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            name = cookie_name(scope)
            if not any(each.startswith(f"{name}=") for each in headers.getlist("set-cookie")):
                response = Response()
                set_cookie(scope, response, value, authenticator.max_age_s(started_s))
                headers.append("set-cookie", response.headers["set-cookie"])
        await send(message)

    return send_renewed


def _unauthorized(detail: str, error: str | None = None) -> Response:
    challenge = "Bearer" if error is None else f'Bearer error="{error}"'
    return respond(401, detail, headers={"WWW-Authenticate": challenge})


def _too_many(wait_s: int) -> Response:
    return respond(
        429,
        "Too many wrong tokens came from this address; try again later.",
        headers={"Retry-After": str(wait_s)},
    )
