"""`/metrics`: the gateway's counters and gauges as Prometheus text, read at each scrape."""

import asyncio
from collections.abc import Iterator
from functools import partial

from anyio import to_thread
from msgspec import UNSET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway import __version__
from gateway.web.backplane_metrics import BackplaneMetrics
from gateway.web.state import OPERATOR, AppState

STATES = ("connecting", "live", "stale", "degraded", "closed")


class _Gateway(Collector):
    """Reads the hub and the state at each scrape; nothing is counted twice."""

    def __init__(self, state: AppState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state, hub = self._state, self._state.hub
        yield _counter("gateway_events_published", "Records published into the hub", hub.published)
        yield _counter(
            "gateway_events_conflated", "Updates left out for slow readers", hub.conflated
        )
        yield _counter("gateway_streams_opened", "Streams opened", state.streams_opened)
        evicted = CounterMetricFamily(
            "gateway_streams_evicted", "Streams ended by the gateway", labels=["reason"]
        )
        evicted.add_metric(["unread"], state.streams_evicted)
        evicted.add_metric(["shutdown"], state.streams_cut)
        yield evicted
        yield _counter("gateway_streams_refused", "Streams refused: full", state.streams_refused)
        yield _gauge("gateway_streams_open", "Streams open now", state.streams)
        yield _gauge("gateway_subscribers", "Cursors into the hub", hub.subscribers)
        yield _gauge("gateway_records", "Keys with a newest record", hub.keys)
        yield _gauge("gateway_history_events", "Records in the history", hub.history)
        yield _gauge("gateway_symbols_wanted", "Symbols followed", len(state.demand.wanted))
        yield _gauge(
            "gateway_symbols_waiting",
            "Symbols asked for that nobody knows and whose place was needed",
            len(state.demand.waiting),
        )
        desk = state.report().desk
        drift = None if desk is UNSET else desk.net_liq_drift
        yield _gauge(
            "gateway_net_liq_drift_ratio",
            "How far the last net liquidating value was off; NaN when not known",
            float("nan") if drift is None else drift,
        )
        yield _gauge(
            "gateway_held_symbols_left_out",
            "Held symbols for which there is no room",
            0 if desk is UNSET else desk.not_followed,
        )
        failures = CounterMetricFamily(
            "gateway_login_failures", "Tries to come in that failed", labels=["reason"]
        )
        failures.add_metric(["wrong_token"], state.logins.wrong)
        failures.add_metric(["throttled"], state.logins.throttled)
        failures.add_metric(["foreign_origin"], state.logins.foreign)
        yield failures
        yield _gauge(
            "gateway_event_loop_lag_seconds", "Longest delay in the last 15 s", state.loop_lag_s
        )
        yield _gauge("gateway_tasks", "Tasks of the event loop", len(asyncio.all_tasks()))
        yield _gauge(
            "gateway_last_event_age_seconds",
            "Since the newest data record; NaN before the first",
            float("nan") if hub.age_s is None else hub.age_s,
        )
        yield _gauge("gateway_uptime_seconds", "Since the start", state.uptime_s)
        yield from _drops(state)
        yield self._states()
        info = GaugeMetricFamily("gateway_info", "The version, always 1", labels=["version"])
        info.add_metric([__version__], 1)
        yield info

    def _states(self) -> Metric:
        family = GaugeMetricFamily(
            "gateway_upstream_state", "1 for the state that holds", labels=["upstream", "state"]
        )
        for status in self._state.hub.statuses(OPERATOR):
            for state in STATES:
                family.add_metric([status.upstream, state], float(status.state == state))
        return family


DROPS = {
    "dropped": ("gateway_records_dropped", "Messages and rows that led to nothing"),
    "nulled": ("gateway_values_nulled", "Values replaced by null"),
    "suspicious": ("gateway_records_suspicious", "Records passed on that look wrong"),
}


def _drops(state: AppState) -> Iterator[Metric]:
    """Yield what was dropped between upstream and hub, by type and reason; see `upstream.drops`.

    With REDIS_URL these are the counts of the feed process.
    """
    drops = state.report().left_out
    counts = drops.counts if drops else []
    for fate, (name, text) in DROPS.items():
        family = CounterMetricFamily(name, text, labels=["type", "reason"])
        for found, kind, reason, count in counts:
            if found == fate:
                family.add_metric([kind, reason], count)
        yield family


def routes(state: AppState) -> list[BaseRoute]:
    """Return the route of this module."""
    own, process = CollectorRegistry(auto_describe=False), CollectorRegistry(auto_describe=False)
    own.register(_Gateway(state))
    own.register(BackplaneMetrics(state))
    ProcessCollector(registry=process)
    return [Route("/metrics", partial(_metrics, own, process), methods=["GET"], name="metrics")]


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


async def _metrics(
    own: CollectorRegistry, process: CollectorRegistry, request: Request
) -> Response:
    # Ours reads the hub, which belongs to the loop; the other reads files, which may take long.
    text = generate_latest(own) + await to_thread.run_sync(generate_latest, process)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
