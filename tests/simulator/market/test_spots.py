"""Books of what has a price of its own: a quote around it, and trades that add up."""

import math
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.market.book import EXTENDED, SUMMARY, TRADE, Book, Extended
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.spots import open_spot, quote, trade, trade_extended
from gateway.simulator.market.universe import Instrument, Kind, list_universe

TODAY = date(2026, 11, 20)
NOW = instant(TODAY, time(11))
UNIVERSE = list_universe(TODAY)
ITEMS = sorted(UNIVERSE.instruments.values(), key=lambda each: each.symbol)
PRICES = st.integers(1_000, 100_000).map(lambda cents: cents / 100)
SIZES = st.integers(1, 1_000).map(float)


def open_at(symbol: str = "SPY", seed: int = 7) -> Book:
    item = UNIVERSE.instruments[symbol]
    return open_spot(item, seed=seed, now=NOW, day_id=1, has_options=symbol == "SPY")


def check_quote(book: Book, item: Instrument) -> None:
    tick = Decimal(str(item.tick))
    for price in (book.bid, book.ask):
        assert Decimal(str(price)) % tick == 0
    assert book.bid <= book.fair <= book.ask
    assert book.bid < book.ask
    assert min(book.bid_size, book.ask_size) > 0


@given(st.sampled_from(ITEMS), st.integers(0, 2**32), st.floats(0.2, 5))
def test_a_quote_is_around_the_fair_price(item: Instrument, seed: int, factor: float) -> None:
    book = open_spot(item, seed=seed, now=NOW, day_id=1, has_options=False)
    assert book.day_low <= min(book.day_open, book.last)
    assert max(book.day_open, book.last) <= book.day_high
    if item.kind is Kind.INDEX:
        assert math.isnan(book.bid)
        assert math.isnan(book.ask)
        return
    check_quote(book, item)
    book.fair *= factor
    before = book.sequence
    quote(book, item)
    check_quote(book, item)
    assert book.sequence == before + 1


def test_the_same_seed_opens_the_same_book() -> None:
    one, same, other = open_at(), open_at(), open_at(seed=8)
    assert (one.bid, one.last, one.volume) == (same.bid, same.last, same.volume)
    assert (one.bid, one.last, one.volume) != (other.bid, other.last, other.volume)


@given(st.lists(st.tuples(PRICES, SIZES), min_size=1, max_size=20))
def test_trades_add_up(trades: list[tuple[float, float]]) -> None:
    book = open_at()
    low, high, volume, turnover = book.day_low, book.day_high, book.volume, book.turnover
    previous = book.last
    for second, (price, size) in enumerate(trades):
        bits = trade(book, price, size, True, NOW + second)
        assert bits & TRADE
        assert bool(bits & SUMMARY) is not (low <= price <= high)
        low, high = min(low, price), max(high, price)
        assert book.change == pytest.approx(price - previous)
        assert book.direction.removeprefix("ZERO_") in ("UP", "DOWN")
        if price != previous:
            assert book.direction == ("UP" if price > previous else "DOWN")
        previous = price
    assert (book.day_low, book.day_high, book.last) == (low, high, trades[-1][0])
    assert book.volume - volume == sum(size for _, size in trades)
    assert book.turnover - turnover == pytest.approx(sum(p * size for p, size in trades), abs=0.5)
    assert [(each.price, each.size) for each in book.sales][1:] == trades
    assert sum(bar.count for bar in book.bars) == len(trades)


def test_the_same_price_keeps_its_direction() -> None:
    book = open_at()
    told = []
    for price in (100.0, 101.0, 101.0, 101.0, 100.0, 100.0):
        trade(book, price, 1.0, True, NOW)
        told.append(book.direction)
    assert told[1:] == ["UP", "ZERO_UP", "ZERO_UP", "DOWN", "ZERO_DOWN"]


def extended_of(book: Book) -> Extended:
    assert book.extended is not None
    return book.extended


def test_a_trade_outside_regular_hours_moves_no_price_of_the_day() -> None:
    book = open_at()
    last, volume, high = book.last, book.volume, book.day_high
    assert trade_extended(book, high + 5, 10.0, NOW) == EXTENDED
    assert trade_extended(book, high + 4, 5.0, NOW + 1) == EXTENDED
    assert (book.last, book.volume, book.day_high) == (last, volume, high)
    assert (extended_of(book).direction, extended_of(book).volume) == ("DOWN", 15.0)
    assert extended_of(book).is_current
    assert trade(book, last, 1.0, True, NOW + 2) & EXTENDED, "regular trading goes on"
    assert not extended_of(book).is_current
    assert not trade(book, last, 1.0, True, NOW + 3) & EXTENDED


def test_only_shares_trade_outside_regular_hours() -> None:
    assert trade_extended(open_at("/ESZ26:XCME"), 6000.0, 1.0, NOW) == 0
