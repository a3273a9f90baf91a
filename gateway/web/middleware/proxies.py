"""Believes what a proxy in front says of a request: the client's address, the scheme, the prefix.

X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Prefix count only from the networks of
GATEWAY_TRUSTED_PROXIES. Without that setting they change nothing. With it, everybody else who sends
them is refused: it is a forgery, or a proxy that is missing in the list, and then every viewer
would share one throttle.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.addresses import parse_address
from gateway.web.auth.forms import PROXY_OF_A_CLIENT
from gateway.web.middleware.prefix import add_prefix, parse_prefix
from gateway.web.problem import HEALTH_PATHS, local_path, respond

FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix")

FROM_PROXIES_ONLY = (
    "X-Forwarded headers are taken from the addresses in GATEWAY_TRUSTED_PROXIES only."
)

Network = IPv4Network | IPv6Network


class TrustProxies:
    """Puts what a trusted proxy says into the scope: client, scheme, root path."""

    def __init__(self, app: ASGIApp, *, networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._networks:
            headers = Headers(scope=scope)
            if any(name in headers for name in FORWARDED):
                mistake = self._apply(scope, headers)
                if mistake and local_path(scope) not in HEALTH_PATHS:
                    await respond(400, mistake)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def is_trusted(self, address: str) -> bool:
        """Return whether a connection from this address comes from one of the proxies."""
        try:
            parsed = _parse(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def _apply(self, scope: Scope, headers: Headers) -> str:
        """Change the scope; return a sentence about what cannot be believed, or nothing."""
        client = scope.get("client")
        peer = str(client[0]) if client else ""
        if not self.is_trusted(peer):
            return (
                "X-Forwarded headers are taken from the addresses in GATEWAY_TRUSTED_PROXIES only."
            )
        try:
            address = self._find_client(headers.getlist("x-forwarded-for"))
        except ValueError:
            return "X-Forwarded-For holds something that is not an address."
        # The last ones, also over several lines: what stands before is the client's to write.
        try:
            prefix = parse_prefix(_last(headers, "x-forwarded-prefix"))
        except ValueError:
            return "X-Forwarded-Prefix holds something that is not a path."
        if address is not None:
            scope["client"] = (address, 0)
            scope[PROXY_OF_A_CLIENT] = peer
        if (scheme := _last(headers, "x-forwarded-proto").lower()) in {"http", "https"}:
            scope["scheme"] = scheme
        if prefix:
            add_prefix(scope, prefix)
        return ""

    def _find_client(self, values: Sequence[str]) -> str | None:
        """Return the last address that is no proxy of ours: anybody can write those before it.

        Raises:
            ValueError: when what stands there is not an address.
        """
        if not any(values):  # a proxy that takes the header away may leave it empty
            return None
        for part in reversed(",".join(values).split(",")):
            address = str(_parse(part.strip()))
            if not self.is_trusted(address):
                break
        return address


def _last(headers: Headers, name: str) -> str:
    return ",".join(headers.getlist(name)).split(",")[-1].strip()


def _parse(text: str) -> IPv4Address | IPv6Address:
    """Return the address; some proxies add the port.

    Raises:
        ValueError: when it is none.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return parse_address(text)
