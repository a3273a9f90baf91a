"""Refuses foreign host names (421, RFC 9110 section 15.5.20): the guard against DNS rebinding.

A foreign name that resolves to this machine would make every page of its owner one of ours.
"""

import logging
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.addresses import LOOPBACK_HOSTS, parse_address
from gateway.hostnames import WILDCARD_HOSTS, normalize_host, split_host
from gateway.settings import SiteSettings
from gateway.web.problem import HEALTH_PATHS, ErrorPage, local_path, refuse

logger = logging.getLogger(__name__)

MAX_LOGGED = 20
"""So many foreign names are logged, each once: a scanner tries thousands."""

REFUSAL = (
    "This gateway does not answer to that host name. Names other than this machine's own are "
    "listed in GATEWAY_ALLOWED_HOSTS."
)


class OwnHosts:
    """Answers to the gateway's own host names only.

    Health checks are answered under any name, because a platform asks by address, or names no host
    at all, and because they tell nothing but yes or no. So is `/metrics` with a token, which no
    page of another site can know. Listening on all addresses, the gateway answers to the one that
    the connection came in on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        error_page: ErrorPage | None = None,
        is_wildcard: bool = False,
        wants_token: bool = True,
    ) -> None:
        self._app = app
        self._hosts = frozenset(map(normalize_host, hosts))
        self._error_page = error_page
        self._is_wildcard = is_wildcard
        self._wants_token = wants_token
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_welcome(scope):
            await self._app(scope, receive, send)
            return
        response = refuse(scope, 421, REFUSAL, self._error_page)
        await response(scope, receive, send)

    def _is_welcome(self, scope: Scope) -> bool:
        path, headers = local_path(scope), Headers(scope=scope)
        if path in HEALTH_PATHS:
            return True
        if path == "/metrics" and self._wants_token and "authorization" in headers:
            return True
        values = headers.getlist("host")
        name = split_host(values[0])[0] if len(values) == 1 else ""
        if name in self._hosts or (self._is_wildcard and _is_own_address(name, scope)):
            return True
        if name not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add(name)
            logger.warning(
                "refused a request for the host name %r: list it in GATEWAY_ALLOWED_HOSTS if it "
                "is this gateway's",
                name[:100],
            )
        return False


def _is_own_address(name: str, scope: Scope) -> bool:
    """Return whether a name is the address at which this connection reached the machine."""
    try:
        address = parse_address(name)
        own = parse_address(str((scope.get("server") or ("",))[0]))
    except ValueError:
        return False
    return address == own or (address.is_loopback and own.is_loopback)


def is_wildcard(settings: SiteSettings) -> bool:
    """Return whether the gateway listens on all addresses of this machine."""
    return settings.host.strip("[]") in WILDCARD_HOSTS


def own_hosts(settings: SiteSettings) -> frozenset[str]:
    """Return the host names that this gateway answers to."""
    named = {settings.host.strip("[]")} - WILDCARD_HOSTS
    if is_wildcard(settings):
        name = socket.gethostname()
        short = name.partition(".")[0]
        named |= {name, short, f"{short}.local"} - WILDCARD_HOSTS
    return frozenset(map(normalize_host, LOOPBACK_HOSTS | named | set(settings.allowed_hosts)))
