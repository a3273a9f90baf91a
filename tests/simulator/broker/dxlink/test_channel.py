import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.broker.dxlink.channel import (
    MAX_FRAME_BYTES,
    MOST_WAITING,
    BadAction,
    FeedChannel,
)
from gateway.simulator.broker.dxlink.rows import BITS, FIELDS, make_row
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

START = 1_795_190_400.0
UNIVERSE = list_universe(date(2026, 11, 20))
CALL = ".SPY261218C600"


def make_channel(contract: str = "AUTO", **setup: Any) -> tuple[FeedChannel, Market]:
    market = Market(UNIVERSE, seed=7, now=START)
    channel = FeedChannel(1, contract, market)
    if setup:
        channel.setup(setup)
    return channel, market


def take(channel: FeedChannel, now: float) -> list[dict[str, Any]]:
    return [json.loads(frame.payload) for frame in channel.take(now)]


def rows_of(channel: FeedChannel, now: float) -> list[tuple[Any, ...]]:
    return [row for frame in channel.take(now) for row in frame.rows]


def test_every_type_has_rows_of_its_fields() -> None:
    market = Market(UNIVERSE, seed=7, now=START)
    for symbol in (*UNIVERSE.instruments, CALL, ".SPXW261127C7500"):
        book = market.find(symbol)
        assert book is not None
        for event_type in BITS:
            row = make_row(event_type, book, START)
            if row is not None:
                assert len(row) == len(FIELDS[event_type])
                assert row[0] == symbol
                assert not any(isinstance(value, float) and math.isnan(value) for value in row)
        assert make_row("Nope", book, START) is None


@pytest.mark.parametrize(
    ("symbol", "types"),
    [
        ("SPY", {"Quote", "Trade", "TradeETH", "Summary", "Profile", "Underlying"}),
        ("SPX", {"Trade", "Summary", "Profile", "Underlying"}),
        ("VIX", {"Trade", "Summary", "Profile"}),
        ("/ESZ26:XCME", {"Quote", "Trade", "Summary", "Profile"}),
        (CALL, {"Quote", "Trade", "Summary", "Profile", "Greeks", "TheoPrice"}),
        ("NOPE", set()),
    ],
)
def test_the_current_value_is_owed_at_once(symbol: str, types: set[str]) -> None:
    channel, _ = make_channel()
    for event_type in BITS:
        channel.add(event_type, symbol, None, 5.0)
    assert channel.due_s == 5.0
    sent = [frame.event_type for frame in channel.take(5.0) if frame.rows]
    assert sorted(sent) == sorted(types)
    assert len(channel.list_subscriptions()) == len(BITS)


def test_an_index_says_nan() -> None:
    channel, _ = make_channel()
    channel.add("Summary", "SPX", None, 0)
    (frame,) = (frame for frame in channel.take(0) if frame.rows)
    assert json.loads(frame.payload)["data"][0]["openInterest"] == "NaN"


def test_full_has_type_and_symbol_whatever_is_asked() -> None:
    channel, _ = make_channel(acceptEventFields={"Quote": ["askPrice"]})
    channel.add("Quote", "SPY", None, 0)
    (message,) = take(channel, 0)
    assert message["channel"] == 1
    (event,) = message["data"]
    assert list(event) == ["eventType", "eventSymbol", "askPrice"]


def test_compact_follows_the_order_asked() -> None:
    asked = ["askPrice", "eventType", "nonsense", "eventSymbol"]
    channel, market = make_channel(
        acceptDataFormat="COMPACT", acceptEventFields={"Quote": asked, "Trade": ["price"], "X": []}
    )
    assert channel.setup({})["eventFields"] == {
        "Quote": ("askPrice", "eventType", "eventSymbol"),
        "Trade": ("price",),
    }
    for event_type in ("Quote", "Trade"):
        channel.add(event_type, "SPY", None, 0)
        channel.add(event_type, "QQQ", None, 0)
    quotes, trades = take(channel, 0)
    spy, qqq = market.find("SPY"), market.find("QQQ")
    assert spy is not None
    assert qqq is not None
    assert quotes["data"] == ["Quote", [spy.ask, "Quote", "SPY", qqq.ask, "Quote", "QQQ"]]
    assert trades["data"] == ["Trade", [spy.last, qqq.last]]


