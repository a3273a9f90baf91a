"""What every route is given: its uptime is of the clock that was given, and known is what came."""

from gateway.clock import Clock
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.web.state import AppState, has_values
from tests.streams.samples import make_quote, make_status, make_trade
from tests.web.running import make_settings


def test_the_uptime_is_of_the_given_clock() -> None:
    now_s = 100.0
    clock = Clock(monotonic_s=lambda: now_s)
    state = AppState(make_settings(), Hub(epoch="e"), Demand(now_s=lambda: 0.0), clock=clock)
    assert state.uptime_s == 0
    now_s = 107.5
    assert state.uptime_s == 7.5


def test_a_symbol_has_values_when_any_record_of_the_market_has_come() -> None:
    hub = Hub(epoch="e")
    hub.publish(make_status())
    assert not has_values(hub, "SPY")
    hub.publish(make_trade("SPY", "450.20"))
    hub.publish(make_quote("QQQ"))
    assert has_values(hub, "SPY")
    assert has_values(hub, "QQQ")
    assert not has_values(hub, "IWM")
