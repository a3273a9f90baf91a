"""`gateway tail`: reads `/events` of a running gateway and prints what comes.

Server-Sent Events are parsed as the WHATWG HTML standard, section 9.2.6, says.
"""

import json
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, TextIO

import httpx

from gateway.errors import GatewayError
from gateway.streams.backoff import Backoff

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 45.0
"""Three heartbeats; a stream silent for longer is dead."""

MAX_WAIT_S = 30.0

REFUSALS = {
    204: "the gateway says that there is nothing to follow",
    401: "the gateway wants its token: set GATEWAY_TOKEN, or GATEWAY_TOKEN_FILE",
    403: "the gateway refuses this client",
    404: "there is no gateway at this address",
}

COLUMNS = (  # heading, field, width
    ("symbol", "symbol", -16),  # with "stale" 80 in all
    ("last", "last", 9),
    ("change", "change", 8),
    ("%", "change_pct", 7),
    ("bid", "bid", 9),
    ("ask", "ask", 9),
    ("volume", "volume", 10),
)
UNKNOWN = "–"


class TailError(GatewayError):
    """The gateway will not serve this stream, however often it is asked."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    name: str
    data: str


class Parser:
    """Bytes in, events out; keeps the last id and the reconnection time as the standard says."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that this chunk completes."""
        # The gateway ends lines with LF; a proxy that rewrites them to CRLF is put up with.
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._take(line.removesuffix(b"\r").decode(errors="replace"))
            if event is not None:
                yield event

    def restart(self) -> None:
        """Discard a half-read event before the next connection."""
        self._rest, self._name, self._data, self._id = b"", "", [], self.last_event_id

    def _take(self, line: str) -> Event | None:
        if not line:
            self.last_event_id = self._id
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return Event(name, "\n".join(data)) if data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)
        return None


