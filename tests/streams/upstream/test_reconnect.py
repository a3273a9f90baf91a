"""What ends a connection leads to another one, at its pace; what cannot be mended ends the run."""

import asyncio
import logging
from typing import Any

import pytest

from gateway.errors import FeedSilent
from gateway.streams.records import MarketUpdate
from gateway.streams.upstream import sdk
from gateway.streams.upstream.market_data import MarketData
from gateway.streams.upstream.supervisor import MAX_RESTARTS, StageFailed
from tests.simulation import Simulator
from tests.streams.running import running
from tests.waiting import eventually, scaled


async def test_down_and_up_again(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(up.is_live, 10)
        await simulator.control("down", seconds=2)
        await eventually(lambda: up.status().state == "stale", 5)
        quote = up.quote("SPY")
        assert quote is not None
        assert quote.stale
        await eventually(up.is_live, 10)


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
