"""Market data inside the DXLink context manager: pumps, subscriptions, watchdog, reconnect.

One connection for everybody. A pump for each event type moves events to the hub; the subscriptions
follow the wanted set; a watchdog tells silence from a closed market. Everything that ends a
connection ends here.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from httpx2.websockets import AsyncWebSocketSession, HTTPXWSException
from tastytrade import DXLinkStreamer, Session
from tastytrade.dxfeed import Event
from tastytrade.streamer import MAP_EVENTS

from gateway.settings import Settings
from gateway.streams.backoff import Backoff
from gateway.streams.candles import history_s, split_candle
from gateway.streams.events import (
    FeedSilent,
    GatewayError,
    RateLimited,
    SessionLimit,
    State,
    Unauthorized,
    UpstreamError,
)
from gateway.streams.hours import MarketHours
from gateway.streams.interest import Interest
from gateway.streams.normalize import (
    EVENT_CLASSES,
    EVENT_TYPES,
    Normalizer,
    install_lenient_classes,
    wire_fields,
)
from gateway.streams.publisher import Publisher, tell_status
from gateway.streams.session import NETWORK_ERRORS, BrokerSession
from gateway.streams.symbols import event_types
from gateway.streams.wire import FeedInspector, GuardedSocket

logger = logging.getLogger(__name__)

CANARY = "SPY"
"""Always subscribed: if this one does not move in regular hours, the feed is mute."""

CONNECT_TIMEOUT_S = 15.0
NO_FRAME_S = 35.0
"""Without any frame, keepalives included, the socket is dead."""
NO_DATA_S = 9.0
"""Without an event in regular hours the feed is mute, whatever else the socket says."""
QUIET_S = 15.0
"""Without an event out of hours the state goes from live to closed."""
WATCH_S = 0.25
AUDIT_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""When symbols without any event are subscribed to again: additions have been lost upstream."""
CHUNK_SYMBOLS = 400
"""Items of one subscription message; 64 KiB is the limit, an item stays below 120 bytes."""
BATCH = 256
"""Events handled before other tasks get a turn."""
LIMIT_PAUSE_S = 30.0
"""After a refusal by a cap, trying again at once makes it worse."""
MAX_RESTARTS = 5
RESTARTS_WITHIN_S = 60.0


class StageFailed(GatewayError):
    """A stage failed again and again; only a person can mend it, so the process ends."""


class _Streamer(DXLinkStreamer):
    """The SDK's streamer with a guard in front of its reader.

    `_websocket` is the SDK's own attribute, assigned when the socket opens (13.2.3); a property in
    its place is the one spot from which every frame can be seen.
    """

    def __init__(self, session: Session, refused: Counter[str], feed: "Feed") -> None:
        super().__init__(session)
        self._refused = refused
        self._feed = feed
        self._guarded: GuardedSocket | None = None

    async def follow(self, cls: type[Event], symbols: Iterable[str], aggregation_s: float) -> None:
        """Subscribe to events of one type; candles with their history."""
        if cls is not EVENT_CLASSES["Candle"]:
            await self.subscribe(cls, symbols, aggregation_s)
            return
        instruments: dict[str, list[str]] = defaultdict(list)
        for symbol in symbols:
            instrument, attributes = split_candle(symbol)
            instruments[attributes].append(instrument)
        for attributes, group in instruments.items():
            begin = datetime.now(UTC) - timedelta(seconds=history_s(f"{{={attributes}}}"))
            # With `extended_trading_hours` the SDK (13.2.3) writes the interval as it is given,
            # all attributes included, and adds none.
            await self.subscribe_candle(group, attributes, begin, True, aggregation_s)

    async def let_go(self, cls: type[Event], symbols: Iterable[str]) -> None:
        """Unsubscribe from events of one type."""
        if cls is not EVENT_CLASSES["Candle"]:
            await self.unsubscribe(cls, symbols)
            return
        for symbol in symbols:
            await self.unsubscribe_candle(*split_candle(symbol), extended_trading_hours=True)

    def close_queues(self) -> None:
        """Close the SDK's queues, which it leaves open (13.2.3) and anyio then warns of."""
        for sender in self._send.values():
            sender.close()
        for receiver in self._recv.values():
            receiver.close()

    @property
    def _websocket(self) -> Any:
        return self._guarded

    @_websocket.setter
    def _websocket(self, socket: AsyncWebSocketSession) -> None:
        inspector = FeedInspector(
            self._channels_reversed,
            {name: wire_fields(name) for name in EVENT_TYPES},
            self._refused,
            self._feed.on_channel_closed,
        )
        self._guarded = GuardedSocket(socket, inspector.inspect, self._refused, self._feed.on_frame)


