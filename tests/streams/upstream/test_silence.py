"""A feed that says nothing: stale, then left; a closed market is no fault."""

import math
import time

import pytest

from gateway.streams.markets import MARKETS, Market, SessionState
from gateway.streams.records import MarketRecord, MetricsUpdate, Record
from gateway.streams.upstream import arrival_rate, liquidity, watchdog
from gateway.streams.upstream.calendar import MarketCalendar
from tests.simulation import Simulator
from tests.streams.running import running
from tests.streams.upstream.market import UNIVERSE
from tests.waiting import eventually, scaled

NEVER_S = float("inf")


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge sooner than in earnest, and oftener wrong."""
    monkeypatch.setattr(arrival_rate, "CHANCE", math.log(1e-3))
    monkeypatch.setattr(arrival_rate, "MIN_MOMENTS", 6)


def is_learned(rate: arrival_rate.ArrivalRate) -> bool:
    """Whether its silence is judged by how it moved."""
    return rate.is_learned and rate.limit_s < NEVER_S


@pytest.mark.fault(1)
async def test_a_mute_feed_is_stale_then_left(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "NO_DATA_S", 2.0)
    async with running(simulator.settings(stale_s=0.5)) as up:
        await eventually(up.is_live, 10)
        await simulator.control("mute", keepalive=True, scope="current")
        await eventually(lambda: up.status().state == "stale", 5)
        assert "no market data" in (up.status().reason or "")
        quotes = [up.quote(symbol) for symbol in ("SPY", "QQQ", "SPX")]
        assert all(quote and quote.stale for quote in quotes)
        await eventually(lambda: up.upstream.feed.connects == 2, 10)
        await eventually(up.is_live, 10)


@pytest.mark.fault(1)
async def test_a_short_silence_ends_without_reconnecting(simulator: Simulator) -> None:
    async with running(simulator.settings(stale_s=0.5)) as up:
        await eventually(up.is_live, 10)
        await simulator.control("mute")
        await eventually(lambda: up.status().state == "stale", 5)
        await simulator.control("unmute")
        await eventually(up.is_live, 5)
        assert up.upstream.feed.connects == 1


@pytest.mark.fault(1)
async def test_no_frame_at_all_ends_the_connection_even_when_closed(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "NO_FRAME_S", 1.0)
    async with running(simulator.settings(market="closed")) as up:
        await eventually(lambda: up.quote("SPY"), 10)
        await simulator.control("mute", scope="current")
        await eventually(lambda: up.upstream.feed.connects >= 2, 10)


@pytest.mark.fault(1)
async def test_a_closed_market_is_no_fault(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "QUIET_S", 0.5)
    await simulator.control("market", open=False)
    try:
        async with running(simulator.settings(market="closed", stale_s=0.2)) as up:
            await eventually(lambda: up.quote("SPY"), 10)
            await eventually(lambda: up.status().state == "closed", 5)
            assert up.status().market == "closed"
            quote = up.quote("SPY")
            assert quote is not None
            assert not quote.stale
            assert up.upstream.feed.connects == 1
    finally:
        await simulator.control("market", open=True)


async def test_a_stuck_feed_is_not_taken_for_live_when_it_answers(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives what it had on every subscription, and nothing moves: no price of it is live."""
    monkeypatch.setattr(watchdog, "NO_DATA_S", 1.0)
    symbols = ["SPY", "QQQ", "SPX"]
    seen: list[bool] = []
    async with running(simulator.settings(stale_s=0.5), follows_held=False) as up:
        await eventually(up.is_live, 10)
        await simulator.control("freeze", symbols=symbols)
        await eventually(lambda: up.status().state == "stale", 5)
        publish = up.hub.publish

        def watch(record: Record) -> int:
            if isinstance(record, MarketRecord) and not isinstance(record, MetricsUpdate):
                seen.append(record.stale)
            return publish(record)

        monkeypatch.setattr(up.hub, "publish", watch)
        await eventually(lambda: up.upstream.feed.connects >= 2, 15)
        await eventually(lambda: len(seen) >= 6)
        assert all(seen), "what it had is told, as what it is"
        assert up.status().state == "stale"
        monkeypatch.setattr(up.hub, "publish", publish)
        await simulator.control("freeze", symbols=symbols, frozen=False)
        await eventually(up.is_live, 10)


