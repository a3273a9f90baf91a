"""Candles: a snapshot, what follows it, and both over the real SDK and the simulator."""

import time
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.records import CandleHistory, CandleUpdate, QuoteUpdate
from gateway.streams.symbols import event_types, parse_symbol
from gateway.streams.topics import market_topic
from gateway.streams.upstream.candles import (
    MAX_CANDLES,
    Candle,
    Flags,
    Series,
    history_s,
    period_s,
    split_candle,
)
from gateway.streams.upstream.normalize import Normalizer
from gateway.streams.upstream.sdk import EVENT_CLASSES
from tests.simulation import Simulator
from tests.streams.running import running
from tests.waiting import eventually

BEGINS, ENDS, REMOVES = Flags(begins=True), Flags(ends=True), Flags(removes=True)
LIVE = Flags()
NOW_MS = 1_795_188_600_123


def candle(minute: int, price: str = "1.00") -> Candle:
    value = Decimal(price)
    return Candle(60_000 * minute, value, value, value, value, Decimal(5), value, 3)


def times(series: Series) -> list[int]:
    return [each.time // 60_000 for each in series.candles]


def test_a_snapshot_shows_only_when_it_is_complete() -> None:
    series = Series()
    assert series.apply(candle(3), BEGINS) == "nothing"
    assert series.apply(candle(2), LIVE) == "nothing"
    assert series.candles == []
    assert series.apply(candle(1), ENDS) == "all"
    assert times(series) == [1, 2, 3]


def test_what_follows_replaces_adds_and_corrects() -> None:
    series = Series()
    series.apply(candle(3), BEGINS)
    series.apply(candle(1), ENDS)
    assert series.apply(candle(3, "2.00"), LIVE) == "newest"
    assert series.candles[-1].close == 2
    assert series.apply(candle(4), LIVE) == "all"
    assert series.apply(candle(2), LIVE) == "all", "one that was missing"
    assert series.apply(candle(1, "9.00"), LIVE) == "all"
    assert times(series) == [1, 2, 3, 4]
    assert series.candles[0].close == 9
    assert series.apply(candle(2), REMOVES) == "all"
    assert series.apply(candle(2), REMOVES) == "nothing"
    assert times(series) == [1, 3, 4]


def test_a_second_snapshot_replaces_the_first_at_its_end() -> None:
    series = Series()
    series.apply(candle(5), Flags(begins=True, ends=True))
    assert series.apply(candle(9), BEGINS) == "nothing"
    assert times(series) == [5]
    assert series.apply(candle(8), ENDS) == "all"
    assert times(series) == [8, 9]
    assert series.apply(candle(0), Flags(begins=True, ends=True, removes=True)) == "all"
    assert series.candles == []


def test_a_series_is_bounded() -> None:
    series = Series()
    series.apply(candle(MAX_CANDLES + 99), BEGINS)
    for minute in range(MAX_CANDLES + 98, 0, -1):
        series.apply(candle(minute), LIVE)
    series.apply(candle(0), ENDS)
    assert len(series.candles) == MAX_CANDLES
    series.apply(candle(MAX_CANDLES + 100), LIVE)
    assert times(series) == list(range(101, MAX_CANDLES + 101))


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 15))))
def test_whatever_comes_the_order_is_right(events: list[tuple[int, int]]) -> None:
    series = Series()
    for minute, bits in events:
        series.apply(candle(minute), Flags(bool(bits & 4), bool(bits & 8), bool(bits & 2)))
        assert times(series) == sorted(set(times(series)))


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("qqq{=5m}", "QQQ{=5m}"),
        ("QQQ{=1d}", "QQQ{=d}"),
        ("QQQ{=1m,tho=true}", "QQQ{=m,tho=true}"),
        ("QQQ{=15m,tho=true,a=s}", "QQQ{=15m,a=s,tho=true}"),
        ("/ESZ26:XCME{=1h}", "/ESZ26:XCME{=h}"),
        (".SPY261218C600{=1mo}", ".SPY261218C600{=mo}"),
    ],
)
def test_a_candles_symbol_has_one_form(text: str, symbol: str) -> None:
    assert parse_symbol(text) == parse_symbol(symbol) == symbol
    assert event_types(symbol) == ("Candle",)
    assert "{=".join(split_candle(symbol)) + "}" == symbol


def test_periods() -> None:
    assert [period_s(f"A{{={each}}}") for each in ("m", "5m,tho=true", "h", "2d", "mo", "v")] == [
        *(60, 300, 3600, 172_800, 2_592_000),
        None,
    ]
    assert history_s("A{=m}") > MAX_CANDLES * 60
    assert history_s("A{=d}") > MAX_CANDLES * 86_400


