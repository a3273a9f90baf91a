"""`/metrics` as Prometheus reads it."""

from gateway import __version__
from gateway.streams.reports import UpstreamReport
from gateway.streams.upstream.drops import report_drops
from tests.web.running import Reader, get, make_quote, make_status, open_gateway
from tests.web.test_health import TALLIES, read_samples


def test_metrics_are_prometheus_text() -> None:
    with open_gateway() as gateway:
        gateway.context.report = lambda: UpstreamReport(left_out=report_drops(TALLIES))
        gateway.publish(make_status("stale"), make_quote(), make_quote())
        with Reader(gateway.port) as reader:
            reader.read_until("snapshot_end")
            answer = get(f"{gateway.url}/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        found = read_samples(answer.text)
        assert found["gateway_events_published_total",] == 3
        assert found["gateway_streams_open",] == 1
        assert found["gateway_streams_opened_total",] == 1
        assert found["gateway_streams_evicted_total", "unread"] == 0
        assert found["gateway_streams_refused_total",] == 0
        assert found["gateway_subscribers",] == 1
        assert found["gateway_records",] == 2
        assert found["gateway_history_events",] == 3
        assert found["gateway_symbols_wanted",] == 2
        assert found["gateway_events_conflated_total",] == 0
        assert 0 <= found["gateway_last_event_age_seconds",] < 60
        assert 0 <= found["gateway_event_loop_lag_seconds",] < 60
        assert 0 <= found["gateway_uptime_seconds",] < 60
        assert found["gateway_upstream_state", "feed", "stale"] == 1
        assert found["gateway_upstream_state", "feed", "live"] == 0
        assert found["gateway_info", __version__] == 1
        assert found["gateway_values_nulled_total", "Quote", "unknown"] == 1200
        assert found["gateway_records_dropped_total", "frame", "not JSON"] == 7
        assert found["gateway_records_suspicious_total", "Quote", "crossed"] == 2
        assert found["process_open_fds",] > 0
