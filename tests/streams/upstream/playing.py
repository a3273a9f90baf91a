"""A broker that plays a market in virtual time: the upstream half without a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.clock import Clock
from gateway.settings import FeedSettings
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.markets import MARKETS, Market, SessionState, market_of
from gateway.streams.records import QuoteUpdate, Record, Status
from gateway.streams.topics import market_topic, status_topic
from gateway.streams.upstream.market_data import MarketData, SessionStates
from gateway.streams.upstream.quality import QuoteToken
from gateway.streams.upstream.sdk import EVENT_CLASSES, EVENT_TYPES, Event

STEP_S = 0.5
TOKEN = QuoteToken("api", "ws://127.0.0.1/realtime")


class LoginStandIn:
    """A session that always has a token."""

    generation = 1

    async def ready(self) -> None:
        """Return at once."""

    async def renew(self, generation: int, *, is_refused: bool = False) -> None:
        """Do nothing: the token is good."""

    async def call(self, request: Callable[[Any], Awaitable[Any]]) -> dict[str, Any]:
        """Return the customer, whatever is asked for."""
        return {"has-delayed-quotes": False}


class AlwaysOpen:
    """Every market is open."""

    def read(self) -> dict[Market, SessionState | None]:
        """Return the state of every market."""
        return dict.fromkeys(MARKETS, "open")


@dataclass
class Play:
    """A running feed, its hub, and the switches of its market."""

    feed: MarketData
    hub: Hub
    frozen: set[str] = field(default_factory=set)
    went_stale: list[str] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)

    def quote(self, symbol: str) -> QuoteUpdate:
        """Return what is known of a symbol."""
        record = self.hub.latest(market_topic("quote_update", symbol))
        assert isinstance(record, QuoteUpdate)
        return record

    def status(self) -> Status:
        """Return the status of the feed."""
        record = self.hub.latest(status_topic("feed"))
        assert isinstance(record, Status)
        return record


class PlayedStream:
    """What the SDK's stream is to the feed; quotes of open markets move twice a second."""

    token = TOKEN

    def __init__(self, play: Play, calendar: SessionStates) -> None:
        self._play = play
        self._calendar = calendar
        self._followed: dict[str, set[str]] = {name: set() for name in EVENT_TYPES}
        self._queues: dict[str, asyncio.Queue[Event]] = {n: asyncio.Queue() for n in EVENT_TYPES}
        self._price = Decimal(100)

    async def follow(self, event_type: str, symbols: Iterable[str], aggregation_s: float) -> None:
        """Subscribe; what is known comes at once."""
        for symbol in symbols:
            self._followed[event_type].add(symbol)
            if event_type in ("Quote", "Trade", "Summary"):
                self._say(event_type, symbol)

    async def let_go(self, event_type: str, symbols: Iterable[str]) -> None:
        """Unsubscribe."""
        self._followed[event_type].difference_update(symbols)

    async def next_event(self, event_type: str) -> Event:
        """Wait for the next event of a type."""
        return await self._queues[event_type].get()

    def next_event_nowait(self, event_type: str) -> Event | None:
        """Return the next event of a type; None without one."""
        queue = self._queues[event_type]
        return None if queue.empty() else queue.get_nowait()

    async def play(self) -> None:
        """Move the quotes of open markets."""
        while True:
            await asyncio.sleep(STEP_S)
            self._play.feed.on_frame()
            self._price += Decimal("0.01")
            states = self._calendar.read()
            for symbol in sorted(self._followed["Quote"] - self._play.frozen):
                if states[market_of(symbol)] == "open":
                    self._say("Quote", symbol)

    def _say(self, event_type: str, symbol: str) -> None:
        cls: Any = EVENT_CLASSES[event_type]
        values: dict[str, Any] = {
            "Quote": {"bid_price": self._price, "ask_price": self._price + 1},
            "Trade": {"price": self._price},
            "Summary": {"prev_day_close_price": Decimal(99)},
        }[event_type]
        self._queues[event_type].put_nowait(cls(event_symbol=symbol, **values))


@asynccontextmanager
async def playing(
    symbols: tuple[str, ...], calendar: SessionStates | None = None, clock: Clock | None = None
) -> AsyncIterator[Play]:
    """Run a feed on the clock of the running loop; afterwards nothing of it is left."""
    now_s = asyncio.get_running_loop().time
    clock = clock or Clock(monotonic_s=now_s, wall_s=now_s, steady_s=now_s)
    calendar = calendar or AlwaysOpen()
    hub = Hub(epoch="test")
    demand = Demand(symbols, now_s=now_s)

    @asynccontextmanager
    async def connect(feed: MarketData, session: Any) -> AsyncIterator[Any]:
        stream = PlayedStream(play, calendar)
        task = asyncio.create_task(stream.play())
        try:
            yield stream
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    session: Any = LoginStandIn()
    feed = MarketData(session, hub, demand, calendar, FeedSettings(), clock=clock, connect=connect)
    play = Play(feed, hub)
    publish = hub.publish

    def watch(record: Record) -> int:
        if isinstance(record, QuoteUpdate) and record.stale:
            play.went_stale.append(record.symbol)
        elif isinstance(record, Status):
            play.statuses.append(record)
        return publish(record)

    hub.publish = watch  # type: ignore[method-assign]
    mark_stale = hub.mark_stale

    def mark(stale: bool = True, symbols: Any = None) -> int:
        if stale:
            play.went_stale.extend(demand.wanted if symbols is None else symbols)
        return mark_stale(stale, symbols)

    hub.mark_stale = mark  # type: ignore[method-assign]
    task = asyncio.create_task(feed.run())
    try:
        yield play
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        hub.close("test")
