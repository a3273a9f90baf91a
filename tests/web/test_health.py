"""Liveness, readiness, status and metrics, as platforms and operators ask for them."""

import json
from decimal import Decimal

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.streams.reports import FeedReport, UpstreamReport
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
        feed = FeedReport(
            connects=1,
            last_error=None,
            last_event_age_s=None,
            symbols=2,
            silent_symbols=0,
            received={},
        )
        upstream = UpstreamReport(feed=feed, left_out=report_drops(TALLIES))
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
        assert status["upstream"].keys() == {"feed", "left_out"}, "what nobody reports is not there"
        assert status["upstream"]["feed"] == msgspec.to_builtins(feed)
        assert ["dropped", "frame", "not JSON", 7] in status["upstream"]["left_out"]["counts"]
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
