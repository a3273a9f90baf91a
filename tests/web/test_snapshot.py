"""`/api/snapshot`: one document, filtered like a stream, that waits for first values."""

import json
import time
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from gateway.streams.records import DATA_TYPES, MARKET_TYPES, DataRecord
from gateway.streams.topics import grant_accounts
from gateway.web.query import FILTERS, parse_query
from gateway.web.snapshot import COLLECTIONS, FIRST_VALUES_S, SOURCES, list_expected
from tests.web.running import Running, ask, get, make_balance, make_quote, open_gateway, read_stream


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
    assert list(document) == ["epoch", "last_event_id", "statuses", "quotes", "balances", "alerts"]
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


def test_a_symbol_that_nobody_follows_is_followed_and_waited_for(fresh: Running) -> None:
    """The feed answers while the request waits: the poller has the first values at once."""
    demand = fresh.context.demand

    def answer() -> None:
        def publish() -> None:
            if "META" in demand.wanted and demand.count("META"):
                fresh.context.hub.publish(make_quote("META", "600.00"))

        demand.listeners.append(publish)

    fresh.call(answer)
    document = get(f"{fresh.url}/api/snapshot?symbols=meta").json()
    assert [each["symbol"] for each in document["quotes"]] == ["META"]
    assert document["missing"] == []
    assert demand.count("META") == 0
    assert "META" in demand.wanted, "it lingers until the poller is back"


@pytest.mark.parametrize("path", ["/api/snapshot?symbols=", "/events?snapshot=only&symbols="])
def test_what_does_not_come_is_not_waited_for_long(fresh: Running, path: str) -> None:
    begun_s = time.monotonic()
    answer = get(f"{fresh.url}{path}NOSUCH,SPY")
    assert answer.status_code == 200
    assert time.monotonic() - begun_s >= FIRST_VALUES_S
    if path.startswith("/api"):
        assert answer.json()["missing"] == ["NOSUCH", "SPY"]


def test_only_what_can_exist_is_waited_for(fresh: Running) -> None:
    fresh.publish(make_quote("SPY"))
    query = parse_query(
        [("symbols", "SPY,.SPY261218C600"), ("types", "quote_update,greeks_update")],
        max_symbols=9,
        granted=grant_accounts(None),
    )
    assert [(each.kind, each.subject) for each in list_expected(query)] == [
        ("greeks_update", ".SPY261218C600"),
        ("quote_update", ".SPY261218C600"),
        ("quote_update", "SPY"),
    ]
    document = get(f"{fresh.url}/api/snapshot?symbols=SPY&types=quote_update,greeks_update").json()
    assert document["missing"] == []


def test_every_event_type_has_a_place_in_the_document() -> None:
    assert COLLECTIONS.keys() == DATA_TYPES
    assert len(set(COLLECTIONS.values())) == len(COLLECTIONS)
    assert COLLECTIONS["candle_update"] == "candles"
    assert COLLECTIONS["summary_update"] == "summaries"
    assert SOURCES.keys() == MARKET_TYPES


@pytest.mark.parametrize("kind", sorted(DATA_TYPES))
@pytest.mark.parametrize("path", ["/api/snapshot?types=", "/events?snapshot=only&types="])
def test_every_event_type_comes_through_every_door(fresh: Running, path: str, kind: str) -> None:
    fresh.publish(make_record(kind))
    for method in ("GET", "HEAD"):
        assert ask(method, f"{fresh.url}{path}{kind}").status_code == 200
    text = get(f"{fresh.url}{path}{kind}").text
    assert f'"type":"{kind}"' in text


def make_record(kind: str) -> Any:
    """A record of this type in which as little as possible is known."""
    record = next(each for each in get_args(DataRecord) if each.__struct_config__.tag == kind)
    if kind == "balance_update":
        return make_balance()
    named = {
        **dict.fromkeys(("account", "broker_symbol", "order_id"), "5WX00001"),
        **dict.fromkeys(("symbol", "updated_at"), "SPY"),
        **dict.fromkeys(("id", "viewer"), "owner"),
        **dict.fromkeys(("realized_day", "value", "unknown", "is_working", "time"), 0),
    }
    values: dict[str, Any] = {
        field.name: () if str(field.type).startswith("tuple") else named.get(field.name)
        for field in msgspec.structs.fields(record)
        if field.required
    }
    return record(**values)
