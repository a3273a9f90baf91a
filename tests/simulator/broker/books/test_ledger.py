from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

START = 1_795_190_400.0
UNIVERSE = list_universe(date(2026, 11, 20))


def make_ledger(seed: int = 7) -> tuple[Ledger, Market]:
    market = Market(UNIVERSE, seed=seed, now=START)
    return Ledger(market, START), market


@settings(max_examples=8)
@given(st.integers(), st.floats(0.1, 60))
def test_value_is_cash_plus_positions_at_their_marks(seed: int, seconds: float) -> None:
    ledger, market = make_ledger(seed)
    market.advance(START + seconds)
    for number in ledger.accounts:
        balance = ledger.balance(number)
        total = Decimal(balance["cash-balance"])
        for position in ledger.positions(number):
            sign = 1 if position["quantity-direction"] == "Long" else -1
            total += sign * Decimal(position["mark"])
            assert Decimal(position["mark"]) == (
                Decimal(position["mark-price"])
                * Decimal(position["quantity"])
                * position["multiplier"]
            )
        assert Decimal(balance["net-liquidating-value"]) == total == ledger.value(number)


def test_two_accounts_with_stocks_and_options() -> None:
    ledger, _ = make_ledger()
    assert [ledger.describe(number)["margin-or-cash"] for number in ledger.accounts] == [
        "Margin",
        "Cash",
    ]
    for number in ledger.accounts:
        kinds = {position["instrument-type"] for position in ledger.positions(number)}
        assert kinds == {"Equity", "Equity Option"}


def test_money_by_hand_and_missing_fields() -> None:
    ledger, _ = make_ledger()
    before = ledger.value("5WX00001")
    account = ledger.accounts["5WX00001"]
    account.adjustment += Decimal("-250.25")
    account.omitted = {"net-liquidating-value"}
    assert ledger.value("5WX00001") == before - Decimal("250.25")
    assert "net-liquidating-value" not in ledger.balance("5WX00001")
    assert "net-liquidating-value" in ledger.balance("5WY00002")


def test_marks_only_when_asked() -> None:
    ledger, _ = make_ledger()
    assert not any("mark" in body for body in ledger.positions("5WX00001", with_marks=False))


def test_an_unknown_account() -> None:
    ledger, _ = make_ledger()
    with pytest.raises(KeyError):
        ledger.balance("5WZ")
