"""Names lead back to what they name, whichever of its two symbols is given."""

from gateway.simulator.broker.catalogue.naming import (
    broker_symbol,
    find_book,
    iso,
    text,
    tick_sizes,
    underlying_symbol,
)
from tests.simulator.broker.catalogue.shared import MARKET


def test_every_instrument_is_found_by_both_of_its_symbols() -> None:
    for symbol in MARKET.universe.instruments:
        book = find_book(MARKET, symbol)
        assert book is not None
        assert find_book(MARKET, broker_symbol(MARKET, symbol)) is book
        assert underlying_symbol(MARKET, symbol) == broker_symbol(MARKET, symbol)


def test_an_option_is_named_as_the_occ_does_and_depends_on_its_underlying() -> None:
    option = next(each for each in MARKET.universe.options.values() if each.underlying == "SPY")
    assert broker_symbol(MARKET, option.symbol) == option.occ
    assert underlying_symbol(MARKET, option.symbol) == "SPY"
    *_, last = tick_sizes(option)
    assert last == {"value": str(option.tick_above)}


def test_what_is_not_listed_keeps_its_name() -> None:
    assert find_book(MARKET, "NOPE") is None
    assert broker_symbol(MARKET, "NOPE") == "NOPE"


def test_figures_and_instants() -> None:
    assert text(float("nan")) is None
    assert text(1.5) == "1.5"
    assert iso(1_795_188_600.1234) == "2026-11-20T15:30:00.123+00:00"
