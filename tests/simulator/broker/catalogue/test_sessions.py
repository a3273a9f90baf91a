from datetime import date, time

import pytest

from gateway.simulator.broker.catalogue.sessions import (
    describe_current,
    list_closed_days,
    list_range,
)
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)
UNIVERSE = list_universe(TODAY)


def make_market(at: time, mode: str = "auto") -> Market:
    market = Market(UNIVERSE, seed=7, now=instant(TODAY, at))
    market.set_mode(mode, market.now)
    return market


@pytest.mark.parametrize(
    ("at", "mode", "state"),
    [
        (time(11), "auto", "Open"),
        (time(6), "auto", "Pre-market"),
        (time(23), "auto", "Closed"),
        (time(23), "open", "Open"),
        (time(11), "closed", "Closed"),
        (time(11), "extended", "Extended"),
    ],
)
def test_the_state_is_what_the_market_does(at: time, mode: str, state: str) -> None:
    body = describe_current(make_market(at, mode), "Equity")
    assert body["state"] == state
    assert body["open-at"] == "2026-11-25T14:30:00.000+00:00"
    assert body["next-session"]["session-date"] == "2026-11-27"
    assert body["previous-session"]["session-date"] == "2026-11-24"


def test_futures_have_hours_of_their_own() -> None:
    body = describe_current(make_market(time(19)), "CME")
    assert (body["state"], body["open-at"]) == ("Open", "2026-11-25T23:00:00.000+00:00")
    assert describe_current(make_market(time(17, 30)), "CME")["state"] == "Closed"


def test_a_range_leaves_out_what_is_closed() -> None:
    found = list_range("Equity", date(2026, 11, 23), date(2026, 11, 30))
    assert [each["session-date"][-2:] for each in found] == ["23", "24", "25", "27", "30"]
    assert found[3]["close-at"] == "2026-11-27T18:00:00.000+00:00"
    assert found[3]["close-at-ext"] == "2026-11-27T22:00:00.000+00:00"
    assert list_range("Equity", date(2026, 11, 30), date(2026, 11, 23)) == []


def test_closed_days() -> None:
    shares, futures = (list_closed_days(make_market(time(11)), name) for name in ("Equity", "CME"))
    assert "2026-11-26" in shares["market-holidays"]
    assert "2026-11-27" in shares["market-half-days"]
    assert "2026-11-26" in futures["market-half-days"]
    assert "2026-12-25" in futures["market-holidays"]
    assert "2027-12-24" in shares["market-holidays"]
