"""The feed against the simulator, through the real SDK over real sockets: data, reconnects, faults.

Every test ends by checking that no task of the upstream half is left.
"""

import asyncio
import logging
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import FeedSilent
from gateway.simulator.market.universe import list_universe
from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.markets import MARKETS, Market, SessionState
from gateway.streams.records import (
    MARKET_TYPES,
    MarketRecord,
    MarketUpdate,
    MetricsUpdate,
    Record,
    Status,
)
from gateway.streams.symbols import is_option
from gateway.streams.topics import market_topic
from gateway.streams.upstream import sdk, staleness, subscriptions, watchdog
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.market_data import MarketData
from gateway.streams.upstream.sdk import EVENT_TYPES
from gateway.streams.upstream.subscriptions import list_event_types
from gateway.streams.upstream.supervisor import MAX_RESTARTS, StageFailed
from tests.simulation import Simulator
from tests.streams.pulling import Puller
from tests.streams.running import running
from tests.waiting import eventually, scaled

UNIVERSE = list_universe(datetime.now(UTC).date())
OPTIONS = sorted(UNIVERSE.options)
ALL_MARKET = subscription_for(types=MARKET_TYPES)
STREAMED = MARKET_TYPES - {"metrics_update"}  # which REST brings


NEVER_S = float("inf")


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge sooner than in earnest, and oftener wrong."""
    monkeypatch.setattr(staleness, "CHANCE", math.log(1e-3))
    monkeypatch.setattr(staleness, "MIN_MOMENTS", 6)


async def held_upstream(simulator: Simulator) -> dict[str, set[str]]:
    return {k: set(v) for k, v in (await simulator.read("subscriptions")).items() if v}


async def test_all_event_types_arrive(simulator: Simulator) -> None:
    option = OPTIONS[len(OPTIONS) // 2]
    symbols = ("SPY", "QQQ", "SPX", "SPY{=5m}", option)
    async with running(simulator.settings(symbols=symbols)) as up:
        await eventually(
            lambda: {e.topic.kind for e in up.hub.snapshot(ALL_MARKET)} >= STREAMED, 10
        )
        greeks = up.hub.latest(market_topic("greeks_update", option))
        theo = up.hub.latest(market_topic("theo_update", option))
        assert isinstance(greeks, MarketRecord)
        assert isinstance(theo, MarketRecord)
        assert not greeks.stale


async def test_the_newest_quote_is_the_one_last_sent(simulator: Simulator) -> None:
    """The digits too: what leaves the gateway is what the wire carried."""
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("quote", symbol="QQQ", bid="450.10", ask="450.20", bid_size=700)
        await eventually(lambda: (q := up.quote("QQQ")) and q.bid == Decimal("450.10"))
        quote = up.quote("QQQ")
        assert quote is not None
        assert (quote.ask, quote.bid_size) == (Decimal("450.20"), Decimal(700))
        assert str(quote.bid) == "450.1"
        assert quote.source == "dxfeed_stream"


async def test_one_sided_option_and_index_without_quotes(simulator: Simulator) -> None:
    option = OPTIONS[len(OPTIONS) // 2]
    async with running(simulator.settings(symbols=("SPY", "SPX", option))) as up:
        await eventually(lambda: up.is_live("SPY", "SPX", option), 10)
        await simulator.control("quote", symbol=option, bid=None, ask="0.05", bid_size=None)
        await eventually(lambda: (q := up.quote(option)) and q.ask == Decimal("0.05"), 1)
        quote = up.quote(option)
        assert quote is not None
        assert quote.bid is None
        assert quote.bid_size is None
        index = up.quote("SPX")
        assert index is not None
        assert (index.bid, index.ask, index.bid_size) == (None, None, None)
        assert index.prev_close is not None
        assert index.last is not None


async def test_the_set_upstream_follows_the_wanted_set(simulator: Simulator) -> None:
    async with running(simulator.settings(linger_s=0.2), follows_held=False) as up:
        await eventually(up.is_live, 10)
        option = OPTIONS[0]
        with up.demand.acquire(["AAPL", option]):
            await eventually(lambda: up.quote("AAPL") and up.quote(option), 5)

            async def is_equal() -> bool:
                held = await held_upstream(simulator)
                for event_type in EVENT_TYPES:
                    wanted = {s for s in up.demand.wanted if event_type in list_event_types(s)}
                    assert held.get(event_type, set()) == wanted, event_type
                return True

            await eventually(is_equal)

        async def is_released() -> bool:
            return "AAPL" not in (await held_upstream(simulator))["Quote"]

        await eventually(is_released)
        await eventually(lambda: up.quote("AAPL") is None)
        assert up.quote("SPY") is not None


@pytest.mark.fault(6)
async def test_five_hundred_symbols_in_chunks(simulator: Simulator) -> None:
    wanted = OPTIONS[:500]
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        with up.demand.acquire(wanted):

            async def all_held() -> bool:
                held = await held_upstream(simulator)
                return held.get("Quote", set()) >= set(wanted)

            await eventually(all_held, 10)
            await eventually(lambda: all(up.quote(symbol) for symbol in wanted), 10)
        assert up.upstream.feed.connects == 1


@pytest.mark.fault(6)
async def test_lost_additions_are_made_again(simulator: Simulator) -> None:
    wanted = [option for option in OPTIONS if is_option(option)][:60]
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("drop_adds", every=7)
        with up.demand.acquire(wanted):
            await eventually(lambda: all(up.quote(symbol) for symbol in wanted), 10)
        assert up.upstream.feed.connects == 1


@pytest.mark.parametrize("cut", [{}, {"code": 1012, "reason": "Reconnection is required"}])
async def test_a_cut_feed_is_told_and_mended(simulator: Simulator, cut: dict[str, Any]) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        stale_seen: list[Status] = []
        subscriber = Puller(up.hub, Subscription())

        async def watch() -> None:
            while records := await subscriber.read_records():
                stale_seen.extend(
                    each for each in records if isinstance(each, Status) and each.upstream == "feed"
                )

        watcher = asyncio.create_task(watch())
        await simulator.control("cut", target="feed", **cut)
        await eventually(lambda: up.upstream.feed.connects == 2, 10)
        await eventually(up.is_live, 5)
        await eventually(lambda: stale_seen[-1].state == "live")
        assert stale_seen[0].state == "stale"
        assert "reconnecting" in (stale_seen[0].reason or "")
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        subscriber.close()
        assert up.hub.subscribers == 0


async def test_down_and_up_again(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("down", seconds=2)
        await eventually(lambda: up.status().state == "stale", 5)
        quote = up.quote("SPY")
        assert quote is not None
        assert quote.stale
        await eventually(up.is_live, 10)


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
        await eventually(lambda: (p := paces.get("QQQ")) and p.limit_s < NEVER_S, 10)
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
        await eventually(lambda: judge._all.limit_s < NEVER_S, 10)
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


async def test_quotes_say_when_their_market_opens_and_closes(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("freeze", symbols=["QQQ"])
        assert {q.market for s in ("SPY", "QQQ") if (q := up.quote(s))} == {"open"}
        up.upstream.calendar.mode = "closed"
        await eventually(lambda: (q := up.quote("SPY")) and q.market == "closed")
        await eventually(lambda: (q := up.quote("QQQ")) and q.market == "closed")
        await eventually(lambda: up.status().market == "closed")
        quote = up.quote("QQQ")
        assert quote is not None
        assert not quote.stale, "closed is not stale"


async def test_a_quote_is_stale_until_all_its_parts_have_come_again(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a cut a bid is new and the last price may be an hour old: it is one record."""
    monkeypatch.setattr(subscriptions, "AUDIT_S", (0.5, 1.0))
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        before = up.quote("QQQ")
        assert before is not None
        assert before.last is not None
        await simulator.control("mute", types=["Trade"])
        await simulator.control("cut", target="feed")
        await eventually(lambda: up.upstream.feed.connects == 2, 10)
        merged = up.upstream.feed.normalizer._quotes._parts["QQQ"]
        await eventually(lambda: merged.old == {"Trade"}, 5)
        quote = up.quote("QQQ")
        assert quote is not None
        assert quote.stale
        assert quote.last is not None
        await eventually(lambda: (q := up.quote("QQQ")) and not q.stale, 5)
        quote = up.quote("QQQ")
        assert quote is not None
        assert quote.last is None, "what did not come again is not known"
        assert quote.bid is not None
        await simulator.control("unmute")
        await eventually(lambda: (q := up.quote("QQQ")) and q.last, 5)


