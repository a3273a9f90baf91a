"""How the cells of a table are written."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.panels.table import write_change, write_price
from gateway.pages.rendering.formats import format_change, format_number


@given(st.none() | st.decimals() | st.decimals(-2000, 2000, places=2), st.integers(2, 4))
def test_the_short_way_to_a_price_leads_to_the_same_text(
    value: Decimal | None, decimals: int
) -> None:
    assert write_price(value, decimals) == format_number(value, decimals)
    assert write_change(value, decimals) == format_change(value, decimals)
