"""Signs, and what was realized on which day."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.portfolio.worked import TODAY, make_holding


@pytest.mark.parametrize(
    ("direction", "signed"), [("Long", Decimal(3)), ("Short", Decimal(-3)), ("Zero", Decimal(0))]
)
def test_the_direction_gives_the_sign(direction: str, signed: Decimal) -> None:
    holding = make_holding("3", direction)
    assert holding.signed_quantity == signed
    assert holding.is_closed is (signed == 0)


def test_realized_gains_count_on_their_own_day_only() -> None:
    holding = make_holding(
        realized_day_gain="7.888",
        realized_day_date=TODAY,
        realized_today="-0.512",
        realized_today_date=TODAY - timedelta(days=1),
    )
    assert holding.realized_of_day(TODAY) == Decimal("7.888")
    assert holding.realized_open(TODAY) == 0
    assert holding.realized_of_day(TODAY + timedelta(days=1)) == 0
    assert make_holding().realized_of_day(TODAY) == 0
