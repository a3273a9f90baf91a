"""Amounts as text: what is written can be read back, and a sign stands in one place alone."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.books.amounts import effect, money, plain, signed

AMOUNTS = st.decimals(-(10**9), 10**9, places=8)


@given(AMOUNTS)
def test_money_has_a_fraction_and_no_noise(amount: Decimal) -> None:
    text = money(amount)
    assert Decimal(text) == amount
    assert "E" not in text
    whole, _, fraction = text.partition(".")
    assert fraction == "0" or fraction[-1] != "0"
    assert whole


@given(st.decimals(0, 10**6, places=4))
def test_a_quantity_has_no_fraction_that_says_nothing(quantity: Decimal) -> None:
    text = plain(quantity)
    assert Decimal(text) == quantity
    assert "E" not in text
    assert "." not in text or text[-1] != "0"


@given(AMOUNTS)
def test_an_effect_is_the_sign(amount: Decimal) -> None:
    body = signed("fees", amount)
    assert body.keys() == {"fees", "fees-effect"}
    sign = {"Credit": 1, "Debit": -1, "None": 0}[body["fees-effect"]]
    assert sign * Decimal(body["fees"]) == amount
    assert effect(-amount) == {"Credit": "Debit", "Debit": "Credit", "None": "None"}[effect(amount)]
