"""All surgery on the SDK, tastytrade 13.2.3: its session, both streamers and their event classes.

What the SDK would choke on, wait for without end or leave open is dealt with here, in front of its
readers, so that the rest of the house sees typed errors and values that may be None:

- One NaN in a required field drops a whole event (a one-sided option quote vanishes, the last
  two-sided price stays on the screen), and a NaN size becomes 0. The classes here accept None for
  every field but the symbol.
- There is no class for trades in extended hours (dxFeed's TradeETH), and sizes are whole numbers.
- Entering a streamer has no time limit; a channel that never opens is waited for without end.
- Its logger starts at DEBUG and logs bearer tokens at that level.

Only this module and `normalize` import `tastytrade`. Over 400 lines because an upgrade of the SDK
then has one file to look at.
"""

import asyncio
import functools
import logging
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar, cast

import anyio
import httpx2
import tastytrade
import tastytrade.dxfeed as dx
from httpx2.websockets import AsyncWebSocketSession, HTTPXWSException
from pydantic import ValidationError, ValidationInfo, create_model, field_validator
from tastytrade import AlertStreamer, DXLinkStreamer, Session
from tastytrade.account import AccountBalance
from tastytrade.dxfeed import Event
from tastytrade.streamer import MAP_EVENTS, SubscriptionType
from tastytrade.utils import TastytradeError

from gateway.addresses import is_loopback
from gateway.clock import Clock
from gateway.errors import ChannelUnavailable, ConfigurationError, UpstreamError
from gateway.settings import BrokerSettings
from gateway.streams.upstream.candles import history_s, split_candle
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.frames import AccountFilter, FilteredSocket, MarketFilter
from gateway.streams.upstream.quality import QuoteToken
from gateway.streams.upstream.refusals import (
    QUOTE_TOKEN_PATH,
    SWITCHING_PROTOCOLS,
    check_response,
)

__all__ = ["AccountBalance", "Event", "Session"]

T = TypeVar("T")

tastytrade.logger.setLevel(logging.WARNING)
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

REST_HOST = "api.tastyworks.com"
ACCOUNT_STREAM_HOST = "streamer.tastyworks.com"

REQUEST_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Of one answer; the largest chain has a tenth of it."""
CONNECT_TIMEOUT_S = 15.0
MAX_PENDING_PUSHES = 1024
"""Pushes that nobody has read yet; a reader that is so far behind has stopped."""

UNREADABLE = (LookupError, ValueError, TypeError, AttributeError)
"""What comes of an answer that is no JSON, or not of the shape that the SDK takes."""

NETWORK_ERRORS = (httpx2.HTTPError, HTTPXWSException, TastytradeError, OSError, TimeoutError)
"""What a request or a stream may raise besides our own errors."""

EVENT_TYPES = (
    *("Quote", "Trade", "TradeETH", "Summary"),
    *("Greeks", "TheoPrice", "Underlying", "Candle"),
)
"""What is subscribed to, in dxFeed's names."""

_INFINITE = frozenset({"Infinity", "-Infinity"})


# --- Event classes -------------------------------------------------------------------------------

_nulled: ContextVar[DropStats | None] = ContextVar("nulled", default=None)
"""Where the connection whose frame is being read counts the values that are read as None."""


def _make_lenient(name: str, base: Any, required: str, **overrides: Any) -> Any:
    """Return the model with every field but one optional; the order of the fields stays."""
    fields: dict[str, Any] = {
        key: (field.annotation | None, None)
        for key, field in base.model_fields.items()
        if key != required
    }
    return create_model(name, __base__=base, **fields | overrides)


