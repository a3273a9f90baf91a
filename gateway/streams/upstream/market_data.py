"""The market data feed: one connection for everybody, from the SDK's stream to the publisher.

A pump for each event type moves events on, `subscriptions` follows the wanted set, `watchdog` tells
silence from a closed market, and `reconnect` opens the next connection.
"""

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import anyio

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import GatewayError, PartSilent, UpstreamError
from gateway.settings import FeedSettings
from gateway.streams.backoff import Backoff
from gateway.streams.demand import Demand
from gateway.streams.markets import Market, SessionState, market_of
from gateway.streams.publisher import Publisher, publish_status
from gateway.streams.records import QuoteUpdate, State
from gateway.streams.reports import FeedReport
from gateway.streams.sessions import date_at
from gateway.streams.topics import market_topic
from gateway.streams.upstream.arrival_rate import MOMENT_S
from gateway.streams.upstream.drops import DropStats, Fate
from gateway.streams.upstream.normalize import Normalizer
from gateway.streams.upstream.quality import QuoteToken, rate_quality
from gateway.streams.upstream.reconnect import Reconnect
from gateway.streams.upstream.retry import TROUBLE, describe_error, describe_next_step
from gateway.streams.upstream.sdk import EVENT_TYPES, Event, MarketStream, Session, get, open_stream
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.staleness import Verdict
from gateway.streams.upstream.subscriptions import Subscriptions
from gateway.streams.upstream.supervisor import RestartLimiter, supervise
from gateway.streams.upstream.watchdog import Watchdog

logger = logging.getLogger(__name__)

CANARY = "SPY"
"""Always subscribed: if this one does not move in regular hours, the feed is stalled."""
BATCH = 256
"""Events handled before other tasks get a turn."""

Connect = Callable[["MarketData", Session], AbstractAsyncContextManager[MarketStream]]


class SessionStates(Protocol):
    """Where the state of every market comes from."""

    def read(self) -> dict[Market, SessionState | None]:
        """Return the state of every market now; None where it is not known."""


def open_market_stream(
    feed: "MarketData", session: Session
) -> AbstractAsyncContextManager[MarketStream]:
    """Open a stream over the SDK."""
    stream = MarketStream(
        session,
        clock=feed.clock,
        dropped=feed.dropped,
        nulled=feed.nulled,
        on_frame=feed.on_frame,
        on_channel_closed=feed.subscriptions.on_channel_closed,
    )
    return open_stream(stream)


