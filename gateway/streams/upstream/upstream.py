"""The upstream half as one thing to run: logins, and the market data feed of the first of them."""

import asyncio
from collections.abc import Sequence

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.settings import FeedSettings, Settings
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.reports import UpstreamReport
from gateway.streams.upstream.broker_documents import BrokerDocuments
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.drops import DropStats, Fate, report_drops
from gateway.streams.upstream.login import BrokerLogin
from gateway.streams.upstream.market_data import MarketData
from gateway.streams.upstream.market_time import fetch_market_time
from gateway.streams.upstream.supervisor import RestartLimiter, supervise


class Upstream:
    """Everything between Tastytrade and the hub, or the backplane that leads to it.

    The market data belong to the first login; each login has its own session and accounts.
    """

    def __init__(
        self,
        settings: FeedSettings,
        logins: Sequence[BrokerLogin],
        publisher: Publisher,
        demand: Demand,
        *,
        clock: Clock = SYSTEM_CLOCK,
        calendar: MarketCalendar | None = None,
    ) -> None:
        self._clock = clock
        self.logins = tuple(logins)
        main = self.logins[0]
        self.session = main.session
        self.accounts = main.accounts
        self.calendar = calendar or MarketCalendar(
            settings.market, clock=clock, fetch=lambda: fetch_market_time(main.session.call)
        )
        self.documents = BrokerDocuments(
            {each.name: each.budget for each in self.logins}, main.name, publisher, clock=clock
        )
        self.feed = MarketData(
            main.session,
            publisher,
            demand,
            self.calendar,
            settings,
            is_test=main.settings.is_test and not main.settings.uses_simulator,
            clock=clock,
        )

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            ExceptionGroup: when a stage cannot be kept alive; the process should end then.
        """
        restarts = RestartLimiter(self._clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                supervise("the market calendar", self.calendar.run, restarts), name="calendar"
            )
            for login in self.logins:
                tasks.create_task(login.run(), name=f"login {login.name}")
            tasks.create_task(self.feed.run(), name="feed")

    def report(self) -> UpstreamReport:
        """Return what `/status` shows; no secrets, and of other logins nothing."""
        return msgspec.structs.replace(
            self.logins[0].report(),
            feed=self.feed.report(),
            market_hours=self.calendar.report(),
            left_out=report_drops(self.drop_stats()),
        )

    def drop_stats(self) -> dict[Fate, DropStats]:
        """Return what was left out or looks wrong, of the feed and all accounts together."""
        drop_stats = self.feed.drop_stats()
        dropped = sum((each.accounts.dropped for each in self.logins), drop_stats["dropped"])
        return {**drop_stats, "dropped": dropped}


def create_upstream(
    settings: Settings, publisher: Publisher, demand: Demand, *, clock: Clock = SYSTEM_CLOCK
) -> Upstream:
    """Return the upstream half of the one login that the settings describe."""
    login = BrokerLogin(settings.broker, publisher, demand, clock=clock)
    return Upstream(settings.feed, [login], publisher, demand, clock=clock)