def follow(
    url: str,
    symbols: Sequence[str],
    *,
    token: str | None = None,
    as_json: bool = False,
    types: str | None = None,
    rate: float | None = None,
    out: TextIO | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Follow `/events` at `url` until Ctrl-C, and return the exit status.

    Raises:
        TailError: when asking again is pointless; the message says why.
    """
    parameters: dict[str, str | list[str]] = {}
    if symbols:
        parameters["symbol"] = list(symbols)
    if types:
        parameters["types"] = types
    if rate:
        parameters["rate"] = f"{rate:g}"
    headers = {"Accept": "text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    out = out or sys.stdout
    show = _JsonLines(out) if as_json else _Table(out)
    timeout = httpx.Timeout(CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
    # No proxy of the environment: a gateway is on this machine or one's own network.
    try:
        with httpx.Client(headers=headers, timeout=timeout, trust_env=False) as client:
            _follow(client, f"{url.rstrip('/')}/events", parameters, show, sleep)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `gateway tail | head`; nor may the interpreter flush what is left
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def _follow(
    client: httpx.Client,
    url: str,
    parameters: dict[str, str | list[str]],
    show: Callable[[Event], None],
    sleep: Callable[[float], None],
) -> NoReturn:
    parser = Parser()
    backoff = Backoff(cap_s=MAX_WAIT_S)
    while True:
        headers = {"Last-Event-ID": parser.last_event_id} if parser.last_event_id else {}
        reason = "the stream ended"
        try:
            with client.stream("GET", url, params=parameters, headers=headers) as response:
                _check(response)
                parser.restart()
                for chunk in response.iter_raw():
                    for event in parser.feed(chunk):
                        backoff.reset()
                        show(event)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise TailError("--url: this is no address of a gateway") from None
        except httpx.HTTPError as error:
            reason = describe(error)
        # The server's wish after a stream that worked; after failures at least the backoff.
        wait_s = max(backoff.next_delay_s(), min((parser.retry_ms or 0) / 1000, MAX_WAIT_S))
        sys.stderr.write(f"gateway tail: {reason}; trying again in {wait_s:.1f} s\n")
        sleep(wait_s)


def describe(error: httpx.HTTPError) -> str:
    """Say what went wrong in our own words: those of a library may quote a header or an address."""
    match error:
        case Answered():
            return f"the gateway answered {error.status}"
        case httpx.ConnectTimeout():
            return f"no connection within {CONNECT_TIMEOUT_S:g} s"
        case httpx.TimeoutException():
            return f"the gateway sent nothing for {READ_TIMEOUT_S:g} s"
        case httpx.ConnectError():
            return _describe_connect(error)
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.CloseError():
            return "the connection broke"
    return f"the request failed ({type(error).__name__})"


def _describe_connect(error: httpx.ConnectError) -> str:
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {below.verify_message}"
        if isinstance(below, socket.gaierror):
            return "there is no such host"
        if isinstance(below, OSError) and below.errno:
            return f"cannot connect: {os.strerror(below.errno).lower()}"
        below = below.__cause__ or below.__context__
    return "cannot connect"


class Answered(httpx.RemoteProtocolError):
    """The gateway answered with a status that is worth another try."""

    def __init__(self, status: int) -> None:
        super().__init__("an answer without a stream")
        self.status = status


def _check(response: httpx.Response) -> None:
    """Raises: TailError for good; httpx.HTTPError when trying again may help."""
    status = response.status_code
    if status == 200:
        return
    if status in REFUSALS or status in {400, 421}:
        detail = ""
        with suppress(ValueError, KeyError, TypeError):
            detail = str(json.loads(response.read())["detail"])
        raise TailError(REFUSALS.get(status) or detail or f"the gateway answered {status}")
    raise Answered(status)


class _JsonLines:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        self._out.write(event.data + "\n")
        self._out.flush()


class _Table:
    """One line an event; the heading again when the screen has scrolled it away."""

    HEADING_EVERY = 40

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows = 0

    def __call__(self, event: Event) -> None:
        line = self._format(event)
        if line is not None:
            self._out.write(line + "\n")
        self._out.flush()

    def _format(self, event: Event) -> str | None:
        # Decimals, so that a price keeps its digits.
        record: dict[str, Any] = json.loads(event.data, parse_float=Decimal)
        match event.name:
            case "quote_update":
                row = _align([_format_value(record.get(field)) for _, field, _ in COLUMNS])
                row += " stale" if record.get("stale") else ""
                if record.get("last_at") == "extended":
                    row += f"\n{_describe_extended(record)}"
                self._rows += 1
                if self._rows % self.HEADING_EVERY == 1:
                    return _align([heading for heading, _, _ in COLUMNS]) + "\n" + row
                return row
            case "balance_update":
                balance, power = record.get("balance"), record.get("buying_power")
                return (
                    f"{record.get('account')}  balance {_format_value(balance)}"
                    f"  buying power {_format_value(power)}"
                )
            case "position_update":
                return (
                    f"{record.get('account')}  {_format_value(record.get('description'))}"
                    f"  quantity {_format_value(record.get('quantity'))}"
                    f"  mark {_format_value(record.get('mark'))}"
                    f"  P/L day {_format_value(record.get('pnl_day'))}"
                    f"  open {_format_value(record.get('pnl_open'))}"
                    f"{' stale' if record.get('stale') else ''}"
                )
            case "portfolio_update":
                return (
                    f"{record.get('account')}  net liq {_format_value(record.get('net_liq'))}"
                    f"  P/L day {_format_value(record.get('pnl_day'))}"
                    f"  open {_format_value(record.get('pnl_open'))}"
                    f"{' stale' if record.get('stale') else ''}"
                )
            case "order_update":
                return (
                    f"{record.get('account')}  order {_format_value(record.get('order_id'))}"
                    f"  {_format_value(record.get('description'))}"
                    f"  {_format_value(record.get('status'))}"
                    f"  price {_format_value(record.get('price'))}"
                    f"  filled {_format_value(record.get('filled'))}"
                    f" of {_format_value(record.get('size'))}"
                )
            case "removed":
                names = ("broker_symbol", "order_id", "account")
                name = next(filter(None, map(record.get, names)), "")
                return f"· {_format_value(name)} is no more"
            case "status":
                reason = f": {record['reason']}" if record.get("reason") else ""
                quality = record.get("data_quality") or "real-time"
                note = "" if quality == "real-time" else f", its quotes are {quality} data"
                return f"· {record.get('upstream')} is {record.get('state')}{note}{reason}"
            case "gap":
                return "· updates were dropped; the newest values follow"
            case "notice":
                return (
                    f"· {_format_value(record.get('symbol'))}: "
                    f"{_format_value(record.get('reason'))}"
                )
            case "bye":
                return f"· the gateway closed the stream: {record.get('reason')}"
            case "hello" | "heartbeat" | "snapshot_end":
                return None
        fields = [
            f"{name} {_format_value(value)}"
            for name, value in record.items()
            if name not in {"type", "symbol", "updated_at", "source", "stale"}
        ]
        return f"{record.get('symbol', '')}  {event.name}  {'  '.join(fields)}"


def _describe_extended(record: dict[str, Any]) -> str:
    """The trade after hours, below the row whose price is the close."""
    price, change = map(_format_value, map(record.get, ("extended_last", "extended_change")))
    return f"{'  extended hours':<16} {price:>9} {change:>8}"


def _align(cells: Sequence[str]) -> str:
    parts = [
        f"{cell:<{-width}}" if width < 0 else f"{cell:>{width}}"
        for cell, (_, _, width) in zip(cells, COLUMNS, strict=True)
    ]
    return " ".join(parts)


def _format_value(value: object) -> str:
    if value is None:
        return UNKNOWN
    # Control characters of a forged stream must not reach the terminal.
    return "".join(letter for letter in str(value) if letter.isprintable())
