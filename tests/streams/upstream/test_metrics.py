"""Metrics of what is held and followed, from the simulator."""

from decimal import Decimal

from gateway.streams.records import MetricsUpdate
from gateway.streams.topics import market_topic
from gateway.streams.upstream.metrics import list_plain
from tests.simulation import Simulator
from tests.streams.running import Running, running
from tests.waiting import eventually


def find(up: Running, symbol: str) -> MetricsUpdate | None:
    record = up.hub.latest(market_topic("metrics_update", symbol))
    assert record is None or isinstance(record, MetricsUpdate)
    return record


async def test_what_is_held_and_what_is_followed_has_metrics(simulator: Simulator) -> None:
    async with running(simulator.settings(symbols=("KO", "SPX"))) as up:
        await eventually(lambda: all(find(up, each) for each in ("KO", "SPX", "TSLA", "AAPL")), 15)
        record = find(up, "TSLA")
        assert record is not None
        assert record.beta is not None
        assert 0 <= (record.implied_volatility_rank or Decimal(-1)) <= 1
        with up.demand.acquire(["META"]):
            await eventually(lambda: find(up, "META"), 10)


async def test_a_lost_feed_leaves_them_as_they_are(simulator: Simulator) -> None:
    async with running(simulator.settings()) as up:
        await eventually(lambda: find(up, "SPY") and up.quote("SPY"), 15)
        assert up.hub.mark_stale() > 0
        record = find(up, "SPY")
        assert record is not None
        assert not record.stale


def test_only_what_the_broker_calls_the_same_is_asked_for() -> None:
    symbols = ["SPY", "BRK/B", ".SPY261218C600", "/ESZ26:XCME", "BTC/USD:CXTALP", "SPY{=5m}"]
    assert list_plain(symbols) == {"SPY": "SPY", "BRK/B": "BRK/B"}
