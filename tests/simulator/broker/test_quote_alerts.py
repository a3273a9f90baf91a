"""Alerts of the broker: they fire once, when the market meets them."""

from datetime import date, time

import pytest

from gateway.simulator.broker.quote_alerts import QuoteAlerts
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)


@pytest.fixture
def market() -> Market:
    return Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))


@pytest.mark.parametrize(
    ("field", "operator", "threshold"),
    [("Last", ">", 70.0), ("Bid", ">", 69.9), ("Ask", "<", 75.0), ("IV", ">", 0.01)],
)
def test_an_alert_fires_once(market: Market, field: str, operator: str, threshold: float) -> None:
    alerts = QuoteAlerts()
    made = alerts.add(
        market, "U1", symbol="KO", field=field, operator=operator, threshold=threshold
    )
    assert "triggered-at" not in made.describe()
    market.set_quote("KO", bid=60.0, ask=90.0, last=60.0)
    if field != "IV":
        assert alerts.match(market) == []
    market.set_quote("KO", bid=70.5, ask=70.6, last=70.55)
    assert alerts.match(market) == [made]
    assert alerts.match(market) == []
    assert made.describe()["triggered-at"] == made.describe()["completed-at"]


def test_a_price_that_is_not_known_meets_nothing(market: Market) -> None:
    alerts = QuoteAlerts()
    for operator in "<>":
        alerts.add(market, "U1", symbol="KO", field="Bid", operator=operator, threshold=1.0)
    market.set_quote("KO", bid=float("nan"), ask=70.0)
    assert alerts.match(market) == []


def test_alerts_belong_to_a_customer_and_name_what_is_listed(market: Market) -> None:
    alerts = QuoteAlerts()
    made = alerts.add(market, "U1", symbol="/ESZ6", field="Last", operator="<", threshold=1.0)
    assert (made.symbol, made.streamer_symbol) == ("/ESZ6", "/ESZ26:XCME")
    assert (alerts.list_of("U1"), alerts.list_of("U2")) == ([made], [])
    with pytest.raises(KeyError):
        alerts.add(market, "U1", symbol="NOPE", field="Last", operator="<", threshold=1.0)
    with pytest.raises(ValueError, match="field"):
        alerts.add(market, "U1", symbol="KO", field="Mood", operator="<", threshold=1.0)
