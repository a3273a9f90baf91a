"""Fees: by kind and quantity, the same for both sides, and none for coins."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.books.transactions import find_fees
from gateway.simulator.market.universe import Kind

QUANTITIES = st.integers(-10_000, 10_000).filter(bool).map(Decimal)


@given(st.sampled_from(list(Kind)), QUANTITIES, st.booleans())
def test_both_sides_pay_the_same_and_never_less_than_nothing(
    kind: Kind, quantity: Decimal, is_opening: bool
) -> None:
    fees = find_fees(kind, quantity, is_opening=is_opening)
    assert fees == find_fees(kind, -quantity, is_opening=is_opening)
    assert min(fees.commission, fees.clearing, fees.regulatory) >= 0
    assert fees.total == fees.commission + fees.clearing + fees.regulatory


@given(QUANTITIES)
def test_closing_an_option_costs_no_commission(quantity: Decimal) -> None:
    assert find_fees(Kind.OPTION, quantity, is_opening=True).commission == abs(quantity)
    assert find_fees(Kind.OPTION, quantity, is_opening=False).commission == 0


def test_coins_have_their_fees_in_the_price() -> None:
    assert find_fees(Kind.CRYPTO, Decimal(5), is_opening=True).total == 0
