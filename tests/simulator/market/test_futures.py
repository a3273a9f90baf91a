from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.market.calendar import instant, is_trading_day
from gateway.simulator.market.futures import (
    PRODUCTS,
    Product,
    find_product,
    list_contracts,
    list_option_series,
)


@pytest.mark.parametrize(
    ("root", "today", "names"),
    [
        ("ES", date(2026, 11, 28), ["/ESZ6", "/ESH7"]),
        ("ES", date(2026, 12, 18), ["/ESZ6", "/ESH7"]),
        ("ES", date(2026, 12, 19), ["/ESH7", "/ESM7"]),
        ("CL", date(2026, 11, 28), ["/CLF7", "/CLG7"]),
        ("GC", date(2026, 11, 28), ["/GCZ6", "/GCG7"]),
        ("GC", date(2026, 12, 1), ["/GCG7", "/GCJ7"]),
    ],
)
def test_which_months_are_listed(root: str, today: date, names: list[str]) -> None:
    product = find_product(root)
    assert product is not None
    assert [contract.name for contract in list_contracts(product, today)] == names


def test_contracts_end_on_their_days_and_hours() -> None:
    ends = {}
    for root in ("ES", "CL", "GC"):
        product = find_product(f"/{root}")
        assert product is not None
        ends[root] = list_contracts(product, date(2026, 11, 10))[0]
    assert ends["ES"].expiry == date(2026, 12, 18)
    assert ends["ES"].expires_s == instant(date(2026, 12, 18), time(9, 30))
    assert ends["CL"].expiry == date(2026, 11, 20)
    assert ends["GC"].expiry == date(2026, 12, 29)


@given(st.dates(date(2025, 1, 1), date(2032, 1, 1)), st.sampled_from(PRODUCTS))
def test_everything_listed_is_still_to_come(today: date, product: Product) -> None:
    contracts = list_contracts(product, today)
    assert [c.expiry for c in contracts] == sorted({c.expiry for c in contracts})
    for contract in contracts:
        assert contract.expiry >= today
        assert is_trading_day(contract.expiry)
    for _, beneath, expiry, _ in list_option_series(product, today):
        assert today <= expiry <= beneath.expiry
        assert is_trading_day(expiry)