async def test_one_symbol_that_stops_is_stale_and_no_other(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch)
    async with running(simulator.settings(stale_s=0.5)) as up:
        await eventually(up.is_live, 10)
        paces = up.upstream.feed.watchdog.staleness._rates
        await eventually(lambda: (p := paces.get("QQQ")) and is_learned(p), 10)
        await simulator.control("freeze", symbols=["QQQ"])
        await eventually(lambda: (q := up.quote("QQQ")) and q.stale, 10)
        assert up.status().state == "live"
        assert up.upstream.feed.report().silent_symbols >= 1
        await simulator.control("freeze", symbols=["QQQ"], frozen=False)
        await eventually(lambda: (q := up.quote("QQQ")) and not q.stale, 10)
        assert up.upstream.feed.connects == 1


async def test_at_night_silence_is_a_fault_of_what_is_open_and_of_nothing_else(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch)
    closed: dict[Market, SessionState | None] = dict.fromkeys(MARKETS, "closed")
    night: dict[Market, SessionState | None] = {**closed, "index futures": "open", "crypto": "open"}
    monkeypatch.setattr(MarketCalendar, "read", lambda _: night)
    future = next(each for each in UNIVERSE.instruments if each.startswith("/ES"))
    open_ones = [future, "BTC/USD:CXTALP"]
    async with running(simulator.settings(symbols=("SPY", *open_ones), stale_s=0.5)) as up:
        await eventually(lambda: up.is_live("SPY", *open_ones), 10)
        judge = up.upstream.feed.watchdog.staleness
        await eventually(lambda: is_learned(judge._all), 10)
        await simulator.control("mute", keepalive=True)
        await eventually(lambda: up.status().state == "stale", 10)
        quotes = {each: up.quote(each) for each in ("SPY", *open_ones)}
        assert {(q.market, q.stale) for each in open_ones if (q := quotes[each])} == {
            ("open", True)
        }
        spy = quotes["SPY"]
        assert spy is not None
        assert (spy.market, spy.stale) == ("closed", False)
        await simulator.control("unmute")
        await eventually(lambda: up.is_live("SPY", *open_ones), 10)


@pytest.mark.fault(49)
@pytest.mark.timeout(scaled(90))
async def test_one_market_that_freezes_right_after_connecting(simulator: Simulator) -> None:
    """It answers its subscription and never moves: stale in 15 s, and nobody else is."""
    future = next(each for each in UNIVERSE.instruments if each.startswith("/ES"))
    others = ("SPY", "AAPL", "BTC/USD:CXTALP")
    stale: set[str] = set()
    await simulator.control("freeze", symbols=[future])
    try:
        async with running(simulator.settings(symbols=(*others, future)), follows_held=False) as up:
            await eventually(lambda: up.is_live(*others) and up.quote(future), 10)
            came_s = time.monotonic()

            def is_told() -> bool:
                stale.update(each for each in others if (q := up.quote(each)) is None or q.stale)
                quote = up.quote(future)
                return quote is not None and quote.stale

            await eventually(is_told, liquidity.BUSY_S + 5)
            assert time.monotonic() - came_s > liquidity.BUSY_S - 1
            await eventually(lambda: up.status().state == "degraded")
            assert up.status().reason == "nothing comes of index futures"
            assert up.upstream.feed.connects == 1
            assert is_told()
            assert not stale, "nobody else was disturbed"
            await simulator.control("freeze", symbols=[future], frozen=False)
            await eventually(lambda: up.is_live(*others, future), 10)
    finally:
        await simulator.control("freeze", symbols=[future], frozen=False)
