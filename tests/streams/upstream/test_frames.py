"""Frames on their way to the SDK: what it can read passes, the rest is counted or raised."""

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tastytrade import logger as sdk_logger
from tastytrade.streamer import MAP_EVENTS, DXLinkStreamer

from gateway.errors import (
    QuoteTokenRefused,
    SessionLimit,
    Unauthorized,
    UpstreamError,
)
from gateway.streams.records import encode
from gateway.streams.upstream.frames import MarketFilter
from gateway.streams.upstream.normalize import Normalizer
from gateway.streams.upstream.sdk import EVENT_CLASSES, EVENT_TYPES
from tests.streams.upstream.wire import CHANNELS, FIELDS, JUNK, Closed, Wire
from tests.streams.virtual_time import run

QUOTE = ["SPY", 0, 0, 0, 0, "", 0, "", Decimal("450.20"), Decimal("450.26"), 3, "NaN"]


def receive(*frames: Any) -> tuple[list[Any], Wire]:
    wire = Wire(*frames)
    return run(wire.receive_all()), wire


def feed_data(*data: Any, channel: Any = 1) -> dict[str, Any]:
    return {"type": "FEED_DATA", "channel": channel, "data": list(data)}


def read_as_the_sdk(message: dict[str, Any]) -> list[Any]:
    """The events that the SDK's own code makes of a message with data; as installed here."""
    events: list[Any] = []
    queues = dict.fromkeys(EVENT_TYPES, SimpleNamespace(send_nowait=events.append))
    streamer: Any = SimpleNamespace(_channels_reversed=CHANNELS, _send=queues)
    with patch.dict(MAP_EVENTS, EVENT_CLASSES), patch.object(sdk_logger, "disabled", True):
        DXLinkStreamer._map_message(streamer, message["data"], message["channel"])
    return events


def test_a_good_frame_keeps_its_digits() -> None:
    (message,), wire = receive(feed_data("Quote", QUOTE))
    assert message == feed_data("Quote", QUOTE)
    assert str(message["data"][1][8]) == "450.20"
    assert wire.frames == 1
    assert not +wire.dropped


NUMBERS = {
    "Quote": ("bidPrice", "askPrice", "bidSize", "askSize"),
    "Trade": ("price", "size", "dayVolume", "dayTurnover"),
    "Summary": ("dayOpenPrice", "dayHighPrice", "dayLowPrice", "prevDayClosePrice"),
    "Greeks": ("price", "volatility", "delta", "vega"),
    "Candle": ("open", "high", "low", "close", "volume", "vwap"),
}


@given(
    event_type=st.sampled_from(sorted(NUMBERS)),
    numbers=st.lists(st.decimals(0, 10**15, places=None), min_size=6, max_size=6),
)
def test_what_leaves_the_gateway_has_the_digits_of_the_wire(
    event_type: str, numbers: list[Decimal]
) -> None:
    """Through the guard, the SDK's own code, the normalizer, JSON, and a decoder beyond it."""
    fields = FIELDS[event_type]
    values = dict.fromkeys(fields, "0")
    values |= {"eventSymbol": '"SPY"', "time": "1795188600000"}
    texts = dict(zip(NUMBERS[event_type], map(str, numbers), strict=False))
    row = ",".join((values | texts)[name] for name in fields)
    channel = next(number for number, name in CHANNELS.items() if name == event_type)
    frame = f'{{"type":"FEED_DATA","channel":{channel},"data":["{event_type}",[{row}]]}}'
    (message,), _ = receive(frame)
    (event,) = read_as_the_sdk(message)
    record = Normalizer().normalize(event, 1)[-1]
    body = encode(record)
    found = json.loads(body, parse_float=str, parse_int=str)
    shown = {str(each) for each in found.values()}
    assert set(texts.values()) <= shown
    assert msgspec.json.decode(body, type=type(record)) == record
    assert encode(msgspec.json.decode(body, type=type(record))) == body


def test_sending_passes_through() -> None:
    wire = Wire()
    run(wire.guard.send_json({"type": "KEEPALIVE", "channel": 0}))
    assert wire.socket.sent == [{"type": "KEEPALIVE", "channel": 0}]
    wire.socket.is_closed = True
    with pytest.raises(UpstreamError, match="connection was lost"):
        run(wire.guard.send_json({}))


def test_several_pairs_become_several_messages_in_order() -> None:
    """The SDK reads only the first pair of a message."""
    other = ["QQQ", *QUOTE[1:]]
    found, wire = receive(feed_data("Quote", QUOTE, "Quote", [*other, *QUOTE]))
    assert found == [feed_data("Quote", QUOTE), feed_data("Quote", [*other, *QUOTE])]
    assert not +wire.dropped


