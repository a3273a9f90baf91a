"""The upstream half as a whole: tokens over many lives, and what `/status` tells."""

import asyncio
import time
from functools import partial

import msgspec
import pytest

from gateway.streams.hub.subscription import subscription_for
from gateway.streams.records import MarketRecord, QuoteUpdate, Record, Status
from gateway.streams.reports import FeedReport
from gateway.streams.topics import status_topic
from tests.faults.trial import Trial
from tests.simulation import Simulator
from tests.streams.pulling import Puller
from tests.streams.running import Running, running
from tests.waiting import eventually

LIFE_S = 1.8
"""A tenth of what was also tried by hand; the simulator tells 900 s and honours this."""


async def unauthorized(simulator: Simulator) -> int:
    answers: dict[str, int] = (await simulator.read())["unauthorized"]
    return sum(answers.values())


async def longest_gap_s(up: Running, lives: int) -> float:
    """The longest time between two quotes over so many token lives."""
    subscriber = Puller(up.hub, subscription_for(types=frozenset({"quote_update"})))
    end_s = time.monotonic() + lives * LIFE_S
    last_s, longest_s = time.monotonic(), 0.0
    try:
        while last_s < end_s:
            records = await subscriber.read_records()
            assert records is not None
            if any(isinstance(each, QuoteUpdate) for each in records):
                now_s = time.monotonic()
                longest_s, last_s = max(longest_s, now_s - last_s), now_s
    finally:
        subscriber.close()
    return longest_s


@pytest.mark.fault(16)
async def test_refreshed_in_time_nothing_is_ever_refused(
    simulator: Simulator, trial: Trial
) -> None:
    """Over five token lives: no unauthorized answer, one connection, no gap in the quotes."""
    await simulator.control("tokens", told_s=900, honoured_s=LIFE_S)
    settings = simulator.settings(refresh_s=1, balance_poll_s=1)
    async with running(settings) as up:
        await eventually(up.is_live, 10)
        before = await unauthorized(simulator)
        gap_s = await longest_gap_s(up, lives=5)
        assert await unauthorized(simulator) == before
        assert up.upstream.session.refreshes >= 7
        assert up.upstream.feed.connects == 1
        assert gap_s < settings.stale_s
    trial.tell("refreshed in time over 5 lives of a token: nothing refused, no gap in the quotes")


@pytest.mark.fault(16)
async def test_without_a_period_each_life_of_a_token_costs_one_refresh(
    simulator: Simulator,
) -> None:
    """Over three token lives: a refresh each, shared by all that it refused; no poll is lost."""
    async with running(simulator.settings(refresh_s=0, balance_poll_s=1)) as up:
        await eventually(up.is_live, 10)
        await simulator.control("tokens", told_s=900, honoured_s=LIFE_S, expire=True)
        refused = await unauthorized(simulator)
        state = await simulator.read()
        refreshes = state["counters"]["refresh_requests"]
        polls, begun_s = up.upstream.accounts.polls, time.monotonic()
        await longest_gap_s(up, lives=3)
        state = await simulator.read()
        spent = state["counters"]["refresh_requests"] - refreshes
        lives = (time.monotonic() - begun_s) / LIFE_S
        assert 2 <= spent <= lives + 1, "no more than one for each token"
        assert await unauthorized(simulator) - refused >= spent, "none without a refusal"
        # Balances are asked for once a second at most.
        assert up.upstream.accounts.polls - polls >= 4
        assert not up.upstream.accounts.dropped


@pytest.mark.fault(18)
async def test_a_clock_that_is_set_disturbs_nothing(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour forward, two back, one forward again: under the SDK too, which reads the same clock.

    A token is taken for expired at most once for each step.
    """
    real_s, real_ns, step_s = time.time, time.time_ns, [0]
    monkeypatch.setattr(time, "time", lambda: real_s() + step_s[0])
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + step_s[0] * 1_000_000_000)
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await eventually(lambda: up.hub.latest(status_topic("accounts")))
        states: set[str] = set()
        publish = up.hub.publish

        def watch(record: Record) -> int:
            if isinstance(record, Status):
                states.add(f"{record.upstream} {record.state}")
            elif isinstance(record, MarketRecord) and record.stale:
                states.add(f"{record.symbol} stale")
            return publish(record)

        await eventually(
            lambda: (
                (a := up.hub.latest(status_topic("accounts")))
                and isinstance(a, Status)
                and a.state == "live"
            )
        )
        monkeypatch.setattr(up.hub, "publish", watch)
        before = (await simulator.read())["counters"]["refresh_requests"]
        accounts, feed = up.upstream.accounts, up.upstream.feed
        for step_s[0] in (3600, -3600, 0):
            for _ in range(3):
                polls, received = accounts.polls, feed.received.total()
                accounts._poll_now.set()
                await eventually(partial(lambda n: accounts.polls > n, polls))
                await eventually(partial(lambda n: feed.received.total() > n, received))
        monkeypatch.setattr(up.hub, "publish", publish)
        after = (await simulator.read())["counters"]["refresh_requests"]
        assert after - before <= 3
        assert states <= {f"{each} live" for each in ("session", "feed", "accounts")}
        assert feed.connects == accounts.connects == 1
        assert "WARNING" not in {record.levelname for record in caplog.records}


async def test_the_report_is_plain_and_without_secrets(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await eventually(lambda: up.hub.balances())
        await eventually(lambda: set(up.upstream.feed.received) >= {"Quote", "Trade", "Summary"})
        report = up.upstream.report()
        text = msgspec.json.encode(report).decode()
        sdk = await up.upstream.session.ready()
        for secret in (
            simulator.hello["secret"],
            simulator.hello["refresh"],
            sdk.session_token,
            *simulator.hello["accounts"],
            str(up.hub.balances()[0].balance),
        ):
            assert secret not in text
        assert isinstance(report.feed, FeedReport)
        assert report.feed.connects == 1
        assert (report.feed.last_event_age_s or 0) < 10


async def test_the_upstream_half_ends_in_order(simulator: Simulator) -> None:
    """Cancelled, it closes its sockets: the simulator holds no connection of it any more."""
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)

    async def is_alone() -> bool:
        connections = (await simulator.read())["connections"]
        return bool(connections == {"feed": 0, "account": 0})

    await eventually(is_alone)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("pump")]
