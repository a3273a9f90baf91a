from datetime import date, time

from gateway.simulator.broker.catalogue.metrics import list_dividends, list_earnings, metrics
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)
MARKET = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))


def test_volatility_differs_by_expiry() -> None:
    for name in ("SPY", "AAPL", "SPX"):
        body = metrics(MARKET, name)
        assert body is not None
        found = body["option-expiration-implied-volatilities"]
        assert len(found) >= 4
        assert len({each["implied-volatility"] for each in found}) == len(found)
    assert {each["settlement-type"] for each in found} == {"AM", "PM"}


def test_a_report_is_told_and_priced() -> None:
    body = metrics(MARKET, "AAPL")
    assert body is not None
    day = body["earnings"]["expected-report-date"]
    assert day >= TODAY.isoformat()
    past = list_earnings(MARKET, "AAPL") or []
    assert all(each["occurred-date"] < TODAY.isoformat() for each in past)
    assert list_earnings(MARKET, "SPY") == []
    assert list_earnings(MARKET, "NOPE") is None


def test_dividends() -> None:
    body = metrics(MARKET, "KO")
    assert body is not None
    assert body["dividend-ex-date"] < TODAY.isoformat() <= body["dividend-next-date"]
    paid = list_dividends(MARKET, "KO") or []
    assert paid[0]["occurred-date"] == body["dividend-ex-date"]
    assert list_dividends(MARKET, "NOPE") is None
    other = metrics(MARKET, "TSLA")
    assert other is not None
    assert "dividend-yield" not in other


def test_what_has_no_market_cap_and_what_has_no_metrics() -> None:
    for name in ("SPX", "/ESZ6"):
        body = metrics(MARKET, name)
        assert body is not None
        assert "market-cap" not in body
    assert metrics(MARKET, "BTC/USD") is None
    assert metrics(MARKET, "SPY   261218C00600000") is None


def test_a_product_of_futures_has_metrics_without_a_market_cap() -> None:
    for name in ("/ES", "/ESZ6"):
        body = metrics(MARKET, name)
        assert body is not None
        assert body["symbol"] == name
        assert "market-cap" not in body
    assert metrics(MARKET, "/NOPE") is None
