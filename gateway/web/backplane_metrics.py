"""The part of `/metrics` about the backplane; its families are empty without one."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.web.state import AppState

# Family, name, field of the stats, help.
FOLLOWER = (
    (GaugeMetricFamily, "reachable", "is_reachable", "1 while the server answers"),
    (GaugeMetricFamily, "lag_seconds", "lag_s", "From publishing to this process's hub"),
    (GaugeMetricFamily, "epoch", "epoch", "Of the newest entry that was read"),
    (GaugeMetricFamily, "lease_age_seconds", "lease_age_s", "Since the lease was renewed"),
    (CounterMetricFamily, "entries_read", "read", "Entries read from the stream"),
    (CounterMetricFamily, "loads", "loads", "Times that all newest records were read"),
    (CounterMetricFamily, "gaps", "gaps", "Times that entries were gone before they were read"),
    (CounterMetricFamily, "unreadable", "unreadable", "Records of a form that is not known"),
    (CounterMetricFamily, "fenced", "fenced", "Entries refused: not from the lease's holder"),
)
FEED = (
    (CounterMetricFamily, "entries_appended", "appended", "Entries that the feed published"),
    (GaugeMetricFamily, "outbox_waiting", "waiting", "Changes that wait in the feed process"),
    (CounterMetricFamily, "outbox_conflated", "conflated", "Updates that a newer one replaced"),
    # The names until now, for one release.
    (GaugeMetricFamily, "outlet_waiting", "waiting", "The same as outbox_waiting"),
    (CounterMetricFamily, "outlet_conflated", "conflated", "The same as outbox_conflated"),
)


class BackplaneMetrics(Collector):
    """Reads the follower's stats, and those that the feed process sent it."""

    def __init__(self, state: AppState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        stats = self._state.figures()
        leader = stats.leader if stats else None
        for fields, source in ((FOLLOWER, stats), (FEED, leader)):
            for kind, name, field, text in fields:
                value = getattr(source, field, None)
                yield kind(f"gateway_backplane_{name}", text, value=value)
        reconnects = CounterMetricFamily(
            "gateway_backplane_reconnects", "Times the server was reached again", labels=["side"]
        )
        for side, counted in (("web", stats), ("feed", leader)):
            if counted is not None:
                reconnects.add_metric([side], counted.reconnects)
        yield reconnects
        holder = GaugeMetricFamily(
            "gateway_backplane_leader", "Who holds the lease, always 1", labels=["holder"]
        )
        if stats is not None and stats.holder is not None:
            holder.add_metric([stats.holder], 1)
        yield holder
