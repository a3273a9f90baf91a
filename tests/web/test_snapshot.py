"""`/api/snapshot`: one document, filtered like a stream, that waits for first values."""

import json
from collections.abc import Iterator

import pytest

from gateway.web.query import FILTERS
from tests.web.running import Running, get, make_quote, open_gateway, read_stream


@pytest.fixture
def fresh() -> Iterator[Running]:
    """A gateway of one's own, that knows nothing yet."""
    with open_gateway() as gateway:
        yield gateway


def test_the_snapshot_is_one_document(running: Running) -> None:
    answer = get(f"{running.url}/api/snapshot")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store, no-transform"
    document = answer.json()
    hub = running.context.hub
    assert list(document) == ["epoch", "last_event_id", "statuses", "quotes", "balances"]
    assert document["epoch"] == hub.epoch
    assert document["last_event_id"] == hub.last_event_id
    assert [each["symbol"] for each in document["quotes"]] == ["QQQ", "SPY"]
    assert [each["account"] for each in document["balances"]] == ["5WX00001"]
    assert [each["upstream"] for each in document["statuses"]] == ["feed"]


def test_the_snapshot_is_filtered_like_a_stream(running: Running) -> None:
    answer = get(f"{running.url}/api/snapshot?symbols=SPY&types=quote_update,greeks_update")
    document = answer.json()
    assert [each["symbol"] for each in document["quotes"]] == ["SPY"]
    assert document["greeks"] == []
    assert "balances" not in document


@pytest.mark.parametrize("name", ["rate", "snapshot", "type"])
def test_the_snapshot_takes_filters_only(running: Running, name: str) -> None:
    answer = get(f"{running.url}/api/snapshot?{name}=1")
    assert (answer.status_code, answer.json()["parameter"]) == (400, name)
    assert name not in FILTERS


def test_a_stream_resumes_from_the_snapshot(fresh: Running) -> None:
    fresh.publish(make_quote("SPY", "1.00"), make_quote("QQQ", "1.00"))
    snapshot = json.loads(get(f"{fresh.url}/api/snapshot").content)
    fresh.publish(make_quote("SPY", "2.00"))
    frames = read_stream(fresh.url, snapshot="only", last_event_id=snapshot["last_event_id"])
    assert [each.data["symbol"] for each in frames if each.id] == ["SPY"]
