"""What every request passes first: Host and Origin are checked, and every answer gets its headers.

Against DNS rebinding (a foreign name that resolves to this machine) and against other sites that
make a browser ask for them. Sources: Fetch Metadata (W3C), RFC 9110 section 15.5.20 for 421, and
the policy of the shared notes on the page (no `unsafe-*`, no nonce).
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.settings import LOOPBACK_HOSTS, Settings
from gateway.web.problem import is_program_path, local_path, respond

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

SAFE_METHODS = frozenset({"GET", "HEAD"})
OWN_SITES = frozenset({"same-origin", "none"})  # `none`: typed into the address bar, a bookmark

WILDCARD_HOSTS = frozenset({"0.0.0.0", "::", ""})


class Guard:
    """Refuses foreign hosts (421), foreign sites (403), endless queries (414) and websockets.

    Every answer gets the headers.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], max_query_bytes: int) -> None:
        self._app = app
        self._max_query_bytes = max_query_bytes
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Before it is accepted, so the server answers the handshake with 403.
            await send({"type": "websocket.close", "code": 1008, "reason": "no websocket here"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        if not self._is_own_host(headers.getlist("host")):
            response = respond(
                421,
                "This gateway does not answer to that host name. "
                "Names other than this machine's own are listed in GATEWAY_ALLOWED_HOSTS.",
            )
            await response(scope, receive, send_with_headers)
        elif is_foreign(scope["method"], local_path(scope), headers):
            response = respond(403, "Requests from other sites are not answered.")
            await response(scope, receive, send_with_headers)
        elif len(scope.get("query_string", b"")) > self._max_query_bytes:
            words = f"A query is at most {self._max_query_bytes} bytes here; ask for fewer symbols."
            response = respond(414, words)
            await response(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _is_own_host(self, values: list[str]) -> bool:
        return len(values) == 1 and split_host(values[0])[0] in self._hosts


def own_hosts(settings: Settings) -> frozenset[str]:
    """The host names that this gateway answers to."""
    named = {settings.host.strip("[]")} - WILDCARD_HOSTS
    return frozenset(LOOPBACK_HOSTS | named | set(settings.allowed_hosts))


def split_host(text: str) -> tuple[str, int | None]:
    """Name in lower case and port of a Host header; an empty name when it is malformed."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.netloc != text or parts.username is not None or not parts.hostname:
            return "", None
        return parts.hostname, parts.port
    except ValueError:
        return "", None


def is_foreign(method: str, path: str, headers: Headers) -> bool:
    """Whether another site made a browser send this.

    A link from elsewhere to one of our pages is welcome; everything else of another origin is not.
    Programs send neither Sec-Fetch-Site nor Origin.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in OWN_SITES:
        is_visit = (
            method in SAFE_METHODS
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        return not is_visit or is_program_path(path)
    origin = headers.get("origin")
    return origin is not None and not is_same_host(origin, headers.get("host", ""))


def is_same_host(origin: str, host: str) -> bool:
    """Whether an Origin names the host and port of a Host header.

    The scheme does not count: TLS may end in front of us.
    """
    scheme, separator, netloc = origin.partition("://")
    default = {"http": 80, "https": 443}.get(scheme)
    if not separator or default is None:
        return False
    name, port = split_host(netloc)
    own_name, own_port = split_host(host)
    return bool(name) and (name, port or default) == (own_name, own_port or default)
