"""What surely is wrong becomes null and is named; all else passes."""

import json
from decimal import Decimal

import pytest

from gateway.streams.records import (
    encode,
)
from gateway.streams.upstream.normalize import Normalizer
from tests.streams.upstream.reading import NOW_MS, OPTION, known, make_events, normalize


def test_impossible_values_become_null_and_are_counted() -> None:
    normalizer = Normalizer()
    record = normalize(
        normalizer, "Quote", bidPrice=-1, askPrice=Decimal("1E+308"), bidSize=-2, askSize=5
    )
    assert known(record) == {"ask_size": 5}
    record = normalize(normalizer, "Underlying", callVolume=-1, putVolume=10**30)
    assert known(record) == {}
    assert normalizer.refused == {
        ("Quote", "negative price"): 1,
        ("Quote", "too large"): 1,
        ("Quote", "negative size"): 1,
        ("Underlying", "negative size"): 1,
        ("Underlying", "too large"): 1,
    }
    (event,) = make_events("Quote")
    event = event.model_copy(update={"bid_price": Decimal("NaN"), "ask_size": Decimal("Infinity")})
    assert known(Normalizer().normalize(event, NOW_MS)[0]) == {}


def test_each_value_is_counted_once_however_often_its_record_goes_out() -> None:
    """A quote is one record of three events: what one of them brought is not counted with each."""
    normalizer = Normalizer()
    normalize(normalizer, "Quote", bidPrice=-1, askPrice=2, askSize=1)
    normalize(normalizer, "Trade", price=-3, dayVolume=-4)
    normalize(normalizer, "Summary", dayHighPrice=-5, openInterest=-6)
    for _ in range(10):
        normalize(normalizer, "Quote", bidPrice=1, askPrice=2)
    assert normalizer.refused == {
        ("Quote", "negative price"): 1,
        ("Trade", "negative price"): 1,
        ("Trade", "negative size"): 1,
        ("Summary", "negative price"): 1,
        ("Summary", "negative size"): 1,
    }
    normalize(normalizer, "Quote", bidPrice=3, askPrice=2)
    assert normalizer.suspicious == {("Quote", "crossed"): 1}


@pytest.mark.parametrize("symbol", ["$TICK", "TICK", "$ADD", "ADD", "TICK{=5m}"])
def test_an_index_below_zero_is_shown_and_counted(symbol: str) -> None:
    """In every event that has prices: an index such as the TICK is below zero half of the time."""
    for event_type, values, name in (
        ("Trade", {"price": Decimal(-432), "size": Decimal(0)}, "price"),
        ("Summary", {"dayLowPrice": Decimal(-1000), "prevDayClosePrice": Decimal(-7)}, "low"),
        ("Quote", {"bidPrice": Decimal(-432)}, "bid"),
        ("Candle", {"low": Decimal(-432), "time": 1_795_188_600_000, "eventFlags": 0}, "low"),
    ):
        normalizer = Normalizer()
        record = normalize(normalizer, event_type, symbol, **values)
        assert getattr(record, name) == (-1000 if event_type == "Summary" else -432)
        assert not normalizer.refused
        assert normalizer.suspicious[event_type, "below zero"] >= 1
        assert b"refused" not in encode(record)


@pytest.mark.parametrize("symbol", [OPTION, "BTC/USD:CXTALP"])
def test_what_is_surely_wrong_is_null_and_named_in_the_record(symbol: str) -> None:
    normalizer = Normalizer()
    (event,) = make_events("Trade", symbol, price=Decimal(-1), size=Decimal(5))
    quote, trade = normalizer.normalize(event, NOW_MS)
    assert trade.price is None  # type: ignore[union-attr]
    assert json.loads(encode(trade))["refused"] == ["price"]
    assert json.loads(encode(quote))["refused"] == ["last"]
    quote = normalize(normalizer, "Quote", symbol, bidPrice=Decimal(-2), askSize=Decimal(-1))
    assert json.loads(encode(quote))["refused"] == ["last", "bid", "ask_size"]
    normalize(normalizer, "Trade", symbol, price=Decimal(3))
    quote = normalize(normalizer, "Quote", symbol, bidPrice=Decimal(2))
    assert b"refused" not in encode(quote), "right values have come since"


def test_what_somebody_offers_a_size_of_is_never_below_zero() -> None:
    normalizer = Normalizer()
    normalize(
        normalizer, "Quote", bidPrice=600, askPrice=601, bidSize=Decimal(1), askSize=Decimal(1)
    )
    assert normalize(normalizer, "Trade", price=Decimal("-600.25")).price is None
    assert normalize(normalizer, "Summary", dayLowPrice=Decimal(-1)).low is None
    assert normalizer.refused.total() == 2
    normalizer.forget(["SPY"])
    assert normalize(normalizer, "Trade", price=Decimal(-1)).price == -1


def test_futures_trade_below_zero_and_a_crossed_quote_is_passed_on() -> None:
    for symbol in ("/CLZ26:XNYM", "./CLZ26C60:XNYM"):
        record = normalize(Normalizer(), "Quote", symbol, bidPrice=Decimal("-37.63"), askPrice=-40)
        assert (record.bid, record.ask) == (Decimal("-37.63"), Decimal(-40))


def test_zero_for_a_time_is_unknown() -> None:
    for value in (0, -1, "NaN", 10**30):
        assert normalize(Normalizer(), "Trade", time=value).time is None