def _read_or_null(cls: Any, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
    """None for what is not a number or cannot be read: one bad field must not hide the others."""
    try:
        if value in dx.event.NAN_VALUES:
            _count(cls, "not finite" if value in _INFINITE else "unknown")
            value = None
        return handler(value)
    except (ValidationError, TypeError):
        if info.field_name == "event_symbol":
            raise
        _count(cls, "unreadable")
        return None


def _count(cls: type, reason: str) -> None:
    nulled = _nulled.get()
    if nulled is not None:
        nulled[cls.__name__, reason] += 1


# Under the name of the SDK's own validator, whose place it takes. Sizes of crypto trades are
# fractions, and tastytrade 13.2.3 takes only whole numbers there: their prices would never arrive.
_VALIDATORS = {"change_nan_to_none": field_validator("*", mode="wrap")(_read_or_null)}
_UNKNOWN = (Decimal | None, None)
_OVERRIDES: dict[str, dict[str, Any]] = {
    "Trade": {"size": _UNKNOWN},
    "TradeETH": {"size": _UNKNOWN},
    # Where the SDK writes 0 for a price that is not known.
    "Candle": dict.fromkeys(("open", "high", "low", "close"), _UNKNOWN),
}

EVENT_CLASSES: Mapping[str, type[Event]] = {
    name: _make_lenient(
        name,
        dx.Trade if name == "TradeETH" else getattr(dx, name),
        "event_symbol",
        __validators__=_VALIDATORS,
        **_OVERRIDES.get(name, {}),
    )
    for name in EVENT_TYPES
}
_LenientBalance: type[AccountBalance] = _make_lenient(
    "AccountBalance", AccountBalance, "account_number"
)


def install_event_classes() -> None:
    """Put the classes here where the SDK's streamer looks for its own; may be called again."""
    MAP_EVENTS.update(EVENT_CLASSES)


@functools.cache
def wire_fields(event_type: str) -> tuple[str, ...]:
    """Return the field names in the order in which the SDK asks for them and reads them."""
    return tuple(EVENT_CLASSES[event_type].model_json_schema()["properties"])


def parse_balance(data: Any) -> AccountBalance | None:
    """Return the broker's balance with None for what is missing; None when it is not one."""
    try:
        return _LenientBalance.model_validate(data)
    except (ValidationError, KeyError, TypeError, ArithmeticError):
        # KeyError: tastytrade 13.2.3 reads an amount whose "-effect" is Debit without looking
        # whether it is there.
        return None


# --- Session -------------------------------------------------------------------------------------


@functools.cache
def load_tls() -> ssl.SSLContext:
    """Return the TLS settings of every connection; reads the system's certificates once.

    That blocks. Without it each streamer would make its own, 20 ms of the event loop at every
    reconnect.
    """
    return httpx2.create_ssl_context()


def open_sdk_session(settings: BrokerSettings) -> Session:
    """Return a session that has not spoken to anyone yet; use it as a context manager.

    Raises:
        ConfigurationError: when there are no credentials.
    """
    if settings.secret is None or settings.refresh is None:
        raise ConfigurationError(
            "TT_SECRET and TT_REFRESH: set both to log in to Tastytrade, or try `gateway demo`"
        )
    options: dict[str, Any] = {
        "timeout": REQUEST_TIMEOUT_S,
        "event_hooks": {
            "request": [_redirect(settings)],
            "response": [check_response, _read_bounded],
        },
    }
    if settings.uses_simulator:
        options["trust_env"] = False  # a proxy of the environment is not on loopback
        options["verify"] = False  # plain http and ws: nothing to load
    else:
        options["verify"] = load_tls()
    return Session(
        settings.secret.get_secret_value(),
        settings.refresh.get_secret_value(),
        settings.is_test and not settings.uses_simulator,
        **options,
    )


def _redirect(settings: BrokerSettings) -> Callable[[httpx2.Request], Awaitable[None]]:
    """A request hook: in simulator mode nothing but loopback is ever contacted."""
    if settings.simulator_rest is None or settings.simulator_account_ws is None:

        async def leave(request: httpx2.Request) -> None:
            """Production addresses are the SDK's own."""

        return leave
    targets = {
        REST_HOST: settings.simulator_rest,
        ACCOUNT_STREAM_HOST: settings.simulator_account_ws,
    }

    async def redirect(request: httpx2.Request) -> None:
        target = targets.get(request.url.host)
        if target is not None:
            base = httpx2.URL(target)
            path = base.raw_path.rstrip(b"/") + request.url.raw_path
            if request.url.host == ACCOUNT_STREAM_HOST:
                path = base.raw_path
            request.url = request.url.copy_with(
                scheme=base.scheme, host=base.host, port=base.port, raw_path=path
            )
            request.headers["Host"] = base.netloc.decode()
        if not is_loopback(request.url.host):
            raise ConfigurationError("SIMULATOR_REST: a simulator may only lead to loopback")

    return redirect


async def _read_bounded(response: httpx2.Response) -> None:
    """Read the answer here, a response hook of the HTTP client, so that none has no end.

    Raises:
        UpstreamError: when it is longer than any answer of the broker.
    """
    if response.status_code == SWITCHING_PROTOCOLS:
        return
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            await response.aclose()
            raise UpstreamError("Tastytrade's answer is longer than any that it gives")
    response._content = bytes(body)  # where httpx2 2.16.2 looks for what was read before


async def ask(request: Callable[[Session], Awaitable[T]], session: Session) -> T:
    """Return what a request returns.

    Raises:
        UpstreamError: when the answer cannot be read; or what the transport raises.
    """
    try:
        return await request(session)
    except UNREADABLE as error:
        raise UpstreamError(
            f"Tastytrade's answer is not readable ({type(error).__name__})"
        ) from error


async def refresh(session: Session) -> None:
    """Get a new access token, with a time limit.

    Raises:
        UpstreamError: or what the transport raises.
    """
    async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
        await ask(lambda session: session.refresh(force=True), session)


Query = Sequence[tuple[str, str]]
"""Names and values of a query; a name may come more than once."""


async def get(
    session: Session, path: str, query: Query = (), *, version: str | None = None
) -> dict[str, Any]:
    """Return the `data` of an answer; the SDK's models refuse one with a missing field (13.2.3).

    `version` is what the endpoint is asked to speak, where that is not what the SDK says; the
    sandbox takes none.
    """
    options: dict[str, Any] = {}
    if query:
        options["params"] = list(query)
    if version is not None and not session.is_test:
        options["headers"] = {"Accept-Version": version}
    return await session._get(path, **options)


def is_closed(session: Session) -> bool:
    """Say whether a session sends no requests any more."""
    return session._client.is_closed


# --- Streams -------------------------------------------------------------------------------------


class _TokenReader:
    """The session as a streamer sees it; keeps the quote token's answer, which the SDK does not."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.client_kwargs = session.client_kwargs
        self.token: QuoteToken | None = None

    async def _get(self, path: str) -> dict[str, Any]:
        data = await ask(lambda session: session._get(path), self._session)
        if path == QUOTE_TOKEN_PATH:
            self.token = QuoteToken.parse(data)
        return data


class MarketStream(DXLinkStreamer):
    """The market data of one connection, by event type.

    Events of one type come in order. The SDK's queues have no bound (13.2.3), so whoever opens a
    stream reads every type that is followed. `on_frame` and `on_channel_closed` are called by the
    SDK's reader.
    """

    def __init__(
        self,
        session: Session,
        *,
        clock: Clock,
        dropped: DropStats,
        nulled: DropStats,
        on_frame: Callable[[], None],
        on_channel_closed: Callable[[str], None],
    ) -> None:
        install_event_classes()
        self._reader_of_token = _TokenReader(session)
        super().__init__(cast(Session, self._reader_of_token))
        self._clock = clock
        self._dropped = dropped
        self._nulled = nulled
        self._on_frame = on_frame
        self._on_channel_closed = on_channel_closed
        self._filtered: FilteredSocket | None = None

    @property
    def token(self) -> QuoteToken | None:
        """What was said with the quote token; None before the stream is open."""
        return self._reader_of_token.token

    async def follow(self, event_type: str, symbols: Iterable[str], aggregation_s: float) -> None:
        """Subscribe to events of one type; candles with their history.

        Raises:
            ChannelUnavailable: when upstream does not open the type's channel in time.
        """
        try:
            if event_type == "Candle":
                await self._follow_candles(symbols, aggregation_s)
            else:
                await self.subscribe(EVENT_CLASSES[event_type], symbols, aggregation_s)
        except TimeoutError as error:
            # From now on the SDK would wait for this channel without end (13.2.3).
            self._subscription_state.pop(event_type, None)
            raise ChannelUnavailable(f"the channel of {event_type} did not open") from error

    async def _follow_candles(self, symbols: Iterable[str], aggregation_s: float) -> None:
        instruments: dict[str, list[str]] = defaultdict(list)
        for symbol in symbols:
            instrument, attributes = split_candle(symbol)
            instruments[attributes].append(instrument)
        for attributes, group in instruments.items():
            begin = self._clock.now() - timedelta(seconds=history_s(f"{{={attributes}}}"))
            # With `extended_trading_hours` the SDK (13.2.3) writes the interval as it is given,
            # all attributes included, and adds none.
            await self.subscribe_candle(group, attributes, begin, True, aggregation_s)

    async def let_go(self, event_type: str, symbols: Iterable[str]) -> None:
        """Unsubscribe from events of one type."""
        if event_type != "Candle":
            await self.unsubscribe(EVENT_CLASSES[event_type], symbols)
            return
        for symbol in symbols:
            await self.unsubscribe_candle(*split_candle(symbol), extended_trading_hours=True)

    async def next_event(self, event_type: str) -> Event:
        """Wait for the next event of a type.

        Raises:
            UpstreamError: when there will be none.
        """
        try:
            return await self.get_event(EVENT_CLASSES[event_type])
        except (anyio.ClosedResourceError, anyio.EndOfStream):
            raise UpstreamError(f"the stream of {event_type} ended") from None

    def next_event_nowait(self, event_type: str) -> Event | None:
        """Return the next event of a type that has come already; None without one."""
        return self.get_event_nowait(EVENT_CLASSES[event_type])

    def close_queues(self) -> None:
        """Close the SDK's queues, which it leaves open (13.2.3) and anyio then warns of."""
        for sender in self._send.values():
            sender.close()
        for receiver in self._recv.values():
            receiver.close()

    def _map_message(self, message: list[Any], channel: int) -> None:
        token = _nulled.set(self._nulled)
        try:
            super()._map_message(message, channel)
        finally:
            _nulled.reset(token)

    # `_websocket` is the SDK's own attribute, assigned when the socket opens (13.2.3); a property
    # in its place is the one spot from which every frame can be seen.
    @property
    def _websocket(self) -> Any:
        return self._filtered

    @_websocket.setter
    def _websocket(self, socket: AsyncWebSocketSession) -> None:
        market_filter = MarketFilter(
            self._channels_reversed,
            {name: wire_fields(name) for name in EVENT_TYPES},
            self._dropped,
            self._on_channel_closed,
            is_awaited=self._subscription_state.__contains__,
        )
        self._filtered = FilteredSocket(socket, market_filter, self._dropped, self._on_frame)


class Push(NamedTuple):
    """What the account stream said: the broker's type, and the whole object as it came."""

    kind: str
    data: Any


class AccountStream(AlertStreamer):
    """The pushes of one connection, in order; nothing is replayed.

    None reaches the SDK's own parser, which one incomplete object ends (13.2.3).
    """

    def __init__(self, session: Session, dropped: DropStats) -> None:
        super().__init__(session)
        self._dropped = dropped
        self._filtered: FilteredSocket | None = None
        self._sender, self._receiver = anyio.create_memory_object_stream[Push](MAX_PENDING_PUSHES)

    async def connect(self, numbers: Iterable[str]) -> None:
        """Follow these accounts; TimeoutError without an acknowledgement within 10 s."""
        await self._subscribe(SubscriptionType.ACCOUNT, list(numbers))

    async def beat(self) -> None:
        """Send a heartbeat and wait for its acknowledgement, TimeoutError without one in 10 s.

        The SDK sends none by itself (13.2.3).
        """
        await self._subscribe(SubscriptionType.HEARTBEAT)

    async def next_push(self) -> Push:
        """Wait for the next push.

        Raises:
            UpstreamError: when there will be none.
        """
        try:
            return await self._receiver.receive()
        except (anyio.ClosedResourceError, anyio.EndOfStream):
            raise UpstreamError("the account stream ended") from None

    def close_queues(self) -> None:
        """Close the queue of pushes."""
        self._sender.close()
        self._receiver.close()

    @property
    def _websocket(self) -> Any:
        return self._filtered

    @_websocket.setter
    def _websocket(self, socket: AsyncWebSocketSession) -> None:
        account_filter = AccountFilter(self._dropped, self._push)
        self._filtered = FilteredSocket(socket, account_filter, self._dropped, lambda: None)

    def _push(self, kind: str, data: Any) -> None:
        try:
            self._sender.send_nowait(Push(kind, data))
        except anyio.WouldBlock:
            raise UpstreamError("the account stream is not read") from None


S = TypeVar("S", MarketStream, AccountStream)


@asynccontextmanager
async def open_stream(stream: S) -> AsyncIterator[S]:
    """Enter a stream and leave it again; entering has a time limit, which the SDK has not.

    Raises:
        TimeoutError: when it does not open in time.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S) as limit, stream:
            limit.reschedule(None)
            yield stream
    finally:
        stream.close_queues()