def test_one_bad_pair_costs_no_good_one() -> None:
    found, wire = receive(
        feed_data("Quote", QUOTE[:-1], "Quote", QUOTE, "Trade", QUOTE, "Quote", [], "Quote")
    )
    assert found == [feed_data("Quote", QUOTE)]
    counts = {("Quote", "malformed"): 3, ("Quote", "unknown type"): 1}
    assert wire.dropped == counts


@pytest.mark.parametrize(
    "message",
    [
        feed_data(),
        feed_data("Quote"),
        feed_data("Quote", None),
        feed_data("Quote", {}),
        feed_data("Quote", [*QUOTE[:-1], []]),
        feed_data("Quote", [*QUOTE[:-1], {}]),
        feed_data("Quote", [*QUOTE, 1]),
        feed_data(["Quote"], QUOTE),
        feed_data(None),
        feed_data("Quote", QUOTE, channel=99),
        feed_data("Quote", QUOTE, channel=None),
        feed_data("Quote", QUOTE, channel=[1]),
        feed_data("Quote", QUOTE, channel="1"),
        feed_data("Quote", QUOTE, channel=3),  # a Quote on the Trade channel
        feed_data({}, {"eventSymbol": ""}),
        feed_data({"eventType": "Trade", "eventSymbol": "SPY"}),
        feed_data({"eventSymbol": ["SPY"]}),
        feed_data({"eventSymbol": "SPY", "bidPrice": {}}),
        {"type": "FEED_DATA", "channel": 1},
        {"type": "FEED_DATA", "data": ["Quote", QUOTE]},
        {"type": "FEED_DATA", "channel": 1, "data": "Quote"},
    ],
)
def test_malformed_data_is_dropped_and_counted(message: Any) -> None:
    found, wire = receive(message, feed_data("Quote", QUOTE))
    assert found == [feed_data("Quote", QUOTE)]
    assert wire.dropped.total() >= 1


def test_full_format_rows_pass_one_by_one() -> None:
    rows = [{"eventType": "Quote", "eventSymbol": "SPY", "bidPrice": 1}, {"eventSymbol": "QQQ"}]
    found, wire = receive(feed_data(rows[0], "x", rows[1], {"eventSymbol": None}))
    assert found == [feed_data(*rows)]
    assert wire.dropped == {("Quote", "malformed"): 1, ("Quote", "no symbol"): 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"type":"FEED_DATA","channel":1,"data":["Quote",["SPY",NaN]]}',
        '{"type":"KEEPALIVE","channel":Infinity}',
        "\0",
        '"\\ud800"',
        "\ud800",
        '{"a":1e99999999999999999999}',
        '{"a":' + "1" * 5_000 + "}",
        "[" * 5_000 + "]" * 5_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
    ],
)
def test_what_is_no_json_is_dropped_and_counted(text: str) -> None:
    found, wire = receive(text, feed_data("Quote", QUOTE))
    assert found == [feed_data("Quote", QUOTE)]
    assert wire.dropped == {("frame", "not JSON"): 1}
    assert wire.frames == 2


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "true"])
def test_what_is_no_object_is_dropped_and_counted(text: str) -> None:
    found, wire = receive(text)
    assert found == []
    assert wire.dropped == {("frame", "not an object"): 1}


def auth_state(state: Any) -> dict[str, Any]:
    return {"type": "AUTH_STATE", "channel": 0, "state": state}


def test_the_greeting_passes_and_a_refusal_is_raised() -> None:
    wire = Wire(auth_state("UNAUTHORIZED"), auth_state("UNAUTHORIZED"))
    assert run(wire.guard.receive_json()) == auth_state("UNAUTHORIZED")
    with pytest.raises(Unauthorized, match="quote token"):
        run(wire.guard.receive_json())


def test_the_end_of_a_token_is_raised_and_a_second_welcome_dropped() -> None:
    wire = Wire(*map(auth_state, ["UNAUTHORIZED", "AUTHORIZED", "AUTHORIZED", "?", None]))
    assert run(wire.receive_all()) == [auth_state("UNAUTHORIZED"), auth_state("AUTHORIZED")]
    assert wire.dropped == {("frame", "unknown state"): 2}
    wire.socket.texts.append(json.dumps(auth_state("UNAUTHORIZED")))
    with pytest.raises(Unauthorized):
        run(wire.guard.receive_json())


def test_channels_open_once_and_their_end_is_told() -> None:
    def channel(what: str, number: Any) -> dict[str, Any]:
        return {"type": f"CHANNEL_{what}", "channel": number, "service": "FEED"}

    opened, closed = channel("OPENED", 1), channel("CLOSED", 1)
    numbers: list[Any] = [99, None, [], {}]
    strange = [channel(what, each) for what in ("OPENED", "CLOSED") for each in numbers]
    found, wire = receive(closed, opened, opened, *strange, closed, closed, opened)
    # A close of what is not open would end the SDK's reader with a KeyError.
    assert found == [opened, closed, opened]
    assert wire.closed == ["Quote"]
    twice = 3  # one opening and two closings
    assert wire.dropped == {("frame", "unknown channel"): twice + len(strange)}