def make_event(time_ms: Any, flags: int = 0, close: Any = "450.25") -> Any:
    row = ["QQQ{=5m}", 0, flags, 7, time_ms, 0, 12, "1200", "NaN", *["NaN"] * 4]
    (event,) = EVENT_CLASSES["Candle"].from_stream([*row, close, close, close, close])
    return event


def test_records_are_the_history_and_the_newest() -> None:
    normalizer = Normalizer()
    assert not normalizer.is_loading("QQQ{=5m}")
    assert normalizer.normalize(make_event(600_000, 4), NOW_MS) == []
    assert normalizer.is_loading("QQQ{=5m}")
    assert normalizer.normalize(make_event(300_000, 0, "NaN"), NOW_MS) == []
    history, newest = normalizer.normalize(make_event(1, 8), NOW_MS)
    assert not normalizer.is_loading("QQQ{=5m}")
    assert isinstance(history, CandleHistory)
    assert history.topic == market_topic("candle_history", "QQQ{=5m}")
    assert history.time == (1, 300_000)
    assert history.close == (Decimal("450.25"), None), "unknown, and not 0 as the SDK has it"
    assert isinstance(newest, CandleUpdate)
    assert (newest.time, newest.close, newest.volume, newest.vwap, newest.trades) == (
        *(600_000, Decimal("450.25"), Decimal(1200)),
        *(None, 12),
    )
    assert [type(each) for each in normalizer.normalize(make_event(600_000), NOW_MS)] == [
        CandleUpdate
    ]
    assert normalizer.normalize(make_event("NaN"), NOW_MS) == [], "what has no time has no place"
    normalizer.forget(["QQQ{=5m}"])
    history, newest = normalizer.normalize(make_event(900_000), NOW_MS)
    assert isinstance(history, CandleHistory)
    assert history.time == ()


def test_an_empty_history_is_known_to_be_empty() -> None:
    (history,) = Normalizer().normalize(make_event(0, 14), NOW_MS)
    assert isinstance(history, CandleHistory)
    assert history.time == ()


async def test_candles_come_with_their_history_and_go_on(simulator: Simulator) -> None:
    async with running(simulator.settings(symbols=("SPY",))) as up:
        symbols = ["QQQ{=5m,tho=true}", "QQQ{=m}", "SPY{=d}", "NOSUCH{=h}"]
        with up.demand.acquire(symbols):
            for symbol in symbols[:3]:
                await eventually(partial(up.hub.latest, market_topic("candle_update", symbol)), 10)
                history = up.hub.latest(market_topic("candle_history", symbol))
                newest = up.hub.latest(market_topic("candle_update", symbol))
                assert isinstance(history, CandleHistory)
                assert isinstance(newest, CandleUpdate)
                assert len(history.time) > 200
                assert list(history.time) == sorted(set(history.time))
                assert history.time[-1] < newest.time <= time.time() * 1000
                assert len(history.close) == len(history.time)
                assert all(each is not None and each > 0 for each in history.close)
            await eventually(
                lambda: up.hub.latest(market_topic("candle_history", "NOSUCH{=h}")), 10
            )
            assert up.hub.latest(market_topic("candle_update", "NOSUCH{=h}")) is None
            with up.demand.acquire(["QQQ"]):
                await eventually(lambda: _has_the_last_price(up), 10)
        held = await simulator.read("subscriptions")
        assert set(held["Candle"]) >= set(symbols)
        up.demand.expire()


def _has_the_last_price(up: Any) -> bool:
    newest = up.hub.latest(market_topic("candle_update", "QQQ{=m}"))
    quote = up.hub.latest(market_topic("quote_update", "QQQ"))
    return isinstance(quote, QuoteUpdate) and quote.last is not None and newest.close == quote.last


async def test_what_nobody_wants_is_let_go(simulator: Simulator) -> None:
    async with running(simulator.settings(symbols=("SPY",), linger_s=0)) as up:
        with up.demand.acquire(["QQQ{=5m,tho=true}"]):
            await eventually(
                lambda: up.hub.latest(market_topic("candle_update", "QQQ{=5m,tho=true}")), 10
            )
        await eventually(lambda: _is_let_go(simulator), 10)
        assert up.hub.latest(market_topic("candle_update", "QQQ{=5m,tho=true}")) is None


async def _is_let_go(simulator: Simulator) -> bool:
    return not (await simulator.read("subscriptions")).get("Candle")
