"""Behind TLS termination: whose word about the client's address and scheme is believed.

X-Forwarded-For and X-Forwarded-Proto count only from the networks of GATEWAY_TRUSTED_PROXIES.
Without that setting they change nothing. With it, everybody else who sends them is refused: it is
a forgery, or a proxy that is missing in the list, and then every viewer would share one throttle.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.addresses import parse_address
from gateway.web.problem import respond

FORWARDED = ("x-forwarded-for", "x-forwarded-proto")

Network = IPv4Network | IPv6Network


class TrustProxies:
    """Puts the client's own address and scheme into the scope, when a trusted proxy tells them."""

    def __init__(self, app: ASGIApp, *, networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._networks:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not any(name in headers for name in FORWARDED):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        if not self.is_trusted(client[0] if client else ""):
            refusal = respond(
                400,
                "X-Forwarded headers are taken from the addresses in GATEWAY_TRUSTED_PROXIES only.",
            )
            await refusal(scope, receive, send)
            return
        try:
            address = self._find_client(headers.getlist("x-forwarded-for"))
        except ValueError:
            refusal = respond(400, "X-Forwarded-For holds something that is not an address.")
            await refusal(scope, receive, send)
            return
        if address is not None:
            scope["client"] = (address, 0)
        # The last, also over several lines: the ones before are the client's to write.
        schemes = ",".join(headers.getlist("x-forwarded-proto")).split(",")
        if (scheme := schemes[-1].strip().lower()) in {"http", "https"}:
            scope["scheme"] = scheme
        await self._app(scope, receive, send)

    def is_trusted(self, address: str) -> bool:
        """Whether a connection from this address comes from one of the proxies."""
        try:
            parsed = _parse(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def _find_client(self, values: Sequence[str]) -> str | None:
        """The last address that is no proxy of ours: what stands before it anybody can write.

        Raises:
            ValueError: when what stands there is not an address.
        """
        if not values:
            return None
        for part in reversed(",".join(values).split(",")):
            address = str(_parse(part.strip()))
            if not self.is_trusted(address):
                break
        return address


def _parse(text: str) -> IPv4Address | IPv6Address:
    """The address; some proxies add the port.

    Raises:
        ValueError: when it is none.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return parse_address(text)