@pytest.mark.fault(6)
async def test_a_closed_channel_is_opened_again(simulator: Simulator) -> None:
    async with running(simulator.settings(), follows_held=False) as up:
        await eventually(up.is_live, 10)
        before = await held_upstream(simulator)
        await simulator.control("close_channel", type="Quote")

        async def is_restored() -> bool:
            return (await held_upstream(simulator)).get("Quote") == before["Quote"]

        await eventually(is_restored, 5)
        await simulator.control("quote", symbol="SPY", bid="1.25", ask="1.26")
        await eventually(lambda: (q := up.quote("SPY")) and q.bid == Decimal("1.25"))
        assert up.upstream.feed.connects == 1
        await simulator.control("freeze", symbols=["SPY"], frozen=False)


@pytest.mark.fault(9)
@pytest.mark.parametrize("kind", ["nan", "garbage", "arity", "empty", "unknown"])
async def test_bad_frames_are_survived(simulator: Simulator, kind: str) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("inject", kind=kind, type="Quote", symbol="SPY")
        await simulator.control("quote", symbol="QQQ", bid="450.10", ask="450.20")
        await eventually(lambda: (q := up.quote("QQQ")) and q.bid == Decimal("450.10"))
        assert up.upstream.feed.connects == 1
        if kind != "nan":
            assert up.upstream.feed.dropped.total() > 0
        await simulator.control("freeze", symbols=["QQQ"], frozen=False)


