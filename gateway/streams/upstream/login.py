"""A login as a value: its credentials, its session, its accounts and their statuses."""

import asyncio

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.settings import BrokerSettings
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.reports import UpstreamReport
from gateway.streams.topics import MAIN_LOGIN
from gateway.streams.upstream.accounts import Accounts
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.day_basis import DayBasis
from gateway.streams.upstream.desk import Desk
from gateway.streams.upstream.instruments import Instruments
from gateway.streams.upstream.metrics import Metrics, list_plain
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.supervisor import RestartLimiter, supervise


class BrokerLogin:
    """One person's login to the broker; any number of them run side by side.

    What it publishes is of its own: its accounts' records and its statuses carry its name. What it
    holds is followed by the feed of `demand`.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        publisher: Publisher,
        demand: Demand | None = None,
        *,
        name: str = MAIN_LOGIN,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        self.session = BrokerSession(settings, publisher, login=name, clock=clock)
        self.budget = RequestBudget(self.session, clock=clock)
        self.accounts = Accounts(self.session, publisher, settings, clock=clock, budget=self.budget)
        self.instruments = Instruments(self.budget, clock=clock)
        basis = DayBasis(self.budget, clock=clock)
        self.accounts.follow.append(basis.run)
        self.desk = Desk(
            self.accounts,
            self.instruments,
            basis,
            publisher,
            demand,
            login=name,
            clock=clock,
        )
        self._demand = demand
        self._metrics = Metrics(self.budget, publisher, self._list_metrics, clock=clock)

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
            tasks.create_task(supervise("the desk", self.desk.run, restarts), name="desk")
            tasks.create_task(
                supervise("the instruments", self.instruments.run, restarts), name="instruments"
            )
            tasks.create_task(supervise("the metrics", self._metrics.run, restarts), name="metrics")

    def _list_metrics(self) -> dict[str, str]:
        """Return what to have metrics of: what is held, and on the main login what is followed."""
        followed = () if self._demand is None or self.name != MAIN_LOGIN else self._demand.wanted
        return self.desk.list_underlyings() | list_plain(followed)

    def report(self) -> UpstreamReport:
        """Return what `/status` shows of this login; no secrets."""
        return UpstreamReport(
            session=self.session.report(),
            accounts=self.accounts.report(),
            desk=self.desk.report(),
        )
