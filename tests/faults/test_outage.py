"""Upstream is gone: for half an hour in virtual time, and for a while in earnest."""

import asyncio
import contextlib
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from gateway.clock import Clock
from gateway.errors import Unauthorized
from gateway.settings import Settings
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.upstream.accounts import Accounts
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.market_data import MarketData
from gateway.streams.upstream.session import BrokerSession
from tests.faults.observer import observe
from tests.faults.trial import Trial
from tests.processes import open_served
from tests.simulation import open_simulator
from tests.streams.virtual_time import run
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

CAP_S = 60.0
BACK_S = 62.0
UP_S = 100.0
DOWN_S = 1800.0
TOKEN_S = 900.0
MOST_ATTEMPTS = 200
"""Of one kind in half an hour: at half a minute on average, and 20 more at first, some 80."""
SHORT_S = 12.0


class Broker:
    """Tastytrade seen from an SDK session, with a clock that tells when it is down."""

    def __init__(self, told_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun_s = self._loop.time()
        self._told_s = told_s
        self._honoured_until_s = 0.0
        self.session_expiration = 0.0
        self.attempts: dict[str, list[float]] = {}
        """Those that came to nothing, by kind."""
        self.answered: dict[str, list[float]] = {}

    def now_s(self) -> float:
        """Seconds since the start."""
        return self._loop.time() - self._begun_s

    @property
    def is_down(self) -> bool:
        return UP_S <= self.now_s() < UP_S + DOWN_S

    async def __aenter__(self) -> "Broker":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def refresh(self, force: bool = False) -> None:
        if force or self.now_s() > self.session_expiration - 60:
            self._ask("token")
            self._honoured_until_s = self.now_s() + TOKEN_S
            self.session_expiration = self.now_s() + self._told_s

    async def _get(self, path: str, **_: Any) -> dict[str, Any]:
        kind = path.split("/")[1]
        if self.is_down:
            self._ask(kind)
        await self.refresh()
        if self.now_s() > self._honoured_until_s:
            self.attempts.setdefault(kind, []).append(self.now_s())
            raise Unauthorized("401")
        self._ask(kind)
        number = path.split("/")[2] if kind == "accounts" else "5WX00001"
        return {
            "items": [{"account": {"account-number": "5WX00001"}}],
            "account-number": number,
            "net-liquidating-value": "1.00",
        }

    async def _subscribe(self, *_: object) -> None:
        """Part of what an account stream does."""

    def _ask(self, kind: str) -> None:
        """Answer, or refuse the connection."""
        known = self.attempts if self.is_down else self.answered
        known.setdefault(kind, []).append(self.now_s())
        if self.is_down:
            raise httpx2.ConnectError("refused")

    async def stay(self) -> None:
        """Return when the broker goes down."""
        if self.now_s() > UP_S:
            await asyncio.Event().wait()
        await asyncio.sleep(UP_S - self.now_s())
        raise httpx2.ReadError("reset")


class Line:
    """A connection over which nothing goes; what does is in other tests."""

    token = None

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def follow(self, *_: object) -> None:
        """Subscribe."""

    async def connect(self, *_: object) -> None:
        """Follow accounts."""

    async def beat(self) -> None:
        """Send a heartbeat."""

    async def next_event(self, event_type: str) -> Any:
        await self._broker.stay()

    async def next_push(self) -> Any:
        await self._broker.stay()


@contextlib.asynccontextmanager
async def open_feed(feed: MarketData, broker: Any) -> AsyncIterator[Any]:
    await broker._get("/api-quote-tokens")
    feed.reconnect.on_flow()
    yield Line(broker)


@contextlib.asynccontextmanager
async def open_accounts(accounts: Accounts, broker: Any) -> AsyncIterator[Any]:
    await broker._get("/account-stream")
    yield Line(broker)


async def live_through(told_s: float) -> Broker:
    """A broker that went down for half an hour, and what was asked of it meanwhile."""
    loop = asyncio.get_running_loop()
    broker = Broker(told_s)
    settings = Settings(_env_file=None, tt_secret="s", tt_refresh="r", market="open")
    hub = Hub(epoch="test")
    make: Any = lambda _: broker  # noqa: E731
    clock = Clock(monotonic_s=loop.time, wall_s=broker.now_s, steady_s=loop.time)
    session = BrokerSession(settings.broker, hub, make=make, clock=clock)
    demand = Demand(settings.symbols, now_s=loop.time)
    calendar = MarketCalendar("closed")
    feed = MarketData(session, hub, demand, calendar, settings.feed, clock=clock, connect=open_feed)
    accounts = Accounts(session, hub, settings.broker, clock=clock, connect=open_accounts)
    tasks = [asyncio.create_task(each.run()) for each in (session, feed, accounts)]
    await asyncio.sleep(UP_S + DOWN_S + 3 * CAP_S)
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    hub.close("test")
    return broker


@pytest.mark.fault(14)
@pytest.mark.long
@pytest.mark.timeout(scaled(120))
@pytest.mark.parametrize("told_s", [TOKEN_S, 1e9], ids=["token", "token-longer-than-it-is"])
def test_half_an_hour(
    trial: Trial,
    told_s: float,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Login, feed and balances each try on, jittered, a minute apart at most, and all come back."""
    monkeypatch.setattr(asyncio, "to_thread", skip)  # virtual time knows no threads
    caplog.set_level(logging.ERROR, logger="gateway")  # there are 8,000 warnings
    random.seed(trial.rng.random())
    runs = trial.count(3, 50)
    back_s: list[float] = []
    gap_s: list[float] = []
    counts: list[int] = []
    first_s: set[float] = set()
    for _ in range(runs):
        broker = run(live_through(told_s))
        assert {"token", "api-quote-tokens", "accounts", "account-stream"} <= set(broker.attempts)
        for kind, at_s in broker.attempts.items():
            counts.append(len(at_s))
            gap_s += [after - before for before, after in itertools.pairwise(at_s)]
            after = min(each for each in broker.answered[kind] if each > UP_S + DOWN_S)
            back_s.append(after - UP_S - DOWN_S)
            gap_s.append(after - at_s[-1])
        first_s.add(broker.attempts["api-quote-tokens"][-1])
    assert len(first_s) == runs
    trial.tell(f"{runs} half hours: {min(counts)} to {max(counts)} attempts of each kind")
    trial.measure("two attempts apart", gap_s, CAP_S)
    trial.measure("back after", back_s, BACK_S)
    assert max(counts) <= MOST_ATTEMPTS


async def skip(*_: object) -> None:
    """In place of what runs in a thread."""


@pytest.mark.fault(14)
@pytest.mark.long
@pytest.mark.timeout(scaled(180))
def test_a_short_one_in_earnest(trial: Trial) -> None:
    """
    1. A gateway shows prices.
    2. Upstream is down altogether: connections are reset, new ones refused.
    3. It comes back.
    Result: meanwhile `/healthz` answers 200, and the page shows the last values, marked; the
    prices are live again with nobody's help.
    """
    with (
        open_simulator("--rate", "5") as simulator,
        open_served(simulator) as gateway,
        observe(gateway.port, "/events?symbols=SPY") as observer,
    ):
        eventually_sync(lambda: observer.is_live("SPY"), 15)
        simulator.control_sync("quote", symbol="SPY", bid=612.34, ask=612.38, last=612.36)
        eventually_sync(lambda: last_of(observer.last("SPY")) == Decimal("612.36"))
        down_ns = time.monotonic_ns()
        simulator.control_sync("down", seconds=SHORT_S)
        eventually_sync(lambda: not observer.is_live("SPY"))
        told_s = (observer.painted("SPY")[-1].at_ns - down_ns) / 1e9
        pages = 0
        while time.monotonic_ns() < down_ns + SHORT_S * 1e9:
            assert get(gateway.url + "/healthz").status_code == 200
            page = get(gateway.url + "/")
            assert page.status_code == 200
            assert "612.36" in page.text
            assert 'data-state="stale"' in page.text
            assert not observer.is_live("SPY")
            pages += 1
            time.sleep(0.25)
        up_s = time.monotonic()
        eventually_sync(lambda: observer.is_live("SPY"), BACK_S)
        back_s = time.monotonic() - up_s
        assert last_of(observer.last("SPY")) == Decimal("612.36")
        assert not observer.lost_ns
    trial.tell(
        f"{SHORT_S:.0f} s in earnest: {pages} pages served, marked; told after {told_s:.2f} s"
    )
    trial.measure("live again after", [back_s], BACK_S)


def last_of(record: dict[str, Any] | None) -> Decimal | None:
    """The last price of a record."""
    return record["last"] if record else None
