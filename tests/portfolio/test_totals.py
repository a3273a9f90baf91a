"""Sums that say what they leave out."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.portfolio.marks import Prices
from gateway.portfolio.totals import Totals, total
from gateway.portfolio.valuation import Valuation, value_holding
from tests.portfolio.worked import TODAY, at, make_holding

amounts = st.decimals("0.01", 5000, places=2)


@st.composite
def valuations(draw: st.DrawFn) -> Valuation:
    """A position of any kind, with or without a price."""
    fields: dict[str, Any] = {
        "instrument_type": draw(st.sampled_from(["Equity", "Equity Option", "Future", "Odd"])),
        "average_open_price": draw(st.none() | amounts),
        "average_daily_price": draw(st.none() | amounts),
        "multiplier": draw(st.sampled_from([Decimal(1), Decimal(50), Decimal(100)])),
    }
    quantity, direction = draw(st.integers(0, 50)), draw(st.sampled_from(["Long", "Short"]))
    holding = make_holding(str(quantity), direction, **fields)
    prices = draw(st.just(Prices()) | st.builds(lambda price: at(str(price)), amounts))
    return value_holding(holding, prices, TODAY)


@given(st.lists(valuations(), max_size=12))
def test_the_sum_of_the_parts_is_the_total(parts: list[Valuation]) -> None:
    found = total(parts)
    known = [each for each in parts if each.value is not None]
    assert found.unknown == len(parts) - len(known)
    assert found.value == sum(each.value or 0 for each in known)
    for name in ("pnl_open", "pnl_day", "delta", "theta", "beta_delta"):
        assert getattr(found, name) == sum(getattr(each, name) or 0 for each in known)
    assert found.is_stale == any(each.is_stale for each in parts)
    without = [each for each in known if each.pnl_open is None or each.pnl_day is None]
    assert found.missing_basis == len(without), "what is in no sum of gains is counted"


@given(st.lists(valuations(), max_size=8), st.integers(0, 8))
def test_it_does_not_matter_how_they_are_grouped(parts: list[Valuation], border: int) -> None:
    one, other, both = total(parts[:border]), total(parts[border:]), total(parts)
    for name in Totals.__struct_fields__:
        together = getattr(one, name) + getattr(other, name)
        assert getattr(both, name) == (bool(together) if name == "is_stale" else together)


def test_nothing_is_worth_nothing() -> None:
    assert total([]) == Totals()
