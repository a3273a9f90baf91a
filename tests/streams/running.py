"""The upstream half at work, for the tests of its parts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.settings import Settings
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import QuoteUpdate, Status
from gateway.streams.topics import market_topic, status_topic
from gateway.streams.upstream.login import BrokerLogin
from gateway.streams.upstream.upstream import Upstream, create_upstream
from tests.waiting import eventually


@dataclass
class Running:
    """A running upstream half and what it feeds."""

    upstream: Upstream
    hub: Hub
    demand: Demand
    task: "asyncio.Task[None]"

    def quote(self, symbol: str) -> QuoteUpdate | None:
        record = self.hub.latest(market_topic("quote_update", symbol))
        assert record is None or isinstance(record, QuoteUpdate)
        return record

    def status(self) -> Status:
        record = self.hub.latest(status_topic("feed"))
        assert isinstance(record, Status)
        return record

    def is_live(self, *symbols: str) -> bool:
        quotes = [self.quote(symbol) for symbol in symbols or ("SPY", "QQQ", "SPX")]
        return self.status().state == "live" and all(q and not q.stale for q in quotes)


@asynccontextmanager
async def running(settings: Settings, *, follows_held: bool = True) -> AsyncIterator[Running]:
    """The upstream half at work; afterwards nothing of it is left.

    Without `follows_held` nothing is followed but what a test wants.
    """
    before = asyncio.all_tasks()
    hub = Hub(epoch="test")
    demand = Demand(settings.symbols, linger_s=settings.linger_s, now_s=time.monotonic)
    upstream = create_upstream(settings, hub, demand)
    if not follows_held:
        login = BrokerLogin(settings.broker, hub)
        upstream = Upstream(settings.feed, [login], hub, demand)
    task = asyncio.create_task(upstream.run(), name="upstream under test")
    try:
        yield Running(upstream, hub, demand, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: not (asyncio.all_tasks() - before))
