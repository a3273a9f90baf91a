from decimal import Decimal

import pytest

from gateway.simulator.broker.catalogue.instruments import list_future_options, list_instruments
from tests.simulator.broker.catalogue.shared import MARKET


def names(kind: str, **filters: object) -> list[str]:
    found = list_instruments(MARKET, kind, **filters)  # type: ignore[arg-type]
    assert found is not None
    return [body["symbol"] for body in found]


def test_filters_are_honoured() -> None:
    assert names("futures", products=["ES", "/CL"]) == ["/ESZ6", "/ESH7", "/CLF7", "/CLG7"]
    assert "SPY" in names("equities", is_etf=True)
    assert "AAPL" not in names("equities", is_etf=True)
    assert set(names("equities", is_index=True)) == {"SPX", "NDX", "RUT", "VIX"}
    assert names("futures", exchanges=["CME"], products=["GC"])
    assert names("futures", exchanges=["CFE"]) == []
    assert list_instruments(MARKET, "bonds") is None


def test_options_on_futures_are_filtered() -> None:
    found = list_future_options(MARKET, roots=["ES"])
    assert {body["option-root-symbol"] for body in found} == {"ES"}
    expiry = found[0]["expiration-date"]
    for body in list_future_options(MARKET, roots=["ES"], expiries=[expiry], sides=["P"]):
        assert (body["expiration-date"], body["option-type"]) == (expiry, "P")
    (only,) = list_future_options(
        MARKET, roots=["ES"], expiries=[expiry], strikes=[Decimal(6000)], sides=["C"]
    )
    assert only["strike-price"] == "6000.0"
    assert list_future_options(MARKET, roots=["NOPE"]) == []


def test_an_option_on_a_future_is_found_as_addresses_spell_it() -> None:
    symbol = list_future_options(MARKET, roots=["ES"])[0]["symbol"]
    for name in (symbol, symbol.removeprefix("./")):
        (body,) = list_instruments(MARKET, "future-options", [name]) or []
        assert body["symbol"] == symbol


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
