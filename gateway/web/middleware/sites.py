"""Refuses what another site makes a browser send (403). Source: Fetch Metadata (W3C)."""

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.hostnames import split_host
from gateway.web.auth.throttle import LoginStats
from gateway.web.problem import ErrorPage, is_program_path, local_path, refuse

logger = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD"})
OWN_SITES = frozenset({"same-origin", "none"})  # `none`: typed into the address bar, a bookmark

MAX_LOGGED = 20
"""So many pairs of Origin and Host that differ are logged, each once."""

FOREIGN_SITE = "Requests from other sites are not answered."

OTHER_HOST = (
    "The address in the browser (Origin) is not the host name that reached the gateway (Host). "
    "Have the proxy in front of it pass the browser's Host on, with its port (nginx: "
    "proxy_set_header Host $http_host; Apache: ProxyPreserveHost On), and list that name in "
    "GATEWAY_ALLOWED_HOSTS."
)


class OwnSites:
    """Answers programs, our own pages, and links from elsewhere to them."""

    def __init__(
        self, app: ASGIApp, *, error_page: ErrorPage | None = None, stats: LoginStats | None = None
    ) -> None:
        self._app = app
        self._error_page = error_page
        self._stats = stats or LoginStats()
        self._logged: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = local_path(scope), Headers(scope=scope)
        if not is_foreign(scope["method"], path, headers):
            await self._app(scope, receive, send)
            return
        detail = FOREIGN_SITE
        if headers.get("sec-fetch-site", "same-origin") in OWN_SITES:
            # The browser knows of no other site, so something between changed the name.
            detail = OTHER_HOST
            if path == "/login":
                self._note_login(headers)
        response = refuse(scope, 403, detail, self._error_page)
        await response(scope, receive, send)

    def _note_login(self, headers: Headers) -> None:
        self._stats.foreign += 1
        pair = (headers.get("origin", "")[:100], headers.get("host", "")[:100])
        if pair not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add(pair)
            logger.warning(
                "a login was refused, because Origin is %r and Host %r: have the proxy pass the "
                "browser's Host on, and list its name in GATEWAY_ALLOWED_HOSTS",
                *pair,
            )


def is_foreign(method: str, path: str, headers: Headers) -> bool:
    """Return whether another site made a browser send this.

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
    """Return whether an Origin names the host and port of a Host header.

    The scheme does not count: TLS may end in front of us.
    """
    scheme, separator, netloc = origin.partition("://")
    default = {"http": 80, "https": 443}.get(scheme)
    if not separator or default is None:
        return False
    name, port = split_host(netloc)
    own_name, own_port = split_host(host)
    return bool(name) and (name, port or default) == (own_name, own_port or default)
