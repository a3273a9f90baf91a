"""Market data inside the DXLink context manager: pumps, subscriptions, watchdog, reconnect.

One connection for everybody. A pump for each event type moves events to the hub; the subscriptions
follow the wanted set; a watchdog tells silence from a closed market. Everything that ends a
connection ends here.
"""

import asyncio
import functools
import logging
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
from httpx2.websockets import AsyncWebSocketSession, HTTPXWSException
from tastytrade import DXLinkStreamer, Session
from tastytrade.dxfeed import Event
from tastytrade.streamer import MAP_EVENTS

from gateway.errors import (
    FeedSilent,
    GatewayError,
    RateLimited,
    SessionLimit,
    Unauthorized,
    UpstreamError,
)
from gateway.settings import Settings
from gateway.streams.backoff import PLATEAU_S, Backoff
from gateway.streams.demand import Demand
from gateway.streams.markets import Market, SessionState, market_of
from gateway.streams.publisher import Publisher, publish_status
from gateway.streams.records import QuoteUpdate, State
from gateway.streams.symbols import event_types
from gateway.streams.topics import market_topic
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.candles import history_s, split_candle
from gateway.streams.upstream.drops import DropStats, Fate
from gateway.streams.upstream.frames import FeedInspector, GuardedSocket
from gateway.streams.upstream.normalize import (
    EVENT_CLASSES,
    EVENT_TYPES,
    Normalizer,
    install_lenient_classes,
    nulled,
    wire_fields,
)
from gateway.streams.upstream.session import NETWORK_ERRORS, BrokerSession
from gateway.streams.upstream.staleness import MOMENT_S, Freshness, Verdict
from gateway.streams.upstream.supervisor import Restarts, StageFailed, keep

logger = logging.getLogger(__name__)

CANARY = "SPY"
"""Always subscribed: if this one does not move in regular hours, the feed is mute."""

CONNECT_TIMEOUT_S = 15.0
NO_FRAME_S = 34.0
"""Without any frame, keepalives included, the socket is dead: upstream sends one every 30 s."""
NO_DATA_S = 9.0
"""Without an event though something ought to move the feed is mute, whatever the socket says."""
NO_MARKET_DATA_S = 30.0
"""The same of one market while others move, which leaving would disturb."""
QUIET_S = 15.0
"""Without an event out of hours the state goes from live to closed."""
AUDIT_S = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
"""When symbols without any event are subscribed to again: additions have been lost upstream. When
every 7th is lost, of 600 additions one is missing after 2 s in 28 cases, after 4 s in 1,400."""
AUDIT_STEP_S = 0.25
"""Audits are due at multiples of this, so that many additions share them."""
CHUNK_SYMBOLS = 400
"""Items of one subscription message; 64 KiB is the limit, an item stays below 120 bytes."""
BATCH = 256
"""Events handled before other tasks get a turn."""
LIMIT_PAUSE_S = 30.0
"""After a refusal by a cap, trying again at once makes it worse."""
CONNECTION_LOST = (UpstreamError, HTTPXWSException, *NETWORK_ERRORS)


class _Streamer(DXLinkStreamer):
    """The SDK's streamer with a guard in front of its reader.

    `_websocket` is the SDK's own attribute, assigned when the socket opens (13.2.3); a property in
    its place is the one spot from which every frame can be seen.
    """

    def __init__(self, session: Session, dropped: DropStats, feed: "Feed") -> None:
        super().__init__(session)
        self._dropped = dropped
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
            self._dropped,
            self._feed.on_channel_closed,
        )
        self._guarded = GuardedSocket(socket, inspector.inspect, self._dropped, self._feed.on_frame)


