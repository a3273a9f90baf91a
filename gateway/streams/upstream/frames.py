"""Filters between the SDK's readers and their websockets.

tastytrade 13.2.3 reads frames as they come: bad JSON, `data: []` or a wrong arity end the reader, a
refused token is sent again in a tight loop, a channel that the server closes is never noticed, and
silence neither. Here each frame is looked at first: what the SDK would choke on is dropped and
counted, what it would not notice is raised or reported, decimals keep their digits.
Message shapes: dxFeed's DXLink AsyncAPI document, v1.0.2.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import anyio
import msgspec
from httpx2.websockets import AsyncWebSocketSession
from wsproto.utilities import LocalProtocolError

from gateway.errors import (
    AccountRefused,
    QuoteTokenRefused,
    SessionLimit,
    Unauthorized,
    UpstreamError,
)
from gateway.streams.upstream.drops import FRAME, DropStats

_decoder = msgspec.json.Decoder(float_hook=Decimal)

SOCKET_CLOSED = (LocalProtocolError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What httpx2 2.16.2 raises when it sends on a socket that has just been closed."""

_NESTED = frozenset({list, dict})

_NO_SYMBOLS = frozenset({"", "NaN", "Infinity", "-Infinity"})
"""What tastytrade 13.2.3 reads as no value in any field."""

_LIMIT_WORDS = ("number of user sessions", "exceeded the configured limit")


class FrameFilter(Protocol):
    """Decides what the SDK's reader gets of a message."""

    def apply(self, message: dict[str, Any]) -> list[Any]:
        """Return the messages to hand to the SDK in place of this one.

        Raises:
            UpstreamError: when the message says that going on is pointless.
        """