class MarketData:
    """The market data of one login, given to the publisher.

    How fresh the data are is published with them: a status of the feed, `stale` on every record,
    the session state of its market on every quote. Events of symbols that nobody wants any more are
    dropped, and so is what a pump could not understand; `drop_stats` counts both, and what was
    replaced by null.
    """

    def __init__(
        self,
        session: BrokerSession,
        publisher: Publisher,
        demand: Demand,
        calendar: SessionStates,
        settings: FeedSettings,
        *,
        is_test: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        connect: Connect = open_market_stream,
    ) -> None:
        self.clock = clock
        self._session = session
        self._publisher = publisher
        self._demand = demand
        self._calendar = calendar
        self._stale_s = settings.stale_s
        self._is_test = is_test
        self._connect = connect
        self.dropped: DropStats = DropStats()
        self.nulled: DropStats = DropStats()
        self.received: Counter[str] = Counter()
        self.connects = 0
        self.last_error: str | None = None
        self.normalizer = Normalizer()
        self.subscriptions = Subscriptions(settings.aggregation_s, clock, self._give_up)
        self.watchdog = Watchdog(settings.stale_s, clock.monotonic_s())
        self.reconnect = Reconnect("market data", session)
        self._restarts = RestartLimiter(clock)
        self._session_states: Mapping[Market, SessionState | None] = {}
        self._read_sessions()
        self._followed: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._tolerated_until_s: float | None = None
        self._token: QuoteToken | None = None
        self._has_delayed_quotes: bool | None = None
        self._told: tuple[State, str | None] = ("connecting", None)

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            StageFailed: when a stage cannot be kept alive.
        """
        self._demand.listeners.append(self._on_demand)
        self._publish("connecting", None)
        try:
            async with anyio.create_task_group() as tasks:
                stages: dict[str, Callable[[], Awaitable[None]]] = {
                    "the session states": self._follow_session_states,
                    "the linger of symbols": self._linger,
                    "the customer": self._read_customer,
                }
                for stage, run in stages.items():
                    tasks.start_soon(self._supervise, stage, run, name=f"feed {stage}")
                # A child of the group, which cancels it until it has ended. Cancelled once, as a
                # task is, it went on when a connection failed in the same instant: the groups
                # inside kept the failure and dropped the cancellation (anyio 4.16).
                tasks.start_soon(
                    self.reconnect.run, self._serve, self._on_disconnect, name="feed connection"
                )
        finally:
            self._demand.listeners.remove(self._on_demand)

    def report(self) -> FeedReport:
        """Return what `/status` shows: counts, ages in seconds, the last error."""
        last_s = self.watchdog.last_event_s
        age_s = None if last_s is None else self.clock.monotonic_s() - last_s
        return FeedReport(
            connects=self.connects,
            last_error=self.last_error,
            last_event_age_s=None if age_s is None else round(age_s, 3),
            symbols=len(self._followed),
            silent_symbols=len(self.watchdog.staleness.silent),
            received=dict(self.received),
        )

    def drop_stats(self) -> dict[Fate, DropStats]:
        """Return what was left out or looks wrong, by type and reason."""
        return {
            "dropped": self.dropped,
            "nulled": self.normalizer.refused + self.nulled,
            "suspicious": self.normalizer.suspicious,
        }

    def on_frame(self) -> None:
        """Note that the socket is alive."""
        self.watchdog.on_frame(self.clock.monotonic_s())

    async def _serve(self, session: Session) -> None:
        """Serve one connection until it ends with an error."""
        async with self._connection(session) as stream, anyio.create_task_group() as tasks:
            follow = functools.partial(self.subscriptions.run, stream, self._list_subscribed)
            tasks.start_soon(self._supervise, "the subscriptions", follow, name="feed symbols")
            for event_type in EVENT_TYPES:
                tasks.start_soon(self._pump, stream, event_type, name=f"pump {event_type}")
            tasks.start_soon(self._supervise, "the watchdog", self._watch, name="feed watchdog")

    @asynccontextmanager
    async def _connection(self, session: Session) -> AsyncIterator[MarketStream]:
        async with self._connect(self, session) as stream:
            self.connects += 1
            self._token = stream.token
            now_s = self.clock.monotonic_s()
            is_tolerated = self._tolerated_until_s is not None and now_s < self._tolerated_until_s
            self._tolerated_until_s = None
            self.normalizer.restart(is_tolerated=is_tolerated)
            self.watchdog.connect(self._followed, now_s)
            self.subscriptions.restart()
            logger.info("market data connected")
            yield stream

    async def _supervise(self, stage: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a stage alive; what the network does ends the connection instead."""
        await supervise(stage, run, self._restarts, passes=TROUBLE)

    async def _pump(self, stream: MarketStream, event_type: str) -> None:
        """Move events of one type on; a failure restarts this pump and no other."""
        while True:
            try:
                await self._drain(stream, event_type)
            except UpstreamError:
                raise
            except Exception as error:
                # A bug or an event nobody thought of: the other types must not pay for it.
                logger.exception("the pump of %s failed and is restarted", event_type)
                self.dropped[event_type, "failed"] += 1
                self._restarts.count(f"the pump of {event_type}", error)

    async def _drain(self, stream: MarketStream, event_type: str) -> None:
        seen, quoted = self.subscriptions.seen(event_type), self.subscriptions.seen("Quote")
        publish, normalize = self._publisher.publish, self.normalizer.normalize
        watchdog, staleness = self.watchdog, self.watchdog.staleness
        is_loading, is_quote = self.normalizer.is_loading, event_type == "Quote"
        handled = 0
        while True:
            event: Event | None = await stream.next_event(event_type)
            now_s, now_ms = self.clock.monotonic_s(), self.clock.now_ms()
            while event is not None:
                handled += 1
                watchdog.last_event_s = now_s
                symbol = event.event_symbol
                if is_quote or (symbol not in quoted and symbol != CANARY):
                    is_first = symbol not in seen
                    is_live = staleness.move(symbol, now_s, is_first=is_first, is_quote=is_quote)
                    if is_live and watchdog.flow != "flowing":
                        self._on_live_event(symbol)
                else:
                    # Trades go on while quotes are lost: no proof that bid and ask are live.
                    is_live = symbol not in staleness.silent
                if symbol in self._followed:
                    for record in normalize(event, now_ms, stale=not is_live):
                        publish(record)
                    if not is_loading(symbol):
                        seen.add(symbol)
                else:
                    seen.add(symbol)
                    self.dropped[event_type, "not wanted"] += 1
                if handled % BATCH == 0:
                    await asyncio.sleep(0)
                    now_s, now_ms = self.clock.monotonic_s(), self.clock.now_ms()
                event = stream.next_event_nowait(event_type)
            self.received[event_type] += handled
            handled = 0

    def _list_subscribed(self) -> Set[str]:
        return self._demand.wanted | {CANARY}

    def _give_up(self, event_type: str, symbols: Set[str]) -> None:
        """Publish that what was known before this connection is not known any more."""
        now_ms, silent = self.clock.now_ms(), self.watchdog.staleness.silent
        for record in self.normalizer.give_up(event_type, symbols, now_ms, stale=silent):
            self._publisher.publish(record)

    async def _watch(self) -> None:
        """Notice silence: mark values first, leave the connection when it lasts."""
        while True:
            now_s = self.clock.monotonic_s()
            symbols = self._followed | {CANARY}
            finding = self.watchdog.check(symbols, self._session_states, now_s)
            self._mark(finding.verdict)
            if finding.state is not None:
                self._publish(finding.state, finding.reason)
            if finding.leave is not None:
                raise finding.leave
            if self.watchdog.is_healthy:
                self.reconnect.on_flow()
            await asyncio.sleep(MOMENT_S)

    def _mark(self, verdict: Verdict) -> None:
        """Publish what a check has changed."""
        if verdict.silenced:
            self._publisher.mark_stale(symbols=verdict.silenced)
        # Nothing of theirs was lost, so what is known is right; but for what has yet to come again
        # in this connection, and then says so itself.
        if recovered := {each for each in verdict.recovered if not self.normalizer.is_old(each)}:
            self._publisher.mark_stale(stale=False, symbols=recovered)

    def _on_live_event(self, symbol: str) -> None:
        """Publish that data flow, with the first event of a connection or after a silence."""
        if self.watchdog.on_live_event(symbol, self._session_states):
            self._publish("live", None)
            if self.watchdog.is_healthy:
                self.reconnect.on_flow()

    def _on_disconnect(self, cause: Exception) -> None:
        """Publish that the connection is gone; what viewers have is no longer live.

        A connection that was left as a try leaves them undisturbed, if the next comes soon.
        """
        words = describe_error(cause)
        self.last_error = words
        if isinstance(cause, PartSilent):
            self._tolerated_until_s = self.clock.monotonic_s() + self._stale_s
            self._publish("degraded", f"{words}; trying another connection")
            return
        self._mark_lost(f"{words}; {describe_next_step(cause)}")

    def _mark_lost(self, reason: str) -> None:
        self._tolerated_until_s = None
        is_known = self.watchdog.last_event_s is not None
        self._publish("stale" if is_known else "connecting", reason)
        self._publisher.mark_stale()

    async def _follow_session_states(self) -> None:
        """Know which markets are open, connected or not."""
        while True:
            await asyncio.sleep(MOMENT_S)
            self._update_session_states()
            until_s = self._tolerated_until_s
            if until_s is not None and self.clock.monotonic_s() > until_s:
                self._mark_lost(f"{self.last_error}; reconnecting")

    def _read_sessions(self) -> None:
        today = date_at(self.clock.now_ms())
        self.normalizer.today = self.watchdog.staleness.today = today
        self._session_states = self._calendar.read()
        self.normalizer.session_states = self._session_states

    def _update_session_states(self) -> None:
        """Publish the quotes again of what has opened or closed, with its new state."""
        before = self._session_states
        self._read_sessions()
        if before == self._session_states:
            return
        for symbol in sorted(self._followed):
            state = self._session_states.get(market_of(symbol, self.normalizer.today))
            quote = self._publisher.latest(market_topic("quote_update", symbol))
            if isinstance(quote, QuoteUpdate) and quote.market != state:
                self._publisher.publish(self.normalizer.with_session(quote))

    async def _linger(self) -> None:
        """Let go of symbols that nobody has wanted for a while."""
        while True:
            self._changed.clear()
            self._demand.expire()
            wanted = self._demand.wanted
            if wanted != self._followed:
                gone = self._followed - wanted
                self.watchdog.on_symbols_changed(self._followed ^ wanted)
                self._followed = wanted
                # For those who see all symbols: these will not move again.
                self._publisher.mark_stale(symbols=gone)
                self._publisher.forget(gone)
                self.normalizer.forget(gone)
                self.watchdog.staleness.forget(gone)
                if gone:
                    self.subscriptions.wake()
            expiry_s = self._demand.next_expiry_s()
            try:
                async with asyncio.timeout(
                    None if expiry_s is None else max(0.0, expiry_s - self.clock.monotonic_s())
                ):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _read_customer(self) -> None:
        """Learn whether this customer gets delayed quotes."""
        backoff = Backoff(initial_s=1.0, cap_s=300.0)
        while True:
            try:
                customer = await self._session.call(lambda session: get(session, "/customers/me"))
            except (GatewayError, *TROUBLE) as error:
                logger.info("whether quotes are delayed is not known: %s", describe_error(error))
            else:
                value = customer.get("has-delayed-quotes")
                self._has_delayed_quotes = value if isinstance(value, bool) else None
                self._publish(*self._told)
                return
            await asyncio.sleep(5.0 + backoff.next_delay_s())

    def _on_demand(self) -> None:
        """Wake everybody who follows the wanted set."""
        self._changed.set()
        self.subscriptions.wake()

    def _publish(self, state: State, reason: str | None) -> None:
        self._told = (state, reason)
        quality, why = rate_quality(
            self._token, is_test=self._is_test, has_delayed_quotes=self._has_delayed_quotes
        )
        publish_status(
            self._publisher,
            "feed",
            state,
            reason or (why if state == "live" else None),
            now_ms=self.clock.now_ms(),
            market=self._session_states.get(market_of(CANARY)),
            data_quality=quality,
        )