class Feed:
    """The market data of one login, published to the hub.

    Freshness is told with the data: a status event for the feed, `stale` on every record. Events
    of symbols that nobody wants any more are dropped, and so is what a pump could not understand;
    both are counted in `dropped`, what was replaced by null in `normalizer.refused`.
    """

    def __init__(
        self,
        session: BrokerSession,
        publisher: Publisher,
        interest: Interest,
        hours: MarketHours,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        install_lenient_classes()
        self._session = session
        self._publisher = publisher
        self._interest = interest
        self._hours = hours
        self._settings = settings
        self._clock = clock
        self.normalizer = Normalizer()
        self.dropped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.connects = 0
        self.last_error: str | None = None
        self.last_event_at_s: float | None = None
        self._last_frame_s = 0.0
        self._connected_s = 0.0
        self._flowed = False
        self._fresh = False
        self._known: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._seen: dict[str, set[str]] = {name: set() for name in EVENT_TYPES}
        self._lost: set[str] = set()
        self._restarts: deque[float] = deque(maxlen=MAX_RESTARTS)

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            StageFailed: when a pump cannot be kept alive.
        """
        self._interest.on_change = self._wake
        self._tell("connecting", None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._linger, name="feed linger")
            # A child of the group, which cancels it until it has ended. Told once, as a task is,
            # it went on when a connection failed in the same instant: the groups inside kept the
            # failure and dropped the cancellation (anyio 4.16).
            tasks.start_soon(self._stay_connected, name="feed connection")

    def report(self) -> dict[str, Any]:
        """What `/status` tells: counts, ages in seconds, the last error."""
        age_s = None if self.last_event_at_s is None else self._clock() - self.last_event_at_s
        return {
            "connects": self.connects,
            "last_error": self.last_error,
            "last_event_age_s": None if age_s is None else round(age_s, 3),
            "symbols": len(self._known),
            "received": dict(self.received),
            "dropped": dict(self.dropped + self.refused),
            "set_to_null": dict(self.normalizer.refused),
        }

    def on_frame(self) -> None:
        """Note that the socket is alive."""
        self._last_frame_s = self._clock()

    def on_channel_closed(self, event_type: str) -> None:
        """Note that upstream closed a channel; its subscriptions are made again."""
        logger.warning("upstream closed the channel of %s", event_type)
        self._lost.add(event_type)
        self._wake()

    async def _stay_connected(self) -> None:
        backoff = Backoff()
        while True:
            generation = self._session.generation
            self._flowed = False
            try:
                sdk = await self._session.ready()
                async with self._connection(sdk) as streamer:
                    await self._serve(streamer)
            except (Exception, BaseExceptionGroup) as error:
                # Whatever ended the connection, the way on is another one; except for the end of
                # the process and for a stage that cannot be kept alive.
                cause = _root_cause(error)
                if not isinstance(cause, Exception):
                    raise
                if isinstance(cause, StageFailed):
                    raise cause from None
                if not isinstance(cause, (UpstreamError, HTTPXWSException, *NETWORK_ERRORS)):
                    logger.exception("the market data connection ended in an unexpected way")
                if self._flowed:
                    backoff.reset()
                delay_s = self._delay_s(cause, backoff)
                self._lose(cause)
                if isinstance(cause, Unauthorized):
                    await self._renew(generation)
                await asyncio.sleep(delay_s)

    def _delay_s(self, cause: Exception, backoff: Backoff) -> float:
        delay_s = backoff.next_delay_s()
        return delay_s + LIMIT_PAUSE_S if isinstance(cause, SessionLimit | RateLimited) else delay_s

    async def _renew(self, generation: int) -> None:
        try:
            await self._session.renew(generation)
        except (UpstreamError, *NETWORK_ERRORS) as error:
            logger.warning("renewing the session failed: %s", type(error).__name__)

    @asynccontextmanager
    async def _connection(self, sdk: Session) -> AsyncIterator[_Streamer]:
        """An open, authorized streamer; entering has a time limit, which the SDK has not."""
        streamer = _Streamer(sdk, self.refused, self)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S) as limit, streamer:
                limit.reschedule(None)
                yield streamer
        finally:
            streamer.close_queues()

    async def _serve(self, streamer: _Streamer) -> None:
        self.connects += 1
        now_s = self._clock()
        self._connected_s = self._last_frame_s = now_s
        for seen in self._seen.values():
            seen.clear()
        self._lost.clear()
        logger.info("market data connected")
        async with anyio.create_task_group() as tasks:
            for event_type in EVENT_TYPES:
                tasks.start_soon(
                    self._follow, streamer, event_type, name=f"subscriptions {event_type}"
                )
                tasks.start_soon(self._pump, streamer, event_type, name=f"pump {event_type}")
            tasks.start_soon(self._watch, name="feed watchdog")

    async def _pump(self, streamer: _Streamer, event_type: str) -> None:
        """Move events of one type to the hub; a failure restarts this pump and no other."""
        while True:
            try:
                await self._drain(streamer, event_type)
            except (anyio.ClosedResourceError, anyio.EndOfStream):
                raise UpstreamError(f"the stream of {event_type} ended") from None
            except Exception as error:
                # A bug or an event nobody thought of: the other types must not pay for it.
                logger.exception("the pump of %s failed and is restarted", event_type)
                self.dropped[f"{event_type} failed"] += 1
                now_s = self._clock()
                if (
                    len(self._restarts) == MAX_RESTARTS
                    and now_s - self._restarts[0] < RESTARTS_WITHIN_S
                ):
                    raise StageFailed(
                        f"the pump of {event_type} failed {MAX_RESTARTS + 1} times within "
                        f"{RESTARTS_WITHIN_S:.0f} s ({type(error).__name__})"
                    ) from error
                self._restarts.append(now_s)

    async def _drain(self, streamer: _Streamer, event_type: str) -> None:
        cls = MAP_EVENTS[event_type]
        seen = self._seen[event_type]
        publish, normalize = self._publisher.publish, self.normalizer.normalize
        handled = 0
        while True:
            event: Event | None = await streamer.get_event(cls)
            now_s, now_ms = self._clock(), time.time_ns() // 1_000_000
            while event is not None:
                handled += 1
                self.last_event_at_s = now_s
                if not self._fresh:
                    self._revive()
                seen.add(event.event_symbol)
                if event.event_symbol in self._known:
                    for record in normalize(event, now_ms):
                        publish(record)
                else:
                    self.dropped["not wanted"] += 1
                if handled % BATCH == 0:
                    await asyncio.sleep(0)
                    now_s, now_ms = self._clock(), time.time_ns() // 1_000_000
                event = streamer.get_event_nowait(cls)
            self.received[event_type] += handled
            handled = 0

    async def _follow(self, streamer: _Streamer, event_type: str) -> None:
        """Keep what is subscribed upstream equal to what is wanted, for one event type."""
        cls = EVENT_CLASSES[event_type]
        seen = self._seen[event_type]
        held: set[str] = set()
        audits: deque[float] = deque()
        while True:
            changed = self._changed
            if event_type in self._lost:
                self._lost.discard(event_type)
                held.clear()
                seen.clear()
            target = {
                symbol
                for symbol in self._interest.wanted | {CANARY}
                if event_type in event_types(symbol)
            }
            added, removed = target - held, held - target
            for chunk in _chunks(removed):
                await streamer.let_go(cls, chunk)
            seen -= removed
            for chunk in _chunks(added):
                await streamer.follow(cls, chunk, self._settings.aggregation_s)
            held = target
            now_s = self._clock()
            if added:
                # Merged, so that a steady coming and going does not put off every audit.
                audits = deque(sorted([*audits, *(now_s + each for each in AUDIT_S)])[-8:])
            elif audits and now_s >= audits[0]:
                audits.popleft()
                for chunk in _chunks(held - seen):
                    await streamer.follow(cls, chunk, self._settings.aggregation_s)
            timeout_s = max(0.0, audits[0] - self._clock()) if audits else None
            try:
                async with asyncio.timeout(timeout_s):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _watch(self) -> None:
        """Notice silence: tell the viewers first, leave the connection when it lasts."""
        while True:
            now_s = self._clock()
            is_open = self._hours.is_open(datetime.now(UTC))
            if now_s - self._last_frame_s > NO_FRAME_S:
                raise FeedSilent(f"no frame for {NO_FRAME_S:.0f} s")
            last_s = max(self.last_event_at_s or self._connected_s, self._connected_s)
            age_s = now_s - last_s
            if is_open and age_s > NO_DATA_S:
                raise FeedSilent(f"no market data for {NO_DATA_S:.0f} s in regular hours")
            if is_open and age_s > self._settings.stale_s and self._fresh:
                self._fresh = False
                self._tell("stale", f"no market data for {self._settings.stale_s:.0f} s")
                self._publisher.mark_stale()
            elif not is_open and age_s > QUIET_S:
                self._fresh = False
                self._tell("closed", None)
            elif not is_open and not self._flowed and age_s > self._settings.stale_s:
                self._tell("closed", None)
            elif self._fresh:
                self._tell("live", None)  # the market may have opened or closed meanwhile
            await asyncio.sleep(WATCH_S)

    def _revive(self) -> None:
        """The first event of a connection, or after a silence."""
        self._fresh = True
        if self._flowed:
            # The same connection goes on, so nothing was lost: all that is held is right again.
            self._publisher.mark_stale(stale=False)
        self._flowed = True
        self._tell("live", None)

    def _lose(self, cause: Exception) -> None:
        """Tell the viewers that the connection is gone; what they hold is no longer live."""
        self._fresh = False
        self.last_error = _words(cause)
        logger.warning("market data disconnected: %s", self.last_error)
        state: State = "stale" if self.last_event_at_s is not None else "connecting"
        self._tell(state, f"{self.last_error}; reconnecting")
        self._publisher.mark_stale()

    async def _linger(self) -> None:
        """Let go of symbols that nobody has wanted for a while."""
        while True:
            changed = self._changed
            self._interest.expire()
            wanted = self._interest.wanted
            if wanted != self._known:
                gone = self._known - wanted
                self._known = wanted
                # For those who see all symbols: these will not move again.
                self._publisher.mark_stale(symbols=gone)
                self._publisher.forget(gone)
                self.normalizer.forget(gone)
                if gone:
                    self._wake()
            expiry_s = self._interest.next_expiry_s()
            try:
                async with asyncio.timeout(
                    None if expiry_s is None else max(0.0, expiry_s - self._clock())
                ):
                    await changed.wait()
            except TimeoutError:
                continue

    def _wake(self) -> None:
        """Wake everybody who follows the wanted set."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _tell(self, state: State, reason: str | None) -> None:
        is_open = self._hours.is_open(datetime.now(UTC))
        tell_status(
            self._publisher,
            "feed",
            state,
            reason,
            now_ms=time.time_ns() // 1_000_000,
            market="open" if is_open else "closed",
        )


def _chunks(symbols: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(symbols)
    return [ordered[i : i + CHUNK_SYMBOLS] for i in range(0, len(ordered), CHUNK_SYMBOLS)]


def _root_cause(error: BaseException) -> BaseException:
    """What a viewer should be told of: our own errors first, out of however many groups."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [_root_cause(each) for each in error.exceptions]
    for cause in causes:
        if isinstance(cause, GatewayError):
            return cause
    return causes[0]


def _words(error: BaseException) -> str:
    if isinstance(error, GatewayError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the feed did not answer in time"
    return "the connection was lost"
