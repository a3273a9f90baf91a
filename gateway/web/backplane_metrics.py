"""The part of `/metrics` that tells of the backplane; its families are empty without one."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.web.state import Context

# Family, field of the figures, help.
OF_THE_REPLICA = (
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
OF_THE_LEADER = (
    (CounterMetricFamily, "entries_appended", "appended", "Entries that the feed published"),
    (GaugeMetricFamily, "outlet_waiting", "waiting", "Changes that wait in the feed process"),
    (CounterMetricFamily, "outlet_conflated", "conflated", "Updates that a newer one replaced"),
)


class BackplaneMetrics(Collector):
    """Reads the figures of the replica, and what the feed process told it of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        figures = self._context.figures()
        leader = figures.leader if figures else None
        for fields, source in ((OF_THE_REPLICA, figures), (OF_THE_LEADER, leader)):
            for kind, name, field, text in fields:
                value = getattr(source, field, None)
                yield kind(f"gateway_backplane_{name}", text, value=value)
        reconnects = CounterMetricFamily(
            "gateway_backplane_reconnects", "Times the server was reached again", labels=["side"]
        )
        for side, counted in (("web", figures), ("feed", leader)):
            if counted is not None:
                reconnects.add_metric([side], counted.reconnects)
        yield reconnects
        holder = GaugeMetricFamily(
            "gateway_backplane_leader", "Who holds the lease, always 1", labels=["holder"]
        )
        if figures is not None and figures.holder is not None:
            holder.add_metric([figures.holder], 1)
        yield holder
