"""A search finds by symbol and by name, and keeps to what it was asked for."""

import pytest

from gateway.simulator.broker.catalogue.searching import search
from tests.simulator.broker.catalogue.shared import MARKET


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
