from datetime import date, time

import pytest

from gateway.simulator.broker.catalogue.chains import (
    compact_chain,
    list_chain,
    list_future_chain,
    nest_chain,
    nest_future_chain,
)
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)
MARKET = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))


@pytest.mark.parametrize("underlying", ["SPY", "SPX", "TSLA"])
def test_the_three_forms_name_the_same_options(underlying: str) -> None:
    flat = {body["symbol"] for body in list_chain(MARKET, underlying) or []}
    nested = {
        strike[side]
        for item in nest_chain(MARKET, underlying) or []
        for expiration in item["expirations"]
        for strike in expiration["strikes"]
        for side in ("call", "put")
    }
    compact = [s for item in compact_chain(MARKET, underlying) or [] for s in item["symbols"]]
    assert flat == nested == set(compact)
    assert len(compact) == len(flat) > 100


def test_roots_stand_apart() -> None:
    morning, evening = nest_chain(MARKET, "SPX") or []
    assert (morning["root-symbol"], evening["root-symbol"]) == ("SPX", "SPXW")
    settled = {each["settlement-type"] for each in morning["expirations"]}
    assert settled == {"AM"}
    _, adjusted = nest_chain(MARKET, "TSLA") or []
    assert (adjusted["option-chain-type"], adjusted["shares-per-contract"]) == ("Non-standard", 150)
    assert adjusted["deliverables"][0]["amount"] == "150.0"


def test_days_to_expiration_are_new_yorks() -> None:
    (item,) = nest_chain(MARKET, "SPY") or []
    first = item["expirations"][0]
    assert (first["expiration-date"], first["days-to-expiration"]) == ("2026-11-25", 0)
    days = [each["expiration-date"] for each in item["expirations"]]
    assert "2026-11-26" not in days
    assert "2026-11-27" in days


def test_a_chain_of_futures_options() -> None:
    body = nest_future_chain(MARKET, "/ES")
    assert body is not None
    assert [each["symbol"] for each in body["futures"]] == ["/ESZ6", "/ESH7"]
    assert [each["active-month"] for each in body["futures"]] == [True, False]
    (chain,) = body["option-chains"]
    names = [
        strike[side]
        for expiration in chain["expirations"]
        for strike in expiration["strikes"]
        for side in ("call", "put")
    ]
    assert set(names) == {each["symbol"] for each in list_future_chain(MARKET, "ES") or []}
    for expiration in chain["expirations"]:
        assert float(expiration["notional-value"]) / float(expiration["display-factor"]) == 50


@pytest.mark.parametrize("underlying", ["DIS", "NOPE", ""])
def test_what_has_no_chain(underlying: str) -> None:
    for find in (list_chain, nest_chain, compact_chain, list_future_chain):
        assert find(MARKET, underlying) is None
    assert nest_future_chain(MARKET, underlying) is None
