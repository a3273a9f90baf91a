"""Feeds and web processes in one event loop, joined by a real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.streams.backplane.election import Election
from gateway.streams.backplane.follower import Follower
from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.backplane.server import Backplane
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.records import QuoteUpdate, Status
from gateway.streams.reports import FeedReport, UpstreamReport
from gateway.streams.topics import market_topic, status_topic
from tests.streams.samples import make_status
from tests.waiting import eventually

FEED_REPORT = FeedReport(
    connects=1, last_error=None, last_event_age_s=0.5, symbols=1, silent_symbols=0, received={}
)

LEASE_S = 1.0


class Market:
    """A source that a test publishes with; it says that it is live as soon as it runs."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.is_running = False
        self.error: Exception | None = None
        self._failed = asyncio.Event()

    async def run(self) -> None:
        self.is_running = True
        self.publisher.publish(make_status("feed"))
        try:
            await self._failed.wait()
            raise RuntimeError("the source failed")
        finally:
            self.is_running = False

    def fail(self) -> None:
        self._failed.set()

    def report(self) -> UpstreamReport:
        return UpstreamReport(feed=FEED_REPORT)


@dataclass
class Feed:
    """A feed process, without the process."""

    leader: Election
    demand: Demand
    task: "asyncio.Task[None]"
    markets: list[Market] = field(default_factory=list)

    @property
    def market(self) -> Market:
        return self.markets[-1]

    @property
    def is_upstream(self) -> bool:
        return bool(self.markets) and self.market.is_running

    @property
    def is_leading(self) -> bool:
        return self.is_upstream and self.leader.position is not None

    def publish(self, *records: Any) -> None:
        for record in records:
            self.market.publisher.publish(record)


@dataclass
class Web:
    """A web process, without the process."""

    follower: Follower
    hub: FollowerHub
    demand: Demand

    def quote(self, symbol: str = "SPY") -> QuoteUpdate | None:
        record = self.hub.latest(market_topic("quote_update", symbol))
        assert record is None or isinstance(record, QuoteUpdate)
        return record

    def last(self, symbol: str = "SPY") -> int | None:
        quote = self.quote(symbol)
        return None if quote is None or quote.last is None else int(quote.last)

    def status(self) -> Status:
        record = self.hub.latest(status_topic("feed"))
        assert isinstance(record, Status)
        return record

    def is_fresh(self, symbol: str = "SPY") -> bool:
        quote = self.quote(symbol)
        return quote is not None and not quote.stale and self.status().state == "live"


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """A task that is cancelled on leaving; its own tasks are in groups and end with it."""
    task = asyncio.create_task(work, name="under test")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def open_feed(
    url: str,
    *,
    symbols: tuple[str, ...] = (),
    max_symbols: int = 100,
    linger_s: float = 30.0,
    lease_s: float = LEASE_S,
    timeout_s: float = 0.5,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[Feed]:
    """A feed that stands by, or leads."""
    demand = Demand(symbols, max_symbols=max_symbols, linger_s=linger_s, now_s=time.monotonic)
    backplane = Backplane(url, timeout_s=timeout_s)
    markets: list[Market] = []

    def make_source(publisher: Publisher) -> Market:
        markets.append(Market(publisher))
        return markets[-1]

    leader = Election(backplane, demand, make_source, lease_s=lease_s, clock=clock)
    async with running(leader.run()) as task:
        yield Feed(leader, demand, task, markets)
    await backplane.close()


@asynccontextmanager
async def open_web(
    url: str, *, symbols: tuple[str, ...] = (), history_events: int = 1000
) -> AsyncIterator[Web]:
    """A web process that has begun to read; silence is noticed after a second."""
    hub = FollowerHub(tick_s=0, history_events=history_events)
    demand = Demand(symbols, linger_s=0, now_s=time.monotonic)
    follower = Follower(Backplane(url, timeout_s=0.5), hub, demand, silent_s=1.0)
    async with running(follower.run()):
        yield Web(follower, hub, demand)


async def until(predicate: Callable[[], object], timeout_s: float = 5.0) -> None:
    """`eventually`, for what need not be looked at afterwards."""
    await eventually(predicate, timeout_s)