@pytest.mark.fault(9)
@pytest.mark.parametrize("kind", ["oversized", "error"])
async def test_frames_that_end_a_connection_lead_to_another(
    simulator: Simulator, kind: str
) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("inject", kind=kind)
        await eventually(lambda: up.upstream.feed.connects == 2, 10)
        await eventually(up.is_live, 10)


@pytest.mark.fault(17)
async def test_a_quote_token_that_ends_in_mid_stream(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("deauth")
        await eventually(lambda: up.upstream.feed.connects == 2, 10)
        await eventually(up.is_live, 10)
        assert up.upstream.feed.last_error == "the market data feed refused the quote token"


@pytest.mark.fault(17)
async def test_a_refused_quote_token_is_not_sent_in_a_loop(simulator: Simulator) -> None:
    """Refused without a close: the SDK alone would send it 4,000 times a second."""
    await simulator.control("quote_tokens", refuse="silent")
    async with running(simulator.settings()) as up:
        await eventually(lambda: up.upstream.feed.last_error is not None, 10)
        assert up.upstream.feed.last_error == "the market data feed refused the quote token"
        await simulator.control("quote_tokens", refuse=None)
        await eventually(up.is_live, 15)


@pytest.mark.fault(17)
async def test_bad_gateway_on_the_upgrade(simulator: Simulator) -> None:
    await simulator.control("upgrade", status=502, count=3, target="feed")
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 15)
        assert up.upstream.feed.last_error is not None
        assert "502" in up.upstream.feed.last_error