def test_a_channel_that_opens_too_late_is_dropped() -> None:
    """The SDK's reader would end with a KeyError."""
    wire = Wire({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED"})
    wire.guard._filter = MarketFilter(
        CHANNELS, FIELDS, wire.dropped, wire.closed.append, is_awaited=lambda _: False
    )
    assert run(wire.receive_all()) == []
    assert wire.dropped == {("frame", "unknown channel"): 1}


def test_fields_in_another_order_are_refused() -> None:
    def config(fields: Any) -> dict[str, Any]:
        return {"type": "FEED_CONFIG", "channel": 1, "eventFields": fields}

    order = FIELDS["Quote"]
    good: list[Any] = [{"Quote": order}, {"Other": ["x"]}, {}, None, [], "Quote", 5]
    found, wire = receive({"type": "FEED_CONFIG", "channel": 1}, *map(config, good))
    assert found == []
    assert not +wire.dropped
    for bad in (order[::-1], order[:-1], [*order, "x"], [], None):
        with pytest.raises(UpstreamError, match="fields of Quote in another order"):
            receive(config({"Quote": bad}))


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ("UNAUTHORIZED", "x", QuoteTokenRefused),
        ("BAD_ACTION", "The number of user sessions has exceeded", SessionLimit),
        ("UNKNOWN", "Number of user sessions has exceeded", SessionLimit),
        ("UNKNOWN", "Subscriptions exceeded the configured limit", SessionLimit),
        ("UNKNOWN", "Session not found: api", UpstreamError),
        ("TIMEOUT", None, UpstreamError),
        (None, 5, UpstreamError),
        ([], {}, UpstreamError),
        ("x" * 70_000, "y" * 70_000, UpstreamError),
    ],
)
def test_an_error_is_raised_in_few_words(error: Any, message: Any, kind: type[Exception]) -> None:
    with pytest.raises(UpstreamError) as caught:
        receive({"type": "ERROR", "channel": 0, "error": error, "message": message})
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 250


def test_unknown_types_are_dropped_and_counted() -> None:
    found, wire = receive({"type": "NEWS"}, {"type": None}, {"type": []}, {}, {"type": {}})
    assert found == []
    assert wire.dropped == {("frame", "unknown message"): 5}
    setup = [{"type": "SETUP", "channel": 0}, {"type": "KEEPALIVE", "channel": 0}]
    assert receive(*setup)[0] == setup


ROW = st.lists(JUNK, min_size=11, max_size=13) | st.lists(
    st.integers(0, 9) | st.sampled_from(["NaN", "SPY", ""]), min_size=12, max_size=12
)


MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            [
                *["FEED_DATA", "FEED_DATA", "FEED_DATA", "SETUP", "KEEPALIVE", "AUTH_STATE"],
                *["CHANNEL_OPENED", "CHANNEL_CLOSED", "FEED_CONFIG", "ERROR"],
            ]
        )
        | JUNK,
        "channel": st.sampled_from([*CHANNELS, 0]) | JUNK,
        "data": st.lists(st.sampled_from(EVENT_TYPES) | ROW | JUNK, max_size=4)
        | st.tuples(st.sampled_from(EVENT_TYPES), ROW)
        | JUNK,
        "state": st.sampled_from(["AUTHORIZED", "UNAUTHORIZED"]) | JUNK,
        "eventFields": st.dictionaries(st.sampled_from(EVENT_TYPES), JUNK) | JUNK,
        "error": JUNK,
        "message": JUNK,
    },
)


@settings(max_examples=250)
@given(st.lists(MESSAGES | JUNK | st.text(max_size=20), max_size=6))
def test_no_frame_raises_but_on_purpose_and_the_sdk_reads_what_passes(frames: list[Any]) -> None:
    wire = Wire(*frames)
    normalizer = Normalizer()

    async def read() -> None:
        while True:
            try:
                message = await wire.guard.receive_json()
            except Closed:
                return
            except UpstreamError:
                continue
            assert isinstance(message["type"], str)
            if message["type"] == "FEED_DATA":
                # Anything raised here would end the SDK's reader, or a pump.
                for event in read_as_the_sdk(message):
                    assert normalizer.normalize(event, 1)
            elif message["type"].startswith("CHANNEL_"):
                assert message["channel"] in CHANNELS

    run(read())
    assert wire.frames == len(frames)
