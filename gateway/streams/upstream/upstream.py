"""The upstream half as one thing to run: session, feed and accounts, supervised together."""

import asyncio
from typing import Any

from gateway.settings import Settings
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.upstream.accounts import Accounts
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.drops import DropStats, Fate, report_drops
from gateway.streams.upstream.market_data import Feed
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.supervisor import Restarts, keep


class Upstream:
    """Everything between Tastytrade and the hub, or the backplane that leads to it."""

    def __init__(self, settings: Settings, publisher: Publisher, demand: Demand) -> None:
        self._hours = MarketCalendar(settings.market)
        self.session = BrokerSession(settings, publisher)
        self.feed = Feed(self.session, publisher, demand, self._hours, settings)
        self.accounts = Accounts(self.session, publisher, settings)

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            ExceptionGroup: when a stage cannot be kept alive; the process should end then.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                keep("the market hours", self._hours.run, Restarts()), name="market hours"
            )
            tasks.create_task(self.session.run(), name="session")
            tasks.create_task(self.feed.run(), name="feed")
            tasks.create_task(keep("the balances", self.accounts.run, Restarts()), name="accounts")

    def report(self) -> dict[str, Any]:
        """What `/status` tells: plain JSON values, no secrets."""
        return {
            "session": self.session.report(),
            "feed": self.feed.report(),
            "accounts": self.accounts.report(),
            "left_out": report_drops(self.drop_stats()),
        }

    def drop_stats(self) -> dict[Fate, DropStats]:
        """What was left out or looks wrong, of feed and accounts together."""
        drop_stats = self.feed.drop_stats()
        return {**drop_stats, "dropped": drop_stats["dropped"] + self.accounts.dropped}
