"""The mark by the broker's rule; the samples are recorded answers."""

import math
from decimal import Decimal
from random import Random

import pytest

from gateway.simulator.market.book import Book
from gateway.simulator.market.pricing import Theoretical
from gateway.simulator.market.universe import Kind


def make_book(kind: Kind, bid: float, ask: float, last: float, theory: float | None = None) -> Book:
    book = Book("X", kind, Random(1))
    book.has_quote = True
    book.bid, book.ask, book.last = bid, ask, last
    book.bid_size = book.ask_size = 10.0
    if theory is not None:
        book.theoretical = Theoretical(theory, 0.5, 0.1, 0.1, 0.1, 0.1)
    return book


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        (233.97, 234.00, 233.99, "233.99"),
        (657.23, 657.25, 657.41, "657.25"),
        (51.40, 51.66, 51.78, "51.66"),
        (64.99, 66.24, 65.70, "65.7"),
        (210.55, 210.60, 210.511, "210.55"),
        (289.44, 289.49, 289.44, "289.44"),
        (math.nan, 10.0, 9.0, "9.0"),
        (10.0, math.nan, 9.0, "10.0"),
        (10.0, 11.0, math.nan, "10.5"),
        (11.0, 10.0, 10.4, "10.4"),
        (math.nan, math.nan, math.nan, "0"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.EQUITY, Kind.FUTURE])
def test_shares_and_futures_are_marked_at_the_last_price_within_the_quote(
    kind: Kind, bid: float, ask: float, last: float, mark: str
) -> None:
    assert make_book(kind, bid, ask, last).mark == Decimal(mark)


def test_options_and_coins_are_marked_in_the_middle() -> None:
    assert make_book(Kind.OPTION, 228.70, 229.50, 228.97).mark == Decimal("229.1")
    assert make_book(Kind.CRYPTO, 94005.47, 94966.14, 94000.0).mark == Decimal("94485.805")


def test_a_dead_option_is_marked_at_its_theoretical_price() -> None:
    dead = make_book(Kind.FUTURE_OPTION, 747.0, 754.25, 750.0, theory=801.77)
    assert dead.mark == Decimal("750.625")
    dead.bid_size = dead.ask_size = 0.0
    assert dead.mark == Decimal("801.77")
    # A bid of 0 is known: nobody bids, and the middle is half of what is asked.
    assert make_book(Kind.OPTION, 0.0, 0.05, 0.05, theory=0.014).mark == Decimal("0.025")
    one_sided = make_book(Kind.OPTION, math.nan, 0.05, 0.05, theory=0.014)
    assert one_sided.mark == Decimal("0.01")
