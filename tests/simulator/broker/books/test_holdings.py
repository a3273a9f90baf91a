"""Rows of positions: quantities without a sign beside a direction, as the broker writes them."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.books.holdings import (
    describe_position,
    describe_year,
    new_position,
)
from gateway.simulator.broker.books.opening import open_first
from gateway.simulator.broker.books.positions import Position
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Kind, list_universe

TODAY = date(2026, 11, 20)
NOW = instant(TODAY, time(11))
MARKET = Market(list_universe(TODAY), seed=7, now=NOW)
LEDGER = open_first(MARKET)
CALL = ".SPY261218C600"


@given(st.integers(-5_000, 5_000), st.decimals(-9_000, 9_000, places=2))
def test_a_sign_is_a_word(quantity: int, realized: Decimal) -> None:
    held = Position("SPY", Kind.EQUITY, 1, NOW, Decimal(quantity), realized_day=realized)
    row = describe_position(MARKET, "5WX00009", held, with_marks=True)
    signs = {"Long": 1, "Short": -1, "Zero": 0}
    assert Decimal(row["quantity"]) * signs[row["quantity-direction"]] == quantity
    # Closing a long position brings money, closing a short one costs it.
    credit = {"Credit": 1, "Debit": -1, "None": 0}
    assert credit[row["cost-effect"]] == signs[row["quantity-direction"]]
    gained = Decimal(row["realized-day-gain"]) * credit[row["realized-day-gain-effect"]]
    assert gained == realized
    assert Decimal(row["mark"]) == Decimal(row["mark-price"]) * abs(quantity)


def test_marks_are_there_only_when_asked_for() -> None:
    held = Position("SPY", Kind.EQUITY, 1, NOW, Decimal(1))
    shown = describe_position(MARKET, "5WX00009", held, with_marks=True)
    hidden = describe_position(MARKET, "5WX00009", held, with_marks=False)
    assert shown.keys() - hidden.keys() == {"mark", "mark-price"}
    assert Decimal(shown["mark-price"]) == MARKET.mark("SPY")


def test_every_row_of_an_account_names_what_it_is() -> None:
    held = [each for account in LEDGER.accounts.values() for each in account.positions.values()]
    kinds = set()
    for each in held:
        row = describe_position(MARKET, "5WX00009", each, with_marks=False)
        kinds.add(row["instrument-type"])
        expires = row["instrument-type"] in {"Equity Option", "Future", "Future Option"}
        assert ("expires-at" in row) is expires, row["symbol"]
        assert row["streamer-symbol"] == each.symbol
        assert row["multiplier"] == each.multiplier
    assert kinds >= {"Equity", "Equity Option", "Future", "Future Option", "Cryptocurrency"}


def test_what_is_not_listed_has_no_row() -> None:
    with pytest.raises(KeyError, match="NONE"):
        describe_position(
            MARKET, "5WX00009", Position("NONE", Kind.EQUITY, 1, NOW), with_marks=False
        )


@pytest.mark.parametrize(("symbol", "multiplier"), [("SPY", 1), (CALL, 100), ("/ESZ26:XCME", 50)])
def test_a_new_position_is_nothing_yet_of_the_right_size(symbol: str, multiplier: int) -> None:
    book = MARKET.find(symbol)
    assert book is not None
    held = new_position(book, NOW)
    assert (held.symbol, held.kind, held.multiplier) == (symbol, book.kind, multiplier)
    assert (held.quantity, held.opened_at) == (Decimal(0), NOW)


def test_a_year_has_its_costs_apart_from_its_gain() -> None:
    account = next(iter(LEDGER.accounts.values()))
    traded = [each for each in account.transactions if each.fees]
    underlying = traded[0].underlying
    year = describe_year(account, underlying, "Equity", TODAY)
    paid = sum(each.fees for each in traded if each.underlying == underlying)
    assert Decimal(year["fees"]) + Decimal(year["commissions"]) == paid
    assert (year["fees-effect"], year["year"]) == ("Debit", 2026)
    none = describe_year(account, "NONE", "Equity", TODAY)
    assert {Decimal(none["fees"]), Decimal(none["yearly-realized-gain"])} == {Decimal(0)}
