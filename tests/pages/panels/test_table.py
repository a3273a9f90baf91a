"""How the cells of a table are written."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.pages import metric, watchlist
from gateway.pages.panels.table import write_change, write_price
from gateway.pages.rendering.formats import format_change, format_number
from tests.pages.reading import make_quote
from tests.pages.showing import place, render


@given(st.none() | st.decimals() | st.decimals(-2000, 2000, places=2), st.integers(2, 4))
def test_the_short_way_to_a_price_leads_to_the_same_text(
    value: Decimal | None, decimals: int
) -> None:
    assert write_price(value, decimals) == format_number(value, decimals)
    assert write_change(value, decimals) == format_change(value, decimals)


def test_a_price_of_another_time_than_its_neighbours_says_so() -> None:
    (table,) = place(lambda: watchlist("AAPL", columns=["last", "bid"]))
    (figures, _) = place(lambda: metric("AAPL"))
    known = {"bid": Decimal("299.90"), "market": "closed"}
    closed = make_quote("AAPL", "229.48", **known)
    after = make_quote(
        "AAPL",
        "229.48",
        **known,
        last_at="extended",
        extended_last=Decimal("300.10"),
        extended_change=Decimal("70.62"),
    )
    for panel in (table, figures):
        assert "at the close" in render(panel, closed).words
        words = render(panel, after).words
        assert "extended 300.10 +70.62" in words
        assert "229.48" in words
        assert "at the close" not in words
        assert "at the close" not in render(panel, make_quote("AAPL", "229.48")).words
