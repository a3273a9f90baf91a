from datetime import date, time

import pytest

from gateway.simulator.broker.catalogue.quotes import TYPES, market_data
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)
UNIVERSE = list_universe(TODAY)
NAMES = {
    "equity": "SPY",
    "index": "SPX",
    "future": "/ESZ6",
    "cryptocurrency": "BTC/USD",
    "equity-option": "SPY   261218C00600000",
    "future-option": "./ESZ6 ESZ6 261218P5850",
}


def make_market(*, is_open: bool = True) -> Market:
    return Market(UNIVERSE, seed=7, now=instant(TODAY, time(15)), is_open=is_open)


@pytest.mark.parametrize("kind", NAMES)
def test_a_symbol_is_found_under_its_own_type_only(kind: str) -> None:
    market = make_market()
    body = market_data(market, NAMES[kind], kind)
    assert body is not None
    assert body["instrument-type"] == TYPES[kind].value
    assert float(body["mark"]) > 0
    for other in set(NAMES) - {kind}:
        assert market_data(market, NAMES[kind], other) is None
    assert market_data(market, "NOPE", kind) is None


@pytest.mark.parametrize("kind", ["equity-option", "future-option"])
def test_options_have_greeks_and_open_interest(kind: str) -> None:
    body = market_data(make_market(), NAMES[kind], kind)
    assert body is not None
    for name in ("volatility", "delta", "gamma", "theta", "rho", "vega", "theo-price", "dx-mark"):
        assert isinstance(body[name], str)
    assert isinstance(body["open-interest"], int)


def test_the_close_is_of_today_only_when_the_day_is_over() -> None:
    body = market_data(make_market(), "SPY")
    assert body is not None
    assert "close" not in body
    body = market_data(make_market(is_open=False), "SPY")
    assert body is not None
    assert body["close"] == body["last"] != body["prev-close"]


def test_the_mark_of_a_share_need_not_be_the_middle() -> None:
    market = make_market()
    market.set_quote("SPY", bid=600.0, ask=601.0, last=600.1)
    body = market_data(market, "SPY")
    assert body is not None
    assert (body["mark"], body["mid"]) == ("600.1", "600.5")
