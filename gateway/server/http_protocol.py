"""One client's connection, with a limit in bytes and in time for every part of a request.

Subclasses uvicorn 0.54's `HttpToolsProtocol`, which counts no byte, waits for ever, takes the
trailers of a chunked body for headers (Kludex/uvicorn, seen in 0.54), and loses the body of a
request that offers an upgrade (RFC 9110 section 7.8 lets a server ignore the offer).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.addresses import network_of, parse_address
from gateway.settings import ServerSettings
from gateway.web.middleware.security_headers import SECURITY_HEADERS
from gateway.web.problem import MEDIA_TYPE

REFUSED_S = 1.0
"""For one too many to send the request that is answered with 503; then it is cut off."""

SPARE = 128
"""So many connections above the limit get an answer; the rest of a flood is cut off at once."""

RETRY_AFTER_S = 5

MAX_PIPELINED = 16
"""Requests that wait behind the first of their connection; browsers send none."""

SLICE_BYTES = 4096
"""The parser gets so much at a time: what it keeps to itself is counted as exactly as that."""

UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings"})
"""Left out when a request is read again without its offer to upgrade (RFC 7540, section 3.2)."""


class Part(Enum):
    """What the bytes that arrive belong to."""

    GAP = "gap"
    """Blank lines in front of a request."""

    HEAD = "head"
    """Request line and headers."""

    BODY = "body"
    """Content and, when it is chunked, sizes, extensions and trailers."""


class _Refused(Exception):
    """Stops the parser: the request has been refused while it was being read."""


@dataclass(slots=True)
class Limits:
    """What connections share: the limits, and how many each network has open."""

    max_connections: int
    max_per_address: int
    max_header_bytes: int
    max_body_bytes: int
    request_timeout_s: float
    proxies: Sequence[IPv4Network | IPv6Network] = ()
    counts: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    @classmethod
    def of(cls, settings: ServerSettings) -> "Limits":
        """Return the limits that the settings name."""
        return cls(
            settings.max_connections,
            settings.max_connections_per_address,
            settings.max_header_bytes,
            settings.max_body_bytes,
            settings.request_timeout_s,
            settings.trusted_proxies,
        )

    def is_proxy(self, address: str) -> bool:
        """Return whether all the world may come from this address."""
        try:
            parsed = parse_address(address)
        except ValueError:
            return True  # a Unix socket
        return any(parsed in network for network in self.proxies)


class Connection(HttpToolsProtocol):
    """A connection within `limits`.

    Promises: a request takes at most `request_timeout_s` to arrive. Its head, and all of a body
    that is not content, are at most `max_header_bytes`; its content is at most `max_body_bytes`,
    whether anybody reads it or not. Above a limit the parser is stopped in the middle of what it
    was given, the client is answered, and the connection is closed.
    """

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._network = ""
        self._refusal: tuple[int, str] | None = None
        self._is_over = False
        self._part = Part.GAP
        self._raw_bytes = 0
        self._counted_bytes = 0
        self._has_request = False
        self._is_upgrade = False
        self._request_line = b""
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
        self._is_over = True
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            self._refuse(*self._refusal)
        for start in range(0, len(data), SLICE_BYTES):
            if self._is_over:
                return
            self._feed(data[start : start + SLICE_BYTES])

    def _feed(self, data: bytes) -> None:
        part = self._part
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(400, "This is not a request of HTTP/1.1.")  # unless it is refused already
            return
        # Where a part ends within these bytes, the next one is counted from the next slice on.
        self._raw_bytes = self._raw_bytes + len(data) if self._part is part else 0
        self._check_raw()

    def _check_raw(self) -> None:
        """Refuse what the parser swallows without a word, such as half a header or an extension."""
        max_bytes = self._limits.max_header_bytes + SLICE_BYTES
        if self._part is Part.BODY:
            if self._raw_bytes - self._counted_bytes > max_bytes:
                self._refuse(431, "This body has more framing than content.")
        elif self._raw_bytes > max_bytes:
            self._refuse_head()

    def on_message_begin(self) -> None:
        # Not before: a blank line is no request, and keeps no idle connection open.
        self._unset_keepalive_if_required()
        self._part = Part.HEAD
        self._raw_bytes = self._counted_bytes = 0
        super().on_message_begin()
        if self._deadline is None:
            self._wait(self._limits.request_timeout_s)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part is not Part.HEAD:
            return  # a trailer: it says nothing about the request (RFC 9110, section 6.5.1)
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._part = Part.BODY
        self._raw_bytes = self._counted_bytes = 0
        self._is_upgrade = self.parser.should_upgrade()
        if self.parser.get_method() == b"CONNECT":
            self._stop_parser(501, "This gateway is no proxy.")
        elif self._is_upgrade:  # read again without the offer; see `_decline_upgrade`
            version = self.parser.get_http_version().encode()
            self._request_line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._stop_parser(429, "Too many requests wait on this connection.")
        else:
            super().on_headers_complete()
            self._has_request = True

    def on_body(self, body: bytes) -> None:
        self._counted_bytes += len(body)
        if self._counted_bytes > self._limits.max_body_bytes:
            max_bytes = self._limits.max_body_bytes
            self._stop_parser(413, f"A body is at most {max_bytes} bytes here.")
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_upgrade:
            return
        self._part = Part.GAP
        self._stop_waiting()
        super().on_message_complete()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again as if it offered no other protocol, then what follows it.

        The parser takes all that follows such a head for the other protocol.
        """
        lines = [self._request_line]
        for name, value in self.headers:
            if name not in UPGRADE_HEADERS:
                lines.append(b"%s: %s" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._part = Part.HEAD
        self._feed(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _count(self, size: int) -> None:
        self._counted_bytes += size
        if self._counted_bytes > self._limits.max_header_bytes:
            self._refuse_head()
            raise _Refused

    def _refuse_head(self) -> None:
        self._refuse(431, f"A head is at most {self._limits.max_header_bytes} bytes here.")

    def _stop_parser(self, status: int, detail: str) -> None:
        self._refuse(status, detail)
        raise _Refused

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
