"""Frames that no value can break, numbers that keep their digits, ids, times and the error tree."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ConfigurationError,
    GatewayError,
    GrantRevoked,
    UpstreamError,
    is_retryable,
)
from gateway.streams import records as events
from gateway.streams.account_records import ACCOUNT_TYPES
from gateway.streams.hub.position import MAX_EVENT_ID_BYTES, StreamPosition, parse_event_id
from gateway.streams.records import (
    Bye,
    Control,
    Gap,
    Heartbeat,
    Hello,
    MarketUpdate,
    QuoteUpdate,
    Record,
    SnapshotEnd,
    encode,
    format_time,
)
from gateway.streams.sse import encode_frame
from gateway.streams.topics import NOBODY, Topic, balance_topic, market_topic, status_topic
from tests.sse import Parser, parse
from tests.streams.samples import make_balance, make_quote, make_status, make_trade

HOSTILE = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    st.sampled_from('\r\n\0\u2028\u2029\ufeff"\\<>&:{} data:id')
)
# Built from two whole numbers, which hypothesis draws faster than decimals.
NUMBERS = st.builds(
    lambda digits, decimals: Decimal(digits).scaleb(-decimals),
    st.integers(-(10**18), 10**18),
    st.integers(0, 20),
)
PRICES = [each for each in QuoteUpdate.__struct_fields__ if each not in ("symbol", "updated_at")]
PRICES = [each for each in PRICES if each not in ("source", "stale", "market")]


@pytest.mark.fault(27)
@given(symbol=HOSTILE, data=st.data())
def test_a_frame_is_one_event_whatever_is_in_it(symbol: str, data: st.DataObject) -> None:
    values = {name: data.draw(st.none() | NUMBERS) for name in PRICES}
    record = make_quote(symbol, **values)
    frame = encode_frame(record, "k3f9-7")
    (event,) = parse(frame + b"")
    assert (event.event, event.id) == ("quote_update", "k3f9-7")
    body = json.loads(event.data, parse_float=Decimal, parse_int=Decimal)
    assert body["symbol"] == symbol
    for name, value in values.items():
        assert body[name] == value
        # The digits of the wire, trailing zeros included; None is null and nothing else.
        assert str(body[name]) == str(value)
    assert b"\r" not in frame
    assert frame.count(b"\n") == 4
    assert event.data.encode() == encode(record)


@pytest.mark.fault(27)
@given(reason=HOSTILE)
def test_words_break_no_frame(reason: str) -> None:
    records: list[Any] = [make_status(reason=reason), Gap(skipped=None, reason=reason)]
    records += [Bye(reason=reason, retry_ms=1), make_balance(account=reason)]
    stream = b"".join(map(encode_frame, records))
    found = parse(stream)
    assert [each.event for each in found] == ["status", "gap", "bye", "balance_update"]
    assert [json.loads(each.data).get("reason", reason) for each in found] == [reason] * 4
    assert all(each.id is None for each in found)


def test_digits_are_kept() -> None:
    for text in ("450.20", "0.10", "5000", "0.000001", "123456789012345.6789", "-1.50", "0.00"):
        data = parse(encode_frame(make_quote(last=text)))[0].data
        assert f'"last":{text},' in data


def test_names_and_shapes() -> None:
    """The public names; a change here is a change of the interface."""
    assert json.loads(encode(make_quote("SPY", "450.25", bid=Decimal("450.24")))) == {
        "type": "quote_update",
        "symbol": "SPY",
        "updated_at": "2026-11-20T15:30:00.123Z",
        "source": "dxfeed_stream",
        "stale": False,
        "last": 450.25,
        "bid": 450.24,
        **dict.fromkeys(
            ["ask", "bid_size", "ask_size", "change", "change_pct", "open", "high", "low"]
        ),
        **dict.fromkeys(["prev_close", "volume", "market"]),
        **dict.fromkeys(["extended_last", "extended_change", "last_at"]),
    }
    assert json.loads(encode(make_balance())) == {
        "type": "balance_update",
        "account": "5WX00001",
        "balance": 1,
        "buying_power": None,
        "equity_buying_power": None,
        "cash": None,
        "currency": "USD",
        "timestamp": 1795188600456,
        "source": "rest",
        "login": "main",
        "stale": False,
    }
    assert encode(Hello(epoch="e", mode="live", heartbeat_s=15.0)) == (
        b'{"type":"hello","version":"1","epoch":"e","mode":"live","heartbeat_s":15.0}'
    )
    assert encode(SnapshotEnd(count=2, mode="resume")) == (
        b'{"type":"snapshot_end","count":2,"mode":"resume"}'
    )
    assert encode(Heartbeat(timestamp=5)) == b'{"type":"heartbeat","timestamp":5}'


def test_every_name_is_one_that_a_browser_can_listen_to() -> None:
    kinds = {each.__struct_config__.tag for each in (*get_args(Record), *get_args(Control))}
    assert not kinds & {"error", "open", "message", ""}
    assert {each.__struct_config__.tag for each in get_args(MarketUpdate)} == events.MARKET_TYPES
    assert (
        events.DEFAULT_TYPES
        <= events.DATA_TYPES
        == (events.MARKET_TYPES | ACCOUNT_TYPES | {"alert"})
    )
    assert kinds == events.DATA_TYPES | {
        "status",
        "heartbeat",
        "hello",
        "snapshot_end",
        "gap",
        "notice",
        "bye",
        "removed",
    }


def test_keys() -> None:
    assert make_quote("SPY").topic == market_topic("quote_update", "SPY")
    assert make_trade("SPY").topic == market_topic("trade_update", "SPY")
    assert make_balance("A").topic == balance_topic("A")
    assert make_status("session").topic == status_topic("session")
    assert Heartbeat(timestamp=1).topic == Topic("heartbeat", NOBODY, "")


def test_records_cannot_be_changed() -> None:
    record: Any = make_quote()
    with pytest.raises(AttributeError):
        record.last = Decimal(1)
    assert msgspec.structs.replace(record, stale=True).stale


def test_a_reconnection_time_travels_in_the_block_of_an_event() -> None:
    frame = encode_frame(Hello(epoch="k3f9", mode="live", heartbeat_s=15), retry_ms=3417)
    assert frame.startswith(b"retry: 3417\nevent: hello\ndata: {")
    parser = Parser()
    (event,) = parser.feed(frame)
    assert (event.event, event.retry, parser.retry) == ("hello", 3417, 3417)


@given(
    epoch=st.from_regex(r"[A-Za-z0-9]{1,40}", fullmatch=True),
    seq=st.integers(0, 10**18 - 1),
)
def test_an_id_is_read_as_it_was_written(epoch: str, seq: int) -> None:
    event_id = StreamPosition(epoch, seq).event_id
    assert len(event_id) <= MAX_EVENT_ID_BYTES
    assert parse_event_id(event_id) == (epoch, seq)


@given(st.text() | st.text(st.sampled_from("k3-0189\n\0٣")))
def test_an_id_is_ours_or_refused(text: str) -> None:
    parsed = parse_event_id(text)
    assert parsed is None or parsed.event_id == text


@pytest.mark.parametrize(
    "text",
    [
        *["", "-", "k3f9", "k3f9-", "-1", "k3f9-1\n", "k3f9-+1", "k3f9-01", "k3f9-1 ", "é-1"],
        *["k3f9-1-1", "k3f9-\u0663", "k3f9-1\0", "k3f9-" + "9" * 19, "x" * 41 + "-1"],
        "k3f9-1" + "0" * 10_000,
    ],
)
def test_what_is_no_id_of_ours(text: str) -> None:
    assert parse_event_id(text) is None


@given(st.integers(-(10**10), 4 * 10**12), st.integers(0, 999))
def test_times_are_read_back_exactly(first_ms: int, step_ms: int) -> None:
    for timestamp_ms in (first_ms, first_ms + step_ms, first_ms):
        text = format_time(timestamp_ms)
        assert len(text) == 24
        assert text.endswith("Z")
        read = datetime.fromisoformat(text)
        assert (read - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000 == pytest.approx(
            timestamp_ms, abs=0.01
        )


def test_time_as_in_the_interface() -> None:
    assert format_time(1_795_188_600_123) == "2026-11-20T15:30:00.123Z"
    assert format_time(1_795_188_601_000) == "2026-11-20T15:30:01.000Z"


def test_only_what_needs_a_person_is_not_tried_again() -> None:
    assert is_retryable(UpstreamError("x"))
    assert is_retryable(OSError("x"))
    assert not is_retryable(GrantRevoked("x"))
    assert not is_retryable(ConfigurationError("x"))
    nested = ExceptionGroup("g", [UpstreamError("x"), ExceptionGroup("h", [GrantRevoked("y")])])
    assert not is_retryable(nested)
    assert is_retryable(ExceptionGroup("g", [UpstreamError("x"), OSError("y")]))
    kinds = [each for each in vars(events).values() if isinstance(each, type)]
    for kind in (each for each in kinds if issubclass(each, Exception)):
        assert issubclass(kind, GatewayError)