def test_fields_are_announced_before_the_data_of_a_type() -> None:
    channel, _ = make_channel(acceptDataFormat="COMPACT", acceptEventFields={"Quote": ["bidPrice"]})
    channel.add("Trade", "SPY", None, 0)
    channel.add("Quote", "SPY", None, 0)
    config, *data = take(channel, 0)
    assert config["type"] == "FEED_CONFIG"
    assert config["eventFields"] == {"Trade": list(FIELDS["Trade"])}
    assert [message["data"][0] for message in data] == ["Trade", "Quote"]
    channel.add("Trade", "QQQ", None, 0)
    assert [message["type"] for message in take(channel, 0)] == ["FEED_DATA"]


def test_aggregation_keeps_the_newest() -> None:
    channel, market = make_channel(acceptAggregationPeriod=0.5)
    market.set_pace(flood_per_s=100)
    channel.add("Quote", "SPY", None, 0)
    channel.take(0)
    now = 0.0
    while channel.due_s > now:
        now += 0.01
        channel.note_changes(market.advance(START + now), now)
    assert now == pytest.approx(0.5, abs=0.02)
    (row,) = rows_of(channel, now)
    book = market.find("SPY")
    assert book is not None
    assert row == make_row("Quote", book, market.now)
    assert channel.due_s == math.inf


@pytest.mark.parametrize(("contract", "period"), [("STREAM", 0.5), ("TICKER", 0)])
def test_streams_and_period_zero_lose_nothing(contract: str, period: float) -> None:
    channel, market = make_channel(contract, acceptAggregationPeriod=period)
    market.set_pace(flood_per_s=100)
    channel.add("Quote", "SPY", None, 0)
    current = rows_of(channel, 0)
    assert len(current) == (0 if contract == "STREAM" else 1)
    for n in range(1, 51):
        channel.note_changes(market.advance(START + n / 100), n / 100)
    rows = rows_of(channel, 1.0)
    assert len(rows) == pytest.approx(50, abs=1)
    assert len({row[2] for row in rows}) == len(rows)


def test_sales_are_a_time_series() -> None:
    channel, market = make_channel("HISTORY", acceptAggregationPeriod=1)
    for n in range(100):
        market.advance(START + n)
    channel.add("TimeAndSale", "SPY", 0, 0)
    channel.add("TimeAndSale", "NOPE", 0, 0)
    past = rows_of(channel, 0)
    assert [row[2] for row in past] == [4, *[0] * (len(past) - 2), 8]
    indices = [row[3] for row in past]
    assert indices == sorted(indices, reverse=True)
    for n in range(100, 200):
        channel.note_changes(market.advance(START + n), n)
    live = [row[3] for row in rows_of(channel, 200)]
    assert len(live) > 20
    assert live == sorted(set(live))
    assert live[0] > indices[0]


def test_sales_without_a_start_begin_with_the_last() -> None:
    channel, _ = make_channel()
    channel.add("TimeAndSale", "SPY", None, 0)
    assert len(rows_of(channel, 0)) == 1
    stream, _ = make_channel("STREAM")
    stream.add("TimeAndSale", "SPY", 0, 0)
    assert rows_of(stream, 0) == []
    channel.add("TimeAndSale", CALL, 9e15, 0)
    (row,) = rows_of(channel, 0)
    assert row[2] == 4 | 8


