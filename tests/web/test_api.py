"""`/events` and `/api/snapshot` over a real server, and the query on its own."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.waiting import eventually_sync
from tests.web.running import (
    Frame,
    Reader,
    Running,
    ask,
    get,
    make_balance,
    make_quote,
    make_settings,
    make_status,
    open_gateway,
    read_stream,
)

ALL = (
    "type symbol last bid ask bid_size ask_size change change_pct open high low prev_close volume "
    "market extended_last extended_change last_at updated_at source stale"
)


def kinds(frames: list[Frame]) -> list[str | None]:
    return [each.event for each in frames]


def symbols(frames: list[Frame]) -> set[str]:
    return {each.data["symbol"] for each in frames if each.event == "quote_update"}


@pytest.fixture
def fresh() -> Iterator[Running]:
    """A gateway of one's own, that knows nothing yet."""
    with open_gateway() as gateway:
        yield gateway


def test_a_stream_begins_with_everything_that_is_known(running: Running) -> None:
    frames = read_stream(running.url, snapshot="only")
    assert kinds(frames) == [
        "hello",
        "status",
        "quote_update",
        "quote_update",
        "balance_update",
        "snapshot_end",
    ]
    assert 2000 <= (frames[0].retry or 0) <= 5000
    epoch = running.context.hub.epoch
    assert frames[0].data == {
        "type": "hello",
        "version": "1",
        "epoch": epoch,
        "mode": "snapshot",
        "heartbeat_s": 50,
    }
    assert frames[-1].data == {"type": "snapshot_end", "count": 3, "mode": "snapshot"}
    ids = [each.id for each in frames if each.id is not None]
    assert ids == [f"{epoch}-{seq}" for seq in (2, 3, 4)]
    assert [each.id for each in frames[:2]] == [None] * 2, "control events carry no id"


def test_a_quote_has_every_field_and_null_for_what_is_unknown(running: Running) -> None:
    record = read_stream(running.url, snapshot="only", symbols="SPY")[2].data
    assert record.keys() == set(ALL.split())
    assert record["last"] == Decimal("450.25")
    assert record["bid"] is None
    assert record["updated_at"].endswith("Z")


def test_numbers_keep_the_digits_of_the_wire(running: Running) -> None:
    answer = get(f"{running.url}/events?snapshot=only")
    assert b'"balance":100000.00,"buying_power":50000.00' in answer.content
    assert b'"last":380.10' in answer.content


def test_the_first_price_comes_at_once(running: Running) -> None:
    begun_s = time.monotonic()
    with Reader(running.port, "/events?symbols=SPY") as reader:
        reader.read_until("quote_update")
    assert time.monotonic() - begun_s < 5  # the promise is 100 ms; a busy machine may be slower


def test_headers_keep_proxies_from_storing_and_buffering(running: Running) -> None:
    headers = get(f"{running.url}/events?snapshot=only").headers
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["content-encoding"] == "identity", "keeps a proxy from compressing"
    assert "connection" not in headers
    assert "access-control-allow-origin" not in headers


def test_head_answers_headers_and_ends(running: Running) -> None:
    opened = running.context.streams_opened
    answer = ask("HEAD", f"{running.url}/events?symbols=NEW")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert running.context.streams_opened == opened
    assert "NEW" not in running.context.demand.wanted


def test_what_follows_the_snapshot_is_live(fresh: Running) -> None:
    with Reader(fresh.port, "/events?symbols=SPY") as reader:
        reader.read_until("snapshot_end")
        fresh.publish(make_quote("SPY", "1.00"), make_quote("QQQ", "2.00"), make_status("stale"))
        frames = reader.read_until("status")
    assert kinds(frames)[-2:] == ["quote_update", "status"]
    assert symbols(frames) == {"SPY"}


def test_an_unknown_symbol_is_wanted_as_long_as_the_stream_is_open(fresh: Running) -> None:
    demand = fresh.context.demand
    with Reader(fresh.port, "/events?symbol=.spy261218c600&symbol=SPY{=5m}") as reader:
        reader.read_until("snapshot_end")
        assert {".SPY261218C600", "SPY{=5m}"} <= demand.wanted
        assert demand.count(".SPY261218C600") == 1
        fresh.publish(make_quote(".SPY261218C600", "10.99"))
        assert symbols(reader.read_until("quote_update")) == {".SPY261218C600"}
    eventually_sync(lambda: demand.count(".SPY261218C600") == 0)


def test_without_symbols_everything_that_exists_is_sent(fresh: Running) -> None:
    with Reader(fresh.port) as reader:
        reader.read_until("snapshot_end")
        fresh.publish(make_quote("AAPL"), make_balance("5WY00002"))
        frames = reader.read_until("balance_update")
    assert symbols(frames) == {"AAPL"}


def test_accounts_and_types_filter(fresh: Running) -> None:
    fresh.publish(make_quote(), make_balance("5WX00001"), make_balance("5WY00002"))
    frames = read_stream(fresh.url, snapshot="only", types="balance_update", accounts="5WY00002")
    assert [each.data["account"] for each in frames if each.id] == ["5WY00002"]


def test_a_rate_keeps_the_newest(fresh: Running) -> None:
    with Reader(fresh.port, "/events?rate=20") as reader:
        reader.read_until("snapshot_end")
        for last in range(100):
            fresh.publish(make_quote("SPY", f"{last}.00"))
        reader.wait_for(lambda: reader.frames[-1].data.get("last") == 99)
        count = sum(each.event == "quote_update" for each in reader.frames)
    assert count < 100