class FilteredSocket:
    """A websocket as the SDK uses it; every frame that it reads has gone through a filter.

    `on_frame` is called for each frame, from the SDK's reader.
    """

    def __init__(
        self,
        socket: AsyncWebSocketSession,
        frame_filter: FrameFilter,
        dropped: DropStats,
        on_frame: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._filter = frame_filter
        self._dropped = dropped
        self._on_frame = on_frame
        self._pending: deque[Any] = deque()

    async def send_json(self, data: Any) -> None:
        """Send a message.

        Raises:
            UpstreamError: when the socket is closed, which its reader may not have noticed yet.
        """
        try:
            await self._socket.send_json(data)
        except SOCKET_CLOSED as error:
            raise UpstreamError("the connection was lost") from error

    async def receive_json(self) -> Any:
        """Return the next message that the SDK can read.

        Raises:
            UpstreamError: when a message says that going on is pointless.
        """
        while not self._pending:
            text = await self._socket.receive_text()
            self._on_frame()
            try:
                message = _decoder.decode(text)
            except (ValueError, ArithmeticError, RecursionError):
                # ArithmeticError: 1e99999999999999999999; RecursionError: 3,000 open brackets.
                self._dropped[FRAME, "not JSON"] += 1
                continue
            if isinstance(message, dict):
                self._pending.extend(self._filter.apply(message))
            else:
                self._dropped[FRAME, "not an object"] += 1
        return self._pending.popleft()


class MarketFilter:
    """Filters DXLink messages; one for each connection.

    `on_channel_closed` is called with the event type of a channel that the server closed.
    `is_awaited` says whether the SDK waits for the channel of an event type.
    """

    def __init__(
        self,
        channels: Mapping[int, str],
        fields: Mapping[str, Sequence[str]],
        dropped: DropStats,
        on_channel_closed: Callable[[str], None],
        *,
        is_awaited: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._channels = channels
        self._fields = fields
        self._dropped = dropped
        self._on_channel_closed = on_channel_closed
        self._is_awaited = is_awaited
        self._auth_sent = False
        self._authorized = False
        self._open: set[str] = set()

    def apply(self, message: dict[str, Any]) -> list[Any]:
        """Return the messages to hand to the SDK in place of this one.

        Raises:
            UpstreamError: for a refused token, or an ERROR message.
        """
        match message.get("type"):
            case "FEED_DATA":
                return self._feed_data(message)
            case "SETUP" | "KEEPALIVE":
                return [message]
            case "AUTH_STATE":
                return self._auth_state(message)
            case "CHANNEL_OPENED":
                return self._channel_opened(message)
            case "CHANNEL_CLOSED":
                return self._channel_closed(message)
            case "FEED_CONFIG":
                self._check_order(message)
                return []
            case "ERROR":
                raise _error(message)
            case _:
                self._dropped[FRAME, "unknown message"] += 1
                return []

    def _auth_state(self, message: dict[str, Any]) -> list[Any]:
        state = message.get("state")
        if state == "UNAUTHORIZED":
            # The first one is the server's greeting; any later one refuses or ends our token.
            if self._auth_sent:
                raise QuoteTokenRefused("the market data feed refused the quote token")
            self._auth_sent = True
            return [message]
        if state == "AUTHORIZED" and not self._authorized:
            self._authorized = True
            return [message]
        if state != "AUTHORIZED":
            self._dropped[FRAME, "unknown state"] += 1
        return []

    def _channel_opened(self, message: dict[str, Any]) -> list[Any]:
        name = self._name(message)
        # One that opens too late would end the SDK's reader with a KeyError.
        if name is None or name in self._open or not self._is_awaited(name):
            self._dropped[FRAME, "unknown channel"] += 1
            return []
        self._open.add(name)
        return [message]

    def _channel_closed(self, message: dict[str, Any]) -> list[Any]:
        name = self._name(message)
        if name is None or name not in self._open:
            self._dropped[FRAME, "unknown channel"] += 1
            return []
        self._open.discard(name)
        self._on_channel_closed(name)
        return [message]

    def _feed_data(self, message: dict[str, Any]) -> list[Any]:
        name = self._name(message)
        data = message.get("data")
        if name is None:
            self._dropped[FRAME, "unknown channel"] += 1
            return []
        if not isinstance(data, list) or not data:
            self._dropped[name, "malformed"] += 1
            return []
        if isinstance(data[0], dict):
            rows = [row for row in data if self._is_readable(name, row)]
            return [{**message, "data": rows}] if rows else []
        # COMPACT. The SDK reads only the first pair of a message, so each gets its own.
        found = []
        for event_type, values in zip(data[::2], data[1::2], strict=False):
            if kept := self._compact(name, event_type, values):
                found.append({**message, "data": [event_type, kept]})
        if len(data) % 2:
            self._dropped[name, "malformed"] += 1
        return found

    def _is_readable(self, name: str, row: Any) -> bool:
        """Whether the SDK can read a row of the FULL format."""
        reason = None
        if not isinstance(row, dict) or not _is_flat(row.values()):
            reason = "malformed"
        elif row.get("eventType", name) != name:
            reason = "unknown type"
        elif not _is_symbol(row.get("eventSymbol")):
            reason = "no symbol"
        if reason is not None:
            self._dropped[name, reason] += 1
        return reason is None

    def _compact(self, name: str, event_type: Any, values: Any) -> list[Any]:
        """The values of those rows of a pair that the SDK can read."""
        if event_type != name:
            self._dropped[name, "unknown type"] += 1
            return []
        width = len(self._fields.get(name, ())) or 1
        if not isinstance(values, list) or not values or len(values) % width:
            self._dropped[name, "malformed"] += 1
            return []
        if _is_flat(values) and all(map(_is_symbol, values[::width])):
            return values
        kept: list[Any] = []
        for begin in range(0, len(values), width):
            row = values[begin : begin + width]
            if not _is_flat(row):
                self._dropped[name, "malformed"] += 1
            elif not _is_symbol(row[0]):
                self._dropped[name, "no symbol"] += 1
            else:
                kept += row
        return kept

    def _name(self, message: dict[str, Any]) -> str | None:
        """The event type of the message's channel."""
        channel = message.get("channel")
        return self._channels.get(channel) if isinstance(channel, int) else None

    def _check_order(self, message: dict[str, Any]) -> None:
        """Refuse any order of fields but the one asked for, in which the SDK reads them."""
        orders = message.get("eventFields")
        for name, order in orders.items() if isinstance(orders, dict) else ():
            if name in self._fields and order != list(self._fields[name]):
                raise UpstreamError(f"the feed sends the fields of {name} in another order")


def _is_flat(values: Iterable[Any]) -> bool:
    """Whether no value is a list or an object: tastytrade 13.2.3 hashes each, and would end."""
    return _NESTED.isdisjoint(map(type, values))


def _is_symbol(value: Any) -> bool:
    """Whether it can name an instrument; the SDK makes no event of a row without a name."""
    return isinstance(value, str) and value not in _NO_SYMBOLS


def _error(message: dict[str, Any]) -> UpstreamError:
    kind = str(message.get("error") or "UNKNOWN")[:40]
    words = str(message.get("message") or "no reason given")[:120]
    if any(each in words.lower() for each in _LIMIT_WORDS):
        return SessionLimit("Tastytrade allows no more sessions or subscriptions for this user")
    if kind == "UNAUTHORIZED":
        return QuoteTokenRefused("the market data feed refused the quote token")
    return UpstreamError(f"the market data feed reported {kind}: {words}")


HOLE = "hole"
"""The kind of push that stands for those that were lost on the way."""


class AccountFilter:
    """Filters account stream messages: lets acknowledgements through and hands out pushes.

    `on_push` is called with the type and the data of each, from the SDK's reader; the SDK sees
    none. Pushes are counted by the server (`ws-sequence`); where that count does not go on by one,
    a `HOLE` is handed out first.
    """

    def __init__(self, dropped: DropStats, on_push: Callable[[str, Any], None]) -> None:
        self._dropped = dropped
        self._on_push = on_push
        self._sequence: int | None = None

    def apply(self, message: dict[str, Any]) -> list[Any]:
        """Return the messages to hand to the SDK in place of this one; batches are taken apart.

        Raises:
            UpstreamError: for a refusal, with or without a request id.
        """
        if isinstance(message.get("results"), list):
            found: list[Any] = []
            for each in message["results"]:
                if isinstance(each, dict):
                    found += self.apply(each)
                else:
                    self._dropped[FRAME, "malformed"] += 1
            return found
        if message.get("status") == "error":
            raise _refusal(message)
        if message.get("type") is None:
            if not _is_request_id(message.get("request-id")):
                self._dropped[FRAME, "malformed"] += 1
                return []
            return [message]
        self._count(message.get("ws-sequence"))
        self._on_push(str(message["type"]), message.get("data"))
        return []

    def _count(self, sequence: Any) -> None:
        if not isinstance(sequence, int) or isinstance(sequence, bool):
            return
        before, self._sequence = self._sequence, sequence
        if before is not None and sequence != before + 1:
            self._on_push(HOLE, None)


def _is_request_id(value: Any) -> bool:
    """Whether tastytrade 13.2.3 can read it: anything but a whole number ends its reader."""
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) <= 18
    return value is None or isinstance(value, int)


_TOKEN_CODES = frozenset(
    {
        *("unauthorized", "not-authorized", "not-authenticated", "unauthenticated"),
        *("invalid-token", "token-invalid", "token-expired", "expired-token"),
        *("invalid-session", "session-expired", "failed-to-find-session"),
    }
)
"""Refusals that a new access token mends."""
_ACCOUNT_CODES = frozenset(
    {
        *("not-authorized-for-account", "not-authorized-for-accounts", "account-not-found"),
        *("invalid-account", "unknown-account", "not-permitted-for-account"),
    }
)
"""Refusals of an account, whatever the token."""


def _read_code(words: Any) -> str:
    """The code of a refusal: some are written as codes, others as a few words."""
    return "-".join(re.findall(r"[a-z0-9]+", str(words or "")[:120].lower()))


def _refusal(message: dict[str, Any]) -> UpstreamError:
    words = str(message.get("message") or "no reason given")[:120]
    codes = {_read_code(message.get("code")), _read_code(words)}
    if any(each in words.lower() for each in _LIMIT_WORDS):
        return SessionLimit("Tastytrade allows no more sessions for this user")
    if codes & _ACCOUNT_CODES:
        return AccountRefused("the account stream refused an account")
    if codes & _TOKEN_CODES:
        return Unauthorized("the account stream refused the access token")
    return UpstreamError(f"the account stream reported: {words}")
