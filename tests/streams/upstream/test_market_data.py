"""The feed against the simulator, through the real SDK over real sockets: data, reconnects, faults.

Every test ends by checking that no task of the upstream half is left.
"""

import asyncio
import logging
from decimal import Decimal
from typing import Any

import pytest

from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.records import MARKET_TYPES, MarketRecord, MarketUpdate, Status
from gateway.streams.symbols import is_option
from gateway.streams.topics import market_topic
from gateway.streams.upstream import subscriptions
from gateway.streams.upstream.sdk import EVENT_TYPES
from gateway.streams.upstream.subscriptions import list_event_types
from tests.simulation import Simulator
from tests.streams.pulling import Puller
from tests.streams.running import running
from tests.streams.upstream.market import UNIVERSE
from tests.waiting import eventually

OPTIONS = sorted(UNIVERSE.options)


ALL_MARKET = subscription_for(types=MARKET_TYPES)


STREAMED = MARKET_TYPES - {"metrics_update"}  # which REST brings


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


async def test_delayed_quotes_are_said_to_be_delayed(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        assert up.status().data_quality == "real-time"
        up.upstream.feed._has_delayed_quotes = True
        await simulator.control("cut", target="feed")
        await eventually(lambda: up.status().data_quality == "delayed", 10)
        await eventually(lambda: up.status().state == "live", 10)
        assert "delayed" in (up.status().reason or "")
