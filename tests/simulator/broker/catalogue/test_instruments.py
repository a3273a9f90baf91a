from datetime import date, time

import pytest

from gateway.simulator.broker.catalogue.instruments import list_instruments
from gateway.simulator.broker.catalogue.products import (
    find_future_option_product,
    find_future_product,
    list_future_option_products,
    list_future_products,
)
from gateway.simulator.broker.catalogue.searching import search
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)
MARKET = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))


def names(kind: str, **filters: object) -> list[str]:
    found = list_instruments(MARKET, kind, **filters)  # type: ignore[arg-type]
    assert found is not None
    return [body["symbol"] for body in found]


def test_filters_are_honoured() -> None:
    assert names("futures", products=["ES", "/CL"]) == ["/ESZ6", "/ESH7", "/CLF7", "/CLG7"]
    assert "SPY" in names("equities", is_etf=True)
    assert "AAPL" not in names("equities", is_etf=True)
    assert set(names("equities", is_index=True)) == {"SPX", "NDX", "RUT", "VIX"}
    assert list_instruments(MARKET, "bonds") is None


def test_a_symbol_with_a_slash_and_a_future_without_one() -> None:
    for kind, name in (("equities", "BRK/B"), ("futures", "ESZ6"), ("cryptocurrencies", "BTC/USD")):
        (body,) = list_instruments(MARKET, kind, [name]) or []
        assert body["symbol"].lstrip("/") == name
    assert list_instruments(MARKET, "equities", ["/ESZ6"]) == []


@pytest.mark.parametrize(
    ("name", "expires"),
    [
        ("SPY   261127C00600000", "2026-11-27T18:00:00.000+00:00"),
        ("SPY   261218C00600000", "2026-12-18T21:00:00.000+00:00"),
        ("SPX   261218C06000000", "2026-12-18T14:30:00.000+00:00"),
    ],
)
def test_options_expire_at_their_own_hour(name: str, expires: str) -> None:
    (body,) = list_instruments(MARKET, "equity-options", [name]) or []
    assert body["expires-at"] == expires
    assert body["stops-trading-at"] <= expires


def test_only_the_last_month_has_nothing_to_roll_to() -> None:
    front, after = list_instruments(MARKET, "futures", products=["ES"]) or []
    assert front["roll-target-symbol"] == after["symbol"]
    assert "roll-target-symbol" not in after
    assert front["future-etf-equivalent"] == {"symbol": "SPY", "share-quantity": 506}


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


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("aapl", "AAPL"), ("AAP", "AAPL"), ("apple", "AAPL"), ("/es", "/ESZ6"), ("es", "/ESZ6"),
        ("brk", "BRK/B"), ("berkshire", "BRK/B"), ("bitcoin", "BTC/USD"), ("crude", "/CLF7"),
    ],
)  # fmt: skip
def test_a_search_finds_by_symbol_and_by_name(text: str, first: str) -> None:
    assert search(MARKET, text)[0]["symbol"] == first


def test_a_search_for_nothing_and_within_types() -> None:
    assert search(MARKET, " ") == []
    assert search(MARKET, "zzzz") == []
    only = search(MARKET, "s", kinds={"Future"}, limit=2)
    assert len(only) == 2
    assert {each["instrument-type"] for each in only} == {"Future"}
    assert search(MARKET, "SPY")[0]["options"] is True
    assert search(MARKET, "DIS")[0]["options"] is False
