"""The tables of products: a lead contract on every day, and options that find their future."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.products import PRODUCTS, find_lead, find_product, is_over


@pytest.mark.parametrize(
    ("root", "today", "symbol"),
    [
        ("ES", date(2026, 11, 28), "/ESZ26:XCME"),
        ("ES", date(2026, 12, 20), "/ESH27:XCME"),
        ("CL", date(2026, 11, 28), "/CLF27:XNYM"),
        ("GC", date(2026, 11, 28), "/GCG27:XCEC"),
        ("ZN", date(2026, 11, 28), "/ZNH27:XCBT"),
    ],
)
def test_lead_contracts(root: str, today: date, symbol: str) -> None:
    assert find_lead(PRODUCTS[root], today) == symbol


@given(st.sampled_from(sorted(PRODUCTS)), st.dates(date(2020, 1, 1), date(2060, 1, 1)))
def test_a_lead_contract_is_not_over(root: str, today: date) -> None:
    name = find_lead(PRODUCTS[root], today).partition(":")[0]
    century = today.year // 100 * 100
    assert not is_over(name[-3], century + int(name[-2:]), today)


@pytest.mark.parametrize(
    ("option", "future"),
    [("EW4", "ES"), ("E3A", "ES"), ("OZC", "ZC"), ("OZB", "ZB"), ("ZN2", "ZN"), ("EUU", "6E")],
)
def test_an_option_finds_its_future(option: str, future: str) -> None:
    assert find_product(option) is PRODUCTS[future]
    assert find_product("XYZ") is None