def test_snapshot_false_begins_live_with_statuses_only(running: Running) -> None:
    with Reader(running.port, "/events?snapshot=false") as reader:
        frames = reader.read_until("status")
        running.wait_for_streams(1)
        running.publish(make_quote("SPY"))
        frames = reader.read_until("quote_update")
    assert kinds(frames) == ["hello", "status", "quote_update"]
    assert frames[0].data["mode"] == "live"
    running.wait_for_streams(0)


def test_snapshot_false_resumes_where_it_can_and_else_tells_of_the_gap(running: Running) -> None:
    hub = running.context.hub
    path = "/events?snapshot=false&last_event_id="
    with Reader(running.port, path + hub.last_event_id) as reader:
        frames = reader.read_until("snapshot_end")
        assert frames[0].data["mode"] == "resume"
    with Reader(running.port, path + "other-1") as reader:
        frames = reader.read_until("gap")
        assert kinds(frames) == ["hello", "status", "gap"]
        assert frames[-1].data == {"type": "gap", "skipped": None, "reason": "resume"}
    running.wait_for_streams(0)


def test_resume_sends_only_what_has_changed_since(fresh: Running) -> None:
    fresh.publish(make_status(), make_quote("SPY", "1.00"), make_quote("QQQ", "1.00"))
    last_event_id = fresh.context.hub.last_event_id
    fresh.publish(make_quote("QQQ", "2.00"), make_quote("QQQ", "3.00"))
    frames = read_stream(
        fresh.url, snapshot="only", headers={"Last-Event-ID": last_event_id}, last_event_id="x-1"
    )
    assert kinds(frames) == ["hello", "status", "quote_update", "snapshot_end"]
    assert frames[0].data["mode"] == "resume"
    assert frames[2].data["last"] == 3
    assert frames[-1].data == {"type": "snapshot_end", "count": 1, "mode": "resume"}


def test_the_parameter_resumes_like_the_header(running: Running) -> None:
    last_event_id = running.context.hub.last_event_id
    frames = read_stream(running.url, snapshot="only", last_event_id=last_event_id)
    assert frames[0].data["mode"] == "resume"


@pytest.mark.fault(10)
@pytest.mark.parametrize("value", [b"\xff\xfe", b"x" * 10_000, b"-", b"\x80-1"])
def test_a_forged_header_gets_a_full_snapshot(running: Running, value: bytes) -> None:
    frames = read_stream(running.url, snapshot="only", headers={b"Last-Event-ID": value})
    assert (frames[0].data["mode"], frames[-1].data["count"]) == ("snapshot", 3)


def test_too_many_symbols_for_the_upstream_are_refused() -> None:
    with open_gateway(make_settings(max_symbols=3)) as gateway:
        answer = get(f"{gateway.url}/events?symbols=A,B")
        assert answer.status_code == 400
        assert answer.json()["parameter"] == "symbols"
        assert "3 symbols" in answer.json()["detail"]
        assert gateway.context.demand.wanted == {"SPY", "QQQ"}


def test_a_full_gateway_says_so_in_a_stream() -> None:
    with open_gateway(make_settings(max_streams=1)) as gateway:
        gateway.publish(make_status())
        with Reader(gateway.port) as reader:
            reader.read_until("snapshot_end")
            frames = read_stream(gateway.url)
            assert kinds(frames) == ["hello", "status", "bye"]
            assert frames[-1].data["reason"] == "full"
            assert frames[-1].data["retry_ms"] == frames[-1].retry
            assert 5000 <= frames[-1].data["retry_ms"] <= 15000
            assert gateway.context.streams_refused == 1
        gateway.wait_for_streams(0)
        assert kinds(read_stream(gateway.url, snapshot="only"))[-1] == "snapshot_end"


def test_a_draining_gateway_says_goodbye_to_all(fresh: Running) -> None:
    with Reader(fresh.port) as reader:
        reader.read_until("snapshot_end")
        fresh.call(lambda: fresh.context.hub.close("shutdown"))
        frames = reader.read_all()
    assert frames[-1].data["type"] == "bye"
    assert frames[-1].data["reason"] == "shutdown"
    assert 500 <= frames[-1].data["retry_ms"] <= 5000
    assert frames[-1].retry == frames[-1].data["retry_ms"]
    assert kinds(read_stream(fresh.url)) == ["hello", "bye"]


def test_fifty_streams_come_and_go_without_a_trace(fresh: Running) -> None:
    with Reader(fresh.port) as reader:
        reader.read_until("snapshot_end")
    fresh.wait_for_streams(0)
    eventually_sync(lambda: fresh.context.streams == 0)
    tasks = eventually_sync(fresh.count_tasks)
    for turn in range(50):
        with Reader(fresh.port, f"/events?symbols=A{turn}") as reader:
            if turn % 3:
                reader.read_until("snapshot_end")
            if turn % 2:
                fresh.publish(make_quote(f"A{turn}"))
    eventually_sync(lambda: fresh.context.streams == 0)
    fresh.wait_for_streams(0)
    eventually_sync(lambda: fresh.count_tasks() <= tasks)
    assert all(fresh.context.demand.count(f"A{turn}") == 0 for turn in range(50))
