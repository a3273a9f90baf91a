"""Legs: what is left of them, and on which side they are."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.books.orders import Fill, Leg


def make_leg(action: str = "Buy to Open", quantity: int = 100) -> Leg:
    return Leg("SPY", "SPY", "Equity", action, Decimal(quantity))


@pytest.mark.parametrize(
    ("action", "sign"),
    [("Buy to Open", 1), ("Buy to Close", 1), ("Sell to Open", -1), ("Sell to Close", -1)],
)
def test_what_is_sold_counts_below_zero(action: str, sign: int) -> None:
    assert make_leg(action).sign == sign


@given(st.lists(st.integers(1, 20), max_size=5))
def test_what_is_filled_does_not_remain(quantities: list[int]) -> None:
    leg = make_leg()
    leg.fills += [
        Fill(str(index), Decimal(each), Decimal("600.25"), 0.0, "X")
        for index, each in enumerate(quantities)
    ]
    assert leg.remaining == 100 - sum(quantities)
    body = leg.describe()
    assert body["quantity"] == 100
    assert body["action"] == "Buy to Open"