async def test_a_server_that_never_answers(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entering the streamer has no time limit of its own."""
    monkeypatch.setattr(sdk, "CONNECT_TIMEOUT_S", 0.5)
    await simulator.control("stall", feed=True)
    async with running(simulator.settings()) as up:
        await eventually(lambda: up.upstream.feed.last_error is not None, 10)
        await simulator.control("reset")
        await eventually(up.is_live, 15)


@pytest.mark.fault(19)
async def test_a_poison_event_restarts_one_pump(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        normalizer = up.upstream.feed.normalizer
        normalize = normalizer.normalize
        poisoned = 0

        def poison(event: Any, now_ms: int, **how: Any) -> list[MarketUpdate]:
            nonlocal poisoned
            if type(event).__name__ == "Trade" and poisoned < 2:
                poisoned += 1
                raise ZeroDivisionError("poison")
            return normalize(event, now_ms, **how)

        monkeypatch.setattr(normalizer, "normalize", poison)
        # The drain keeps its own reference: a reconnect makes it look again.
        await simulator.control("cut", target="feed")
        await eventually(lambda: poisoned == 2, 15)
        connects = up.upstream.feed.connects
        await eventually(up.is_live, 5)
        assert up.upstream.feed.connects == connects
        assert up.upstream.feed.dropped["Trade", "failed"] == 2
        assert "pump of Trade failed" in caplog.text


@pytest.mark.fault(19)
async def test_a_stage_that_cannot_be_kept_alive_ends_the_run(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="gateway")

    def poison(event: Any, now_ms: int, **how: Any) -> list[MarketUpdate]:
        raise ZeroDivisionError("poison")

    async with running(simulator.settings()) as up:
        monkeypatch.setattr(up.upstream.feed.normalizer, "normalize", poison)
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(scaled(15)):
                await asyncio.shield(up.task)
        assert caught.group_contains(StageFailed, match=f"failed {MAX_RESTARTS + 1} times")


async def test_no_secret_is_logged_even_at_debug(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = simulator.settings()
    assert settings.tt_secret
    assert settings.tt_refresh
    secrets = [settings.tt_secret.get_secret_value(), settings.tt_refresh.get_secret_value()]
    async with running(settings) as up:
        await eventually(up.is_live, 10)
        await eventually(lambda: up.hub.balances())
        sdk = await up.upstream.session.ready()
        secrets.append(sdk.session_token)
        balance = str(up.hub.balances()[0].balance)
        await simulator.control("cut", target="all")
        await eventually(lambda: up.upstream.feed.connects == 2, 10)
    for secret in [*secrets, balance]:
        assert secret not in caplog.text


@pytest.mark.parametrize("turns", range(6))
async def test_an_end_that_comes_together_with_a_fault_is_not_lost(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """As when a process wakes up that slept: its lease is lost, and its feed was silent."""
    fault = asyncio.Event()

    async def watch(feed: MarketData) -> None:
        await fault.wait()
        raise FeedSilent("nothing has come for a while")

    monkeypatch.setattr(MarketData, "_watch", watch)
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        fault.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        up.task.cancel()
        await asyncio.wait([up.task], timeout=scaled(5))
        assert up.task.done()


async def test_no_right_to_quotes_is_told_as_that_and_asked_again_rarely(
    simulator: Simulator,
) -> None:
    await simulator.control("rest", status=403, path="/api-quote-tokens")
    async with running(simulator.settings()) as up:
        policy = up.upstream.feed.reconnect.policy
        await eventually(lambda: policy.failures == 2, 10)
        reason = up.status().reason or ""
        assert "streaming quotes need an approved, funded account (status 403" in reason
        assert "lost" not in reason
        assert up.upstream.session.refreshes == 1


async def test_delayed_quotes_are_said_to_be_delayed(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        assert up.status().data_quality == "real-time"
        up.upstream.feed._has_delayed_quotes = True
        await simulator.control("cut", target="feed")
        await eventually(lambda: up.status().data_quality == "delayed", 10)
        await eventually(lambda: up.status().state == "live", 10)
        assert "delayed" in (up.status().reason or "")
