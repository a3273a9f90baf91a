"""One client's connection: what uvicorn's own does not limit, that is how many there are, how
large a request's head is, and how long a request may take to arrive.

Subclasses uvicorn 0.54's `HttpToolsProtocol`, which counts no header and waits for ever for one.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.settings import Settings
from gateway.web.auth.throttle import network_of
from gateway.web.middleware.security_headers import SECURITY_HEADERS
from gateway.web.problem import MEDIA_TYPE

REFUSED_S = 1.0
"""For one too many to send the request that is answered with 503; then it is cut off."""

SPARE = 128
"""So many more than allowed are told so; the rest of a flood is cut off at once."""

RETRY_AFTER_S = 5

MAX_PIPELINED = 16
"""Requests that wait behind the first of their connection; browsers send none."""


@dataclass(slots=True)
class Limits:
    """What connections share: the limits, and how many each network has open."""

    max_connections: int
    max_per_address: int
    max_header_bytes: int
    request_timeout_s: float
    proxies: Sequence[IPv4Network | IPv6Network] = ()
    counts: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """As the settings say."""
        return cls(
            settings.max_connections,
            settings.max_connections_per_address,
            settings.max_header_bytes,
            settings.request_timeout_s,
            settings.trusted_proxies,
        )

    def is_proxy(self, address: str) -> bool:
        """Whether all the world may come from this address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return True  # a Unix socket
        return any(parsed in network for network in self.proxies)


class Connection(HttpToolsProtocol):
    """A connection within `limits`."""

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._network = ""
        self._refusal: tuple[int, str] | None = None
        self._is_over = False
        self._is_in_head = False
        self._unparsed_bytes = 0
        self._head_bytes = 0
        self._has_request = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        limits = self._limits
        address = str(self.client[0]) if self.client else ""
        self._network = network_of(address)
        limits.counts[self._network] += 1
        excess = len(self.connections) - limits.max_connections
        if not limits.is_proxy(address):
            excess = max(excess, limits.counts[self._network] - limits.max_per_address)
        if excess > 0:
            limits.refused += 1
            self._refusal = (503, "Too many connections are open; try again in a few seconds.")
        if excess > SPARE:
            transport.abort()
        else:
            self._wait(limits.request_timeout_s if excess <= 0 else REFUSED_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.counts[self._network] -= 1
        if not self._limits.counts[self._network]:
            del self._limits.counts[self._network]
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._refusal is not None:
            self._refuse(*self._refusal)
            return
        super().data_received(data)
        if self._is_in_head:
            # The parser keeps a header to itself until it is complete.
            self._unparsed_bytes += len(data)
            self._check_head(self._unparsed_bytes // 2)

    def on_message_begin(self) -> None:
        self._head_bytes = self._unparsed_bytes = 0
        self._is_in_head = True
        super().on_message_begin()
        if self._deadline is None and not self._is_over:
            self._wait(self._limits.request_timeout_s)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if not self._is_over:
            if len(self.pipeline) >= MAX_PIPELINED:
                self._refuse(429, "Too many requests wait on this connection.")
            else:
                super().on_headers_complete()
                self._has_request = True

    def on_body(self, body: bytes) -> None:
        if not self._is_over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        if not self._is_over:
            super().on_message_complete()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        self._check_head(self._head_bytes)

    def _check_head(self, size: int) -> None:
        if size > self._limits.max_header_bytes:
            self._refuse(431, f"A head is at most {self._limits.max_header_bytes} bytes here.")

    def _wait(self, delay_s: float) -> None:
        self._deadline = self.loop.call_later(delay_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._refusal is not None:
            self.transport.abort()
        else:
            self._refuse(408, "The request took too long to arrive.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what has not been answered yet, and close."""
        if self._is_over:
            return
        self._is_over = True
        self._stop_waiting()
        is_idle = not self._has_request or self.cycle.response_complete
        if is_idle or not (self.cycle.response_started or self.pipeline):
            if not is_idle:  # nobody may answer after us
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.write(_encode_refusal(status, detail))
        self.transport.close()


def _encode_refusal(status: int, detail: str) -> bytes:
    phrase = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
    body = msgspec.json.encode(problem)
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    if status in {429, 503}:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode() + body
