"""Two logins of two owners in one process, each at a broker of its own, with one market feed."""

import asyncio
import time
from functools import partial

from gateway.streams.account_records import BalanceUpdate
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import QuoteUpdate, Status
from gateway.streams.topics import balance_topic, market_topic, status_topic
from gateway.streams.upstream.login import BrokerLogin
from gateway.streams.upstream.upstream import Upstream
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually


async def test_two_logins_with_accounts_of_the_same_number(simulator: Simulator) -> None:
    with open_simulator("--market", "closed") as second:
        number = simulator.hello["accounts"][0]
        assert number in second.hello["accounts"]
        settings, other = simulator.settings(), second.settings()
        hub, demand = Hub(epoch="test"), Demand(settings.symbols, now_s=time.monotonic)
        logins = [
            BrokerLogin(settings.broker, hub),
            BrokerLogin(other.broker, hub, name="other"),
        ]
        upstream = Upstream(settings.feed, logins, hub, demand)
        task = asyncio.create_task(upstream.run())

        def balance(login: str) -> BalanceUpdate:
            record = hub.latest(balance_topic(number, login))
            assert isinstance(record, BalanceUpdate)
            return record

        def state(upstream: str, login: str) -> str:
            record = hub.latest(status_topic(upstream, login))
            assert isinstance(record, Status)
            return record.state

        def is_live(login: str) -> bool:
            return state("accounts", login) == "live" and not balance(login).stale

        def is_quoted() -> bool:
            quote = hub.latest(market_topic("quote_update", "SPY"))
            return isinstance(quote, QuoteUpdate) and not quote.stale

        try:
            for login in ("main", "other"):
                await eventually(partial(is_live, login), 10)
                assert balance(login).login == login
            await eventually(is_quoted, 10)
            assert (await second.read())["connections"] == {"feed": 0, "account": 1}
            before = balance("main").balance
            want = balance("other").balance + 1000
            await second.control("balance", account=number, cash_delta="1000")
            await eventually(lambda: balance("other").balance == want, 10)
            assert abs(balance("main").balance - before) < 1000
            await second.control("oauth", revoke=True)
            await second.control("tokens", expire=True)
            await second.control("cut", target="account")
            await eventually(lambda: state("session", "other") == "closed", 10)
            await eventually(lambda: balance("other").stale)
            assert state("session", "main") == "live"
            assert not balance("main").stale
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            hub.close("test")