def test_candles() -> None:
    channel, market = make_channel(acceptDataFormat="COMPACT", acceptAggregationPeriod=0.1)
    channel.add("Candle", "SPY{=1m}", (START - 3600) * 1000, 0)
    channel.add("Candle", "QQQ{=d,tho=true}", None, 0)
    channel.add("Candle", "NOPE{=d}", 0, 0)
    channel.add("Candle", "NOPE{=h}", None, 0)
    rows = rows_of(channel, 0)
    assert {row[0] for row in rows} == {"SPY{=m}", "QQQ{=d,tho=true}", "NOPE{=d}"}
    assert [row[2] for row in rows if row[0] == "QQQ{=d,tho=true}"] == [0]
    for n in range(1, 500):
        channel.note_changes(market.advance(START + n / 100), n / 100)
    live = rows_of(channel, 5)
    assert [row[0] for row in live].count("SPY{=m}") <= 25
    assert all(row[2] == 0 for row in live)
    assert ("Candle", "SPY{=m}") in channel.list_subscriptions()
    channel.remove("Candle", "SPY{=1m}")
    channel.remove("Candle", "SPY{=1m}")
    channel.remove("Candle", "nonsense")
    assert ("Candle", "SPY{=m}") not in channel.list_subscriptions()
    with pytest.raises(BadAction):
        channel.add("Candle", "SPY", 0, 0)


def test_what_is_removed_is_not_sent() -> None:
    channel, market = make_channel(acceptAggregationPeriod=0)
    for event_type in ("Quote", "Trade", "TimeAndSale"):
        channel.add(event_type, "SPY", None, 0)
    channel.add("Quote", CALL, None, 0)
    channel.remove("Quote", "SPY")
    channel.remove("Quote", "SPY")
    channel.remove("TimeAndSale", "SPY")
    channel.take(0)
    market.set_pace(flood_per_s=100)
    channel.note_changes(market.advance(START + 1), 1)
    assert {frame.event_type for frame in channel.take(1)} == {"Quote", "Trade"}
    channel.reset()
    assert channel.list_subscriptions() == []
    channel.note_changes(market.advance(START + 2), 2)
    assert channel.take(2) == []
    assert CALL not in market.advance(START + 3)


@settings(max_examples=10)
@given(st.integers(1, 1500), st.sampled_from(["FULL", "COMPACT"]))
def test_frames_stay_small_and_whole(count: int, data_format: str) -> None:
    channel, _ = make_channel(acceptDataFormat=data_format)
    symbols = list(UNIVERSE.options)[:count]
    for symbol in symbols:
        channel.add("Quote", symbol, None, 0)
    frames = [frame for frame in channel.take(0) if frame.rows]
    assert all(len(frame.payload) < 65_536 for frame in frames)
    assert all(len(frame.payload) > MAX_FRAME_BYTES * 0.9 for frame in frames[:-1])
    assert [row[0] for frame in frames for row in frame.rows] == symbols
    for frame in frames:
        data = json.loads(frame.payload)["data"]
        if data_format == "COMPACT":
            assert len(data[1]) == len(frame.rows) * len(FIELDS["Quote"])
        else:
            assert len(data) == len(frame.rows)


def test_a_client_that_does_not_read_is_owed_a_bounded_lot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.simulator.broker.dxlink.channel.MOST_WAITING", 100)
    assert MOST_WAITING > 100
    channel, market = make_channel(acceptAggregationPeriod=0)
    market.set_pace(flood_per_s=100)
    channel.add("Quote", "SPY", None, 0)
    for n in range(1, 300):
        channel.note_changes(market.advance(START + n / 100), n / 100)
    assert len(rows_of(channel, 3)) == 100


@pytest.mark.parametrize(
    "message",
    [
        {"acceptAggregationPeriod": -1},
        {"acceptAggregationPeriod": "1"},
        {"acceptAggregationPeriod": True},
        {"acceptDataFormat": "XML"},
        {"acceptEventFields": ["Quote"]},
    ],
)
def test_a_bad_setup_is_refused(message: dict[str, Any]) -> None:
    channel, _ = make_channel()
    with pytest.raises(BadAction):
        channel.setup(message)


def test_an_unknown_type_is_refused() -> None:
    channel, _ = make_channel()
    with pytest.raises(BadAction, match="Nope"):
        channel.add("Nope", "SPY", None, 0)


def test_empty_fields_mean_the_default() -> None:
    channel, _ = make_channel(acceptEventFields={"Quote": []})
    assert channel.setup({})["eventFields"] == {"Quote": FIELDS["Quote"]}
