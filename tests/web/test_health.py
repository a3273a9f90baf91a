"""Liveness, readiness, status and metrics, as platforms and operators ask for them."""

import json
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.streams.backplane.stats import BackplaneStats, LeaderStats
from gateway.streams.upstream.drops import REASONS, DropStats, Fate, report_drops
from tests.web.running import (
    Reader,
    Running,
    ask,
    get,
    make_balance,
    make_quote,
    make_settings,
    make_status,
    open_gateway,
    post,
)

TALLIES: dict[Fate, DropStats] = {
    "dropped": DropStats({("frame", "not JSON"): 7, ("Quote", "no symbol"): 0}),
    "nulled": DropStats({("Quote", "unknown"): 1200}),
    "suspicious": DropStats({("Quote", "crossed"): 2}),
}


def test_healthz_tells_that_the_loop_turns(running: Running) -> None:
    answer = get(f"{running.url}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readiness_follows_what_there_is_to_serve() -> None:
    with open_gateway() as gateway:
        url = f"{gateway.url}/readyz"
        answer = get(url)
        assert answer.status_code == 503
        assert answer.json() == {"status": "unready", "reasons": ["nothing has arrived yet"]}
        gateway.publish(make_status("connecting"))
        assert get(url).json()["reasons"] == ["feed is connecting"]
        gateway.publish(make_quote())
        assert (get(url).status_code, get(url).json()) == (200, {"status": "ready"})
        gateway.publish(make_status("stale"))
        assert get(url).status_code == 200, "old values are served, marked as such"
        gateway.call(lambda: gateway.context.hub.close("shutdown"))
        assert get(url).json()["reasons"] == ["the gateway is shutting down"]
        assert get(f"{gateway.url}/healthz").status_code == 200


def test_status_tells_an_operator_what_there_is() -> None:
    with open_gateway(make_settings(max_streams=7)) as gateway:
        context = gateway.context
        upstream = {"feed": {"symbols": 2}, "left_out": report_drops(TALLIES)}
        context.report = lambda: upstream
        context.streams_refused = 3
        assert get(f"{gateway.url}/status").json()["events"]["last_age_s"] is None
        gateway.publish(make_status(), make_quote(), make_balance(balance="123456.78"))
        with Reader(gateway.port) as reader:
            reader.read_until("snapshot_end")
            answer = get(f"{gateway.url}/status")
        status = json.loads(answer.content, parse_float=Decimal)
        assert answer.headers["cache-control"] == "no-store"
        assert status["version"] == __version__
        assert status["epoch"] == context.hub.epoch
        assert 0 <= status["uptime_s"] < 60
        assert status["ready"] is True
        assert status["statuses"]["feed"]["state"] == "live"
        assert status["statuses"]["feed"]["since"].endswith("Z")
        assert status["upstream"]["feed"] == {"symbols": 2}
        assert status["left_out"] == [
            "3 streams were refused because there was no room.",
            f"1,200 values of type Quote {REASONS['unknown']} and are shown as unknown.",
            "7 messages or rows of type frame could not be read as JSON and were dropped.",
            "2 records of type Quote had a bid above the ask and were passed on as they came.",
        ]
        assert status["streams"] == {
            "open": 1,
            "max": 7,
            "opened": 1,
            "evicted": 0,
            "refused": 3,
            "subscribers": 1,
        }
        assert status["symbols_wanted"] == 2
        assert status["events"]["published"] == 3
        assert 0 <= status["events"]["last_age_s"] < 60
        assert status["versions"]["sse-starlette"].startswith("3.")
        assert b"123456" not in answer.content, "no balances here"


def test_metrics_are_prometheus_text() -> None:
    with open_gateway() as gateway:
        gateway.context.report = lambda: {"left_out": report_drops(TALLIES)}
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


def test_the_backplane_has_figures_of_its_own() -> None:
    """Without one its families are there, and empty."""
    with open_gateway() as gateway:
        found = read_samples(get(f"{gateway.url}/metrics").text)
        assert not [each for each in found if each[0].startswith("gateway_backplane")]
        leader = LeaderStats(appended=10, reconnects=1, waiting=2, conflated=3)
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
            "outlet_waiting": 2,
            "outlet_conflated_total": 3,
        }
        assert found["gateway_backplane_leader", "here/1/x"] == 1
        assert found["gateway_backplane_reconnects_total", "web"] == 6
        assert found["gateway_backplane_reconnects_total", "feed"] == 1


def read_samples(text: str) -> dict[tuple[str, ...], float]:
    """The value of every sample, by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/status", "/metrics", "/api/snapshot"])
def test_head_and_other_methods(running: Running, path: str) -> None:
    head = ask("HEAD", running.url + path)
    assert (head.status_code, head.content) == (200, b"")
    answer = post(running.url + path)
    assert answer.status_code == 405
    assert answer.headers["allow"] in {"GET, HEAD", "HEAD, GET"}
