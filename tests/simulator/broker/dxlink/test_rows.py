"""Rows have a value for each field, in JSON, and none for a type that a book does not have."""

import json
import math
from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tastytrade import dxfeed

from gateway.simulator.broker.dxlink.rows import (
    BITS,
    FIELDS,
    INDEXED,
    Row,
    clean,
    make_index,
    make_row,
    make_sale,
)
from gateway.simulator.market.book import Book
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)
NOW = instant(TODAY, time(11))
MARKET = Market(list_universe(TODAY), seed=7, now=NOW)
SYMBOLS = ["SPY", "SPX", "/ESZ26:XCME", "BTC/USD:CXTALP", ".SPY261218C600", ".SPY261218P600"]
NONE = {
    "SPY": {"Greeks", "TheoPrice"},
    "SPX": {"Quote", "Greeks", "TheoPrice", "TradeETH"},
    "/ESZ26:XCME": {"Greeks", "TheoPrice", "TradeETH", "Underlying"},
    "BTC/USD:CXTALP": {"Greeks", "TheoPrice", "TradeETH", "Underlying"},
    ".SPY261218C600": {"TradeETH", "Underlying"},
    ".SPY261218P600": {"TradeETH", "Underlying"},
}


def find(symbol: str) -> Book:
    book = MARKET.find(symbol)
    assert book is not None
    return book


def name(event_type: str, row: Row) -> dict[str, object]:
    return dict(zip(FIELDS[event_type], row, strict=True))


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("event_type", BITS)
def test_a_row_is_json_with_a_value_for_each_field(event_type: str, symbol: str) -> None:
    row = make_row(event_type, find(symbol), NOW)
    assert (row is None) is (event_type in NONE[symbol])
    if row is not None:
        assert len(row) == len(FIELDS[event_type])
        assert row[0] == symbol
        assert json.loads(json.dumps(row, allow_nan=False)) == list(row)


@pytest.mark.parametrize("event_type", sorted({*BITS, "TimeAndSale", "Candle"} - {"TradeETH"}))
def test_the_sdk_knows_every_field(event_type: str) -> None:
    """Its models are of dxFeed's classes: a field that they want and a row lacks is lost."""
    model = getattr(dxfeed, event_type)
    wanted = {
        info.alias or field for field, info in model.model_fields.items() if info.is_required()
    }
    assert wanted <= {*FIELDS[event_type], "eventType"}


def test_a_quote_is_of_its_book() -> None:
    book = find("SPY")
    named = name("Quote", make_row("Quote", book, NOW) or ())
    assert (named["bidPrice"], named["askPrice"]) == (clean(book.bid), clean(book.ask))
    assert (named["bidSize"], named["askSize"]) == (book.bid_size, book.ask_size)
    assert make_row("Unknown", book, NOW) is None


def test_a_sale_says_who_came() -> None:
    book = find("SPY")
    for sale in book.sales:
        named = name("TimeAndSale", make_sale(book, sale, 4))
        assert (named["price"], named["eventFlags"]) == (clean(sale.price), 4)
        assert named["aggressorSide"] == ("BUY" if sale.is_buy else "SELL")
        assert named["time"] == sale.time_ms
    assert FIELDS["TimeAndSale"][: len(INDEXED)] == INDEXED


@given(st.floats(allow_infinity=False))
def test_a_number_is_its_json(number: float) -> None:
    cleaned = clean(number)
    if math.isnan(number):
        assert cleaned == "NaN"
    else:
        assert cleaned == number
        assert isinstance(cleaned, int) is float(number).is_integer()


MOMENTS = st.tuples(st.integers(0, 4_102_444_800_000), st.integers(0, 0x3FFFFF))


@given(MOMENTS, MOMENTS)
def test_an_index_sorts_by_time_and_then_by_sequence(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (make_index(*one) < make_index(*other)) is (one < other)
    index = make_index(*one)
    assert ((index >> 32) * 1000 + (index >> 22 & 0x3FF), index & 0x3FFFFF) == one
