"""The part of `/metrics` about the backplane."""

from gateway.streams.backplane.stats import BackplaneStats
from gateway.streams.reports import LeaderReport
from tests.web.running import get, open_gateway
from tests.web.test_health import read_samples


def test_the_backplane_has_figures_of_its_own() -> None:
    """Without one its families are there, and empty."""
    with open_gateway() as gateway:
        found = read_samples(get(f"{gateway.url}/metrics").text)
        assert not [each for each in found if each[0].startswith("gateway_backplane")]
        leader = LeaderReport(appended=10, reconnects=1, waiting=2, conflated=3)
        figures = BackplaneStats(
            is_reachable=True,
            lag_s=0.5,
            read=4,
            loads=5,
            gaps=11,
            reconnects=6,
            unreadable=7,
            epoch=8,
            holder="here/1/x",
            lease_age_s=0.25,
            fenced=9,
            leader=leader,
        )
        gateway.context.figures = lambda: figures
        found = read_samples(get(f"{gateway.url}/metrics").text)
        told = {
            each[0].removeprefix("gateway_backplane_"): value
            for each, value in found.items()
            if each[0].startswith("gateway_backplane") and len(each) == 1
        }
        assert told == {
            "reachable": 1,
            "lag_seconds": 0.5,
            "epoch": 8,
            "lease_age_seconds": 0.25,
            "entries_read_total": 4,
            "loads_total": 5,
            "gaps_total": 11,
            "unreadable_total": 7,
            "fenced_total": 9,
            "entries_appended_total": 10,
            "outbox_waiting": 2,
            "outbox_conflated_total": 3,
            "outlet_waiting": 2,
            "outlet_conflated_total": 3,
        }
        assert found["gateway_backplane_leader", "here/1/x"] == 1
        assert found["gateway_backplane_reconnects_total", "web"] == 6
        assert found["gateway_backplane_reconnects_total", "feed"] == 1
