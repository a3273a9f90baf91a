"""The upstream half as one thing to run: logins, and the market data feed of the first of them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.settings import FeedSettings, Settings
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.drops import DropStats, Fate, report_drops
<<<<<<< HEAD
from gateway.streams.upstream.login import BrokerLogin
from gateway.streams.upstream.market_data import MarketData
from gateway.streams.upstream.supervisor import RestartLimiter, supervise
=======
from gateway.streams.upstream.market_data import Feed
from gateway.streams.upstream.market_time import fetch_market_time
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.supervisor import Restarts, keep
>>>>>>> calendar


class Upstream:
    """Everything between Tastytrade and the hub, or the backplane that leads to it.

<<<<<<< HEAD
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
        self.calendar = calendar or MarketCalendar(
            settings.market, wall_s=clock.wall_s, steady_s=clock.steady_s
        )
        self.logins = tuple(logins)
        main = self.logins[0]
        self.session = main.session
        self.accounts = main.accounts
        self.feed = MarketData(
            main.session,
            publisher,
            demand,
            self.calendar,
            settings,
            is_test=main.settings.is_test and not main.settings.uses_simulator,
            clock=clock,
        )
=======
    def __init__(self, settings: Settings, publisher: Publisher, demand: Demand) -> None:
        self.session = BrokerSession(settings, publisher)
        self._hours = MarketCalendar(
            settings.market, fetch=lambda: fetch_market_time(self.session.call)
        )
        self.feed = Feed(self.session, publisher, demand, self._hours, settings)
        self.accounts = Accounts(self.session, publisher, settings)
>>>>>>> calendar

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

    def report(self) -> dict[str, Any]:
        """Return what `/status` shows: plain JSON values, no secrets; of other logins nothing."""
        return {
            **self.logins[0].report(),
            "feed": self.feed.report(),
<<<<<<< HEAD
=======
            "accounts": self.accounts.report(),
            "market_hours": self._hours.report(),
>>>>>>> calendar
            "left_out": report_drops(self.drop_stats()),
        }

    def drop_stats(self) -> dict[Fate, DropStats]:
        """Return what was left out or looks wrong, of the feed and all accounts together."""
        drop_stats = self.feed.drop_stats()
        dropped = sum((each.accounts.dropped for each in self.logins), drop_stats["dropped"])
        return {**drop_stats, "dropped": dropped}


def create_upstream(
    settings: Settings, publisher: Publisher, demand: Demand, *, clock: Clock = SYSTEM_CLOCK
) -> Upstream:
    """Return the upstream half of the one login that the settings describe."""
    login = BrokerLogin(settings.broker, publisher, clock=clock)
    return Upstream(settings.feed, [login], publisher, demand, clock=clock)
