"""Products of futures and of the options on them."""

from gateway.simulator.broker.catalogue.products import (
    find_future_option_product,
    find_future_product,
    list_future_option_products,
    list_future_products,
)
from tests.simulator.broker.catalogue.shared import MARKET


def test_products() -> None:
    assert [each["code"] for each in list_future_products()] == ["ES", "NQ", "RTY", "CL", "GC"]
    found = find_future_product("CME", "ES")
    assert found is not None
    assert found["option-products"]
    assert find_future_product("CFE", "ES") is None
    roots = {each["root-symbol"] for each in list_future_option_products(MARKET)}
    assert {"ES", "LO"} < roots
    for root in roots:
        assert find_future_option_product(root) is not None
    assert find_future_option_product("XX") is None
