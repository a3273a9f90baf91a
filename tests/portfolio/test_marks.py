"""The broker's mark, held against marks that were recorded beside their quotes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portfolio.marks import UNKNOWN, Mark, Prices, find_mark
from tests.portfolio.worked import make_prices

prices = st.none() | st.decimals(0, 1000, places=2)


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        ("233.97", "234.00", "233.99", "233.99"),
        ("657.23", "657.25", "657.41", "657.25"),
        ("51.40", "51.66", "51.78", "51.66"),
        ("64.99", "66.24", "65.70", "65.70"),
        ("210.55", "210.60", "210.511", "210.55"),
        ("289.44", "289.49", "289.44", "289.44"),
    ],
)
@pytest.mark.parametrize("instrument_type", ["Equity", "Future"])
def test_shares_are_marked_at_the_last_trade_within_the_quote(
    instrument_type: str, bid: str, ask: str, last: str, mark: str
) -> None:
    found = find_mark(instrument_type, make_prices(bid=bid, ask=ask, last=last))
    assert found == Mark(Decimal(mark), "last")


def test_options_and_crypto_are_marked_at_the_middle() -> None:
    call = make_prices(bid="228.70", ask="229.50", last="228.97", bid_size="5", ask_size="7")
    assert find_mark("Equity Option", call) == Mark(Decimal("229.10"), "mid")
    coin = make_prices(bid="94005.47", ask="94966.14", last="94100")
    assert find_mark("Cryptocurrency", coin) == Mark(Decimal("94485.805"), "mid")


def test_an_option_that_nobody_quotes_is_marked_at_its_theoretical_price() -> None:
    call = make_prices(bid="747", ask="754.25", bid_size="0", ask_size="0", theo="801.77")
    assert find_mark("Future Option", call) == Mark(Decimal("801.77"), "theo")


@pytest.mark.parametrize(
    ("given", "mark"),
    [
        ({"bid": "0", "ask": "0.05"}, Mark(Decimal("0.025"), "mid")),
        ({"ask": "0.05", "theo": "0.02"}, Mark(Decimal("0.02"), "theo")),
        ({"ask": "0.05"}, UNKNOWN),
        ({"bid": "1.10", "theo": "1.30"}, Mark(Decimal("1.30"), "theo")),
        ({"bid": "1.10", "last": "1.25"}, Mark(Decimal("1.25"), "last")),
        ({"bid": "1.10", "last": "1.00"}, Mark(Decimal("1.10"), "mid")),
        ({"last": "1.00"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_an_option_with_one_side(given: dict[str, str], mark: Mark) -> None:
    assert find_mark("Equity Option", make_prices(**given)) == mark


def test_the_brokers_last_mark_stands_in_for_what_is_unknown() -> None:
    assert find_mark("Equity Option", Prices(), Decimal("1.20")) == Mark(Decimal("1.20"), "rest")
    assert find_mark("Equity", Prices(), Decimal(7)) == Mark(Decimal(7), "rest")
    assert find_mark("Bond", make_prices(last="99"), Decimal(98)) == Mark(Decimal(99), "last")


@given(prices, prices, prices, prices, st.sampled_from(["Equity", "Equity Option", "Odd"]))
def test_a_mark_is_never_invented(
    last: Decimal | None,
    bid: Decimal | None,
    ask: Decimal | None,
    theo: Decimal | None,
    instrument_type: str,
) -> None:
    known = [each for each in (last, bid, ask, theo) if each is not None]
    found = find_mark(instrument_type, Prices(last=last, bid=bid, ask=ask, theo=theo))
    if found.price is None:
        assert found.source is None
    else:
        assert min(known) <= found.price <= max(known)
