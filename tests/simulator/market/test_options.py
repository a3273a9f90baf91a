"""Options follow their underlying: priced from its quote, quoted around that price, on ticks."""

import math
from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.market.book import QUOTE, Book
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.options import (
    find_expiry_volatility,
    open_book,
    reprice,
    value_option,
)
from gateway.simulator.market.spots import open_spot
from gateway.simulator.market.universe import Option, list_universe

TODAY = date(2026, 11, 20)
NOW = instant(TODAY, time(11))
UNIVERSE = list_universe(TODAY)
OPTIONS = sorted(
    [*UNIVERSE.options.values(), *UNIVERSE.future_options.values()], key=lambda each: each.symbol
)


def spot_of(option: Option) -> Book:
    item = UNIVERSE.instruments[option.underlying]
    return open_spot(item, seed=7, now=NOW, day_id=1, has_options=True)


def check(book: Book, option: Option) -> None:
    """The quote stands around the price, on ticks that may be no finer than the option's."""
    tick = Decimal(str(option.tick if book.fair < 3 else option.tick_above))
    assert book.ask > 0
    assert Decimal(str(book.ask)) % tick == 0
    assert book.ask >= book.fair - 1e-9
    if math.isnan(book.bid):
        assert math.isnan(book.bid_size), "no bid has no size"
    else:
        assert Decimal(str(book.bid)) % tick == 0
        assert 0 < book.bid < book.ask
        assert book.bid <= book.fair + 1e-9


@settings(max_examples=60)
@given(st.sampled_from(OPTIONS), st.floats(0.7, 1.3), st.floats(0, 7 * 86_400))
def test_a_quote_stands_around_the_price_wherever_the_underlying_goes(
    option: Option, factor: float, later_s: float
) -> None:
    spot = spot_of(option)
    book = open_book(option, spot, 7, NOW, 1)
    check(book, option)
    assert book.day_low <= book.last <= book.day_high
    if spot.has_quote:
        spot.bid *= factor
        spot.ask *= factor
    else:
        spot.last *= factor
    reprice(book, spot, NOW + later_s)
    check(book, option)
    assert book.fair_spot == spot.mid
    assert book.fair == value_option(option, spot, spot.mid, NOW + later_s)[1].price


def test_the_same_seed_opens_the_same_book() -> None:
    option = UNIVERSE.options[".SPY261218C600"]
    one, same, other = (open_book(option, spot_of(option), seed, NOW, 1) for seed in (7, 7, 8))
    known = [(each.bid, each.ask, each.last, each.volume, each.ask_size) for each in (one, same)]
    assert known[0] == known[1]
    assert (other.volume, other.open_interest) != (one.volume, one.open_interest)


def test_nothing_new_says_nothing() -> None:
    option = UNIVERSE.options[".SPY261218C600"]
    spot = spot_of(option)
    book = open_book(option, spot, 7, NOW, 1)
    sequence = book.sequence
    assert reprice(book, spot, NOW) == 0
    assert book.sequence == sequence
    assert reprice(book, spot, NOW, resize=True) == QUOTE
    spot.bid, spot.ask = spot.bid * 1.1, spot.ask * 1.1
    assert reprice(book, spot, NOW) == QUOTE
    assert book.sequence == sequence + 2
    assert reprice(spot, spot, NOW) == 0, "what is no option has no such price"


def test_a_call_gains_and_a_put_loses_when_the_underlying_rises() -> None:
    for symbol, sign in ((".SPY261218C600", 1), (".SPY261218P600", -1)):
        option = UNIVERSE.options[symbol]
        spot = spot_of(option)
        prices = [value_option(option, spot, price, NOW)[1].price for price in (580, 600, 620)]
        assert sorted(prices, reverse=sign < 0) == prices


def test_a_report_before_an_expiry_makes_it_dearer() -> None:
    """Of two expiries in a row, one on each side of a report, the later has the report in it."""
    chain = UNIVERSE.chains["NVDA"][0]
    spot = spot_of(chain.options[0])
    calm = spot_of(chain.options[0])
    calm.instrument = None  # of which nobody knows a report
    volatilities = {
        option.expiry: (
            find_expiry_volatility(spot, option.expires_s, NOW),
            find_expiry_volatility(calm, option.expires_s, NOW),
        )
        for option in chain.options
    }
    dearer = [with_report > without for with_report, without in volatilities.values()]
    assert dearer == sorted(dearer), "once reported, in every later expiry"
    assert set(dearer) == {True, False}


@pytest.mark.parametrize("option", [OPTIONS[0], OPTIONS[-1]], ids=lambda each: each.symbol)
def test_a_new_book_has_a_trade_of_its_own(option: Option) -> None:
    book = open_book(option, spot_of(option), 7, NOW, 3)
    (sale,) = book.sales
    assert (sale.price, sale.size, sale.time_ms) == (book.last, 1.0, round(NOW * 1000))
    assert (book.day_id, book.change, book.option) == (3, 0.0, option)