class Feed:
    """The market data of one login, published to the hub.

    Freshness is told with the data: a status event for the feed, `stale` on every record, the phase
    of its market on every quote. Events of symbols that nobody wants any more are dropped, and so
    is what a pump could not understand; `drop_stats` counts both, and what was replaced by null.
    """

    def __init__(
        self,
        session: BrokerSession,
        publisher: Publisher,
        demand: Demand,
        hours: MarketCalendar,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        install_lenient_classes()
        self._session = session
        self._publisher = publisher
        self._demand = demand
        self._hours = hours
        self._settings = settings
        self._clock = clock
        self.normalizer = Normalizer()
        self.normalizer.session_states = hours.read()
        self.dropped: DropStats = DropStats()
        self.received: Counter[str] = Counter()
        self.connects = 0
        self.last_error: str | None = None
        self.last_event_at_s: float | None = None
        self._last_frame_s = 0.0
        self._connected_s = 0.0
        self._flowed = False
        self._fresh = False
        self._freshness = Freshness(settings.stale_s)
        self._session_states: dict[Market, SessionState | None] = hours.read()
        self._known: frozenset[str] = frozenset()
        self._judged: frozenset[str] = frozenset({CANARY})
        self._markets: frozenset[Market] = frozenset({market_of(CANARY)})
        self._changed = asyncio.Event()
        self._seen: dict[str, set[str]] = {name: set() for name in EVENT_TYPES}
        self._lost: set[str] = set()
        self._restarts = Restarts(clock)

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            StageFailed: when a pump cannot be kept alive.
        """
        self._demand.on_change = self._wake
        self._tell("connecting", None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep, "the market hours", self._follow_hours, name="feed hours")
            tasks.start_soon(self._keep, "the linger of symbols", self._linger, name="feed linger")
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
            "silent_symbols": len(self._freshness.silent),
            "received": dict(self.received),
        }

    def drop_stats(self) -> dict[Fate, DropStats]:
        """What was left out or looks wrong, by type and reason."""
        return {
            "dropped": self.dropped,
            "nulled": self.normalizer.refused + nulled,
            "suspicious": self.normalizer.suspicious,
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
        is_refused = False
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
                if not isinstance(cause, CONNECTION_LOST):
                    logger.exception("the market data connection ended in an unexpected way")
                elif self._flowed and not self._freshness.is_suspect:
                    backoff.reset()
                delay_s = self._delay_s(cause, backoff)
                self._lose(cause)
                is_first, is_refused = not is_refused, isinstance(cause, Unauthorized)
                if is_refused and await self._renew(generation) and is_first:
                    # The token ended, in an outage perhaps; refused again, the new one waits.
                    delay_s = min(delay_s, PLATEAU_S)
                await asyncio.sleep(delay_s)

    def _delay_s(self, cause: Exception, backoff: Backoff) -> float:
        delay_s = backoff.next_delay_s()
        return delay_s + LIMIT_PAUSE_S if isinstance(cause, SessionLimit | RateLimited) else delay_s

    async def _renew(self, generation: int) -> bool:
        """Whether there is a newer token."""
        try:
            await self._session.renew(generation)
        except (UpstreamError, *NETWORK_ERRORS) as error:
            logger.warning("renewing the session failed: %s", type(error).__name__)
            return False
        return True

    @asynccontextmanager
    async def _connection(self, sdk: Session) -> AsyncIterator[_Streamer]:
        """An open, authorized streamer; entering has a time limit, which the SDK has not."""
        streamer = _Streamer(sdk, self.dropped, self)
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
        self._freshness.connect(self._known, now_s)
        self.normalizer.restart()
        self._lost.clear()
        logger.info("market data connected")
        async with anyio.create_task_group() as tasks:
            for event_type in EVENT_TYPES:
                tasks.start_soon(
                    self._keep,
                    f"the subscriptions of {event_type}",
                    functools.partial(self._follow, streamer, event_type),
                    name=f"subscriptions {event_type}",
                )
                tasks.start_soon(self._pump, streamer, event_type, name=f"pump {event_type}")
            tasks.start_soon(self._keep, "the watchdog", self._watch, name="feed watchdog")

    async def _keep(self, stage: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a stage alive; what the network does ends the connection instead."""
        await keep(stage, run, self._restarts, passes=CONNECTION_LOST)

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
                self.dropped[event_type, "failed"] += 1
                self._restarts.count(f"the pump of {event_type}", error)

    async def _drain(self, streamer: _Streamer, event_type: str) -> None:
        cls = MAP_EVENTS[event_type]
        seen = self._seen[event_type]
        publish, normalize = self._publisher.publish, self.normalizer.normalize
        is_loading, move = self.normalizer.is_loading, self._freshness.move
        is_quote, quoted = event_type == "Quote", self._seen["Quote"]
        handled = 0
        while True:
            event: Event | None = await streamer.get_event(cls)
            now_s, now_ms = self._clock(), time.time_ns() // 1_000_000
            while event is not None:
                handled += 1
                self.last_event_at_s = now_s
                symbol = event.event_symbol
                if is_quote or (symbol not in quoted and symbol != CANARY):
                    is_live = move(symbol, now_s, is_first=symbol not in seen, is_quote=is_quote)
                    if is_live and not self._fresh:
                        self._revive(symbol)
                else:
                    # Trades go on while quotes are lost: no proof that bid and ask are live.
                    is_live = symbol not in self._freshness.silent
                if symbol in self._known:
                    for record in normalize(event, now_ms, stale=not is_live):
                        publish(record)
                    if not is_loading(symbol):
                        seen.add(symbol)
                else:
                    seen.add(symbol)
                    self.dropped[event_type, "not wanted"] += 1
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
                for symbol in self._demand.wanted | {CANARY}
                if event_type in event_types(symbol)
            }
            added, removed = target - held, held - target
            for chunk in _chunks(removed):
                await streamer.let_go(cls, chunk)
            # What came of an earlier subscription is no proof of this one.
            seen -= removed | added
            for chunk in _chunks(added):
                await streamer.follow(cls, chunk, self._settings.aggregation_s)
            held = target
            now_s = self._clock()
            if added:
                audits = merge_audits(audits, now_s)
            elif audits and now_s >= audits[0]:
                audits.popleft()
                for chunk in _chunks(held - seen):
                    await streamer.follow(cls, chunk, self._settings.aggregation_s)
                if not audits:
                    self._give_up(event_type, held - seen)
            timeout_s = max(0.0, audits[0] - self._clock()) if audits else None
            try:
                async with asyncio.timeout(timeout_s):
                    await changed.wait()
            except TimeoutError:
                continue

    def _give_up(self, event_type: str, symbols: set[str]) -> None:
        """Say that what was known before this connection is not known any more."""
        now_ms, silent = time.time_ns() // 1_000_000, self._freshness.silent
        for record in self.normalizer.give_up(event_type, symbols, now_ms, stale=silent):
            self._publisher.publish(record)

    async def _watch(self) -> None:
        """Notice silence: tell the viewers first, leave the connection when it lasts."""
        while True:
            now_s = self._clock()
            if now_s - self._last_frame_s > NO_FRAME_S:
                raise FeedSilent(f"no frame for {NO_FRAME_S:.0f} s")
            is_open = frozenset(
                each for each, phase in self._session_states.items() if phase == "open"
            )
            verdict = self._freshness.judge(self._judged, is_open, now_s)
            self._mark(verdict)
            if verdict.is_mute and verdict.silent_s > NO_DATA_S:
                raise FeedSilent(f"no market data for {NO_DATA_S:.0f} s in regular hours")
            if verdict.markets and verdict.silent_s > NO_MARKET_DATA_S:
                raise FeedSilent(f"nothing of {_list(verdict)} for {NO_MARKET_DATA_S:.0f} s")
            self._judge(verdict, now_s)
            await asyncio.sleep(MOMENT_S)

    def _judge(self, verdict: Verdict, now_s: float) -> None:
        """Tell the state of the feed as it is after a look."""
        age_s = now_s - max(self.last_event_at_s or self._connected_s, self._connected_s)
        is_open = any(self._session_states[each] == "open" for each in self._markets)
        if verdict.is_mute:
            if self._fresh:
                self._fresh = False
                self._tell("stale", f"no market data for {self._settings.stale_s:g} s")
        elif not is_open and age_s > QUIET_S:
            self._fresh = False
            self._tell("closed", None)
        elif not is_open and not self._flowed and age_s > self._settings.stale_s:
            self._tell("closed", None)
        elif self._fresh and verdict.markets:
            self._tell("degraded", f"nothing comes of {_list(verdict)}")
        elif self._fresh and not self._freshness.is_suspect:
            self._tell("live", None)  # the market may have opened or closed meanwhile

    def _mark(self, verdict: Verdict) -> None:
        """Publish what a look has changed."""
        if verdict.silenced:
            self._publisher.mark_stale(symbols=verdict.silenced)
        # Nothing of theirs was lost, so what is held is right; but for what has yet to come again
        # in this connection, and then says so itself.
        if revived := {each for each in verdict.revived if not self.normalizer.is_old(each)}:
            self._publisher.mark_stale(stale=False, symbols=revived)

    async def _follow_hours(self) -> None:
        """Know which markets are open, connected or not."""
        while True:
            await asyncio.sleep(MOMENT_S)
            self._turn()

    def _turn(self) -> None:
        """Publish the quotes again of what has opened or closed, with its new phase."""
        before, self._session_states = self._session_states, self._hours.read()
        if before == self._session_states:
            return
        self.normalizer.session_states = self._session_states
        for symbol in sorted(self._known):
            phase = self._session_states[market_of(symbol)]
            quote = self._publisher.latest(market_topic("quote_update", symbol))
            if isinstance(quote, QuoteUpdate) and quote.market != phase:
                self._publisher.publish(msgspec.structs.replace(quote, market=phase))

    def _revive(self, symbol: str) -> None:
        """The first event of a connection, or after a silence."""
        if self._freshness.is_suspect and self._session_states[market_of(symbol)] != "open":
            return  # what moves out of hours tells nothing of those that are silent
        self._fresh = True
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
            self._demand.expire()
            wanted = self._demand.wanted
            if wanted != self._known:
                gone = self._known - wanted
                self._known = wanted
                self._judged = wanted | {CANARY}
                self._markets = frozenset(map(market_of, self._judged))
                # For those who see all symbols: these will not move again.
                self._publisher.mark_stale(symbols=gone)
                self._publisher.forget(gone)
                self.normalizer.forget(gone)
                self._freshness.forget(gone)
                if gone:
                    self._wake()
            expiry_s = self._demand.next_expiry_s()
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
        publish_status(
            self._publisher,
            "feed",
            state,
            reason,
            now_ms=time.time_ns() // 1_000_000,
            market=self._session_states[market_of(CANARY)],
        )


def merge_audits(audits: Iterable[float], now_s: float) -> deque[float]:
    """The instants of the audits that were due, and of those for what is added now.

    A steady coming and going neither puts them off nor heaps them up.
    """
    due = (math.ceil((now_s + each) / AUDIT_STEP_S) * AUDIT_STEP_S for each in AUDIT_S)
    return deque(sorted({*audits, *due}))


def _chunks(symbols: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(symbols)
    return [ordered[i : i + CHUNK_SYMBOLS] for i in range(0, len(ordered), CHUNK_SYMBOLS)]


def _list(verdict: Verdict) -> str:
    return ", ".join(verdict.markets)


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
