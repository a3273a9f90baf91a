"""A login as a value: its credentials, its session, its accounts and their statuses."""

import asyncio

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.settings import BrokerSettings
from gateway.streams.publisher import Publisher
from gateway.streams.reports import UpstreamReport
from gateway.streams.topics import MAIN_LOGIN
from gateway.streams.upstream.accounts import Accounts
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.supervisor import RestartLimiter, supervise


class BrokerLogin:
    """One person's login to the broker; any number of them run side by side.

    What it publishes is of its own: balances and statuses carry its name.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        publisher: Publisher,
        *,
        name: str = MAIN_LOGIN,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        self.session = BrokerSession(settings, publisher, login=name, clock=clock)
        self.accounts = Accounts(self.session, publisher, settings, clock=clock)

    async def run(self) -> None:
        """Publish until cancelled.

        Raises:
            ExceptionGroup: when a stage cannot be kept alive.
        """
        restarts = RestartLimiter(self._clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.session.run(), name="session")
            tasks.create_task(
                supervise("the balances", self.accounts.run, restarts), name="accounts"
            )

    def report(self) -> UpstreamReport:
        """Return what `/status` shows of this login; no secrets."""
        return UpstreamReport(session=self.session.report(), accounts=self.accounts.report())
