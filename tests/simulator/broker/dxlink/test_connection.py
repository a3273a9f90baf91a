"""The protocol, spoken by hand over a real socket."""

import json
from itertools import pairwise
from typing import Any

import pytest

from gateway.simulator.app import Simulator
from gateway.simulator.broker.dxlink.rows import FIELDS
from tests.simulator.client import (
    get_quote_token,
    open_feed,
    open_link,
    read_state,
    switch,
)
from tests.waiting import eventually


async def test_the_handshake(simulator: Simulator) -> None:
    token = await get_quote_token(simulator.addresses)
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.say("SETUP", version="0.1", keepaliveTimeout=50, acceptKeepaliveTimeout=40)
        setup = await link.hear()
        assert setup["type"] == "SETUP"
        assert setup["channel"] == 0
        assert (setup["keepaliveTimeout"], setup["acceptKeepaliveTimeout"]) == (40, 50)
        assert await link.hear() == {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}
        await link.say("AUTH", token=token)
        authorized = await link.hear()
        assert authorized["state"] == "AUTHORIZED"
        assert authorized["userId"]


async def test_auth_directly_behind_setup_and_again_is_authorized_once(
    simulator: Simulator,
) -> None:
    token = await get_quote_token(simulator.addresses)
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.say("SETUP", version="0.1", keepaliveTimeout=60, acceptKeepaliveTimeout=60)
        await link.say("AUTH", token=token)
        await link.say("AUTH", token=token)
        await link.open(1)
        states = [message.get("state") for message in link.heard if message["type"] == "AUTH_STATE"]
        assert states == ["UNAUTHORIZED", "AUTHORIZED"]


async def test_a_wrong_token_ends_the_connection(simulator: Simulator) -> None:
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.say("SETUP", version="0.1")
        await link.say("AUTH", token="wrong")
        assert await link.closed() == 1008
        assert [message["type"] for message in link.heard] == [
            "SETUP",
            "AUTH_STATE",
            "AUTH_STATE",
            "ERROR",
        ]
        assert link.heard[-1]["error"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("first", "error"),
    [
        ({"type": "SETUP", "channel": 0}, "UNSUPPORTED_PROTOCOL"),
        ({"type": "SETUP", "channel": 0, "version": "9.0"}, "UNSUPPORTED_PROTOCOL"),
        ({"type": "AUTH", "channel": 0, "token": "x"}, "BAD_ACTION"),
    ],
)
async def test_a_wrong_beginning(simulator: Simulator, first: dict[str, Any], error: str) -> None:
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.socket.send(json.dumps(first))
        assert (await link.hear())["error"] == error
        assert await link.closed() == 1008


async def test_channels_need_authorization(simulator: Simulator) -> None:
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.say("SETUP", version="0.1")
        await link.say("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "AUTO"})
        error = await link.expect("ERROR")
        assert (error["channel"], error["error"]) == (1, "UNAUTHORIZED")


BAD: list[tuple[str, int, str]] = [
    ("{not json", 0, "INVALID_MESSAGE"),
    ("[1]", 0, "INVALID_MESSAGE"),
    ('{"type": "KEEPALIVE"}', 0, "INVALID_MESSAGE"),
    ('{"type": 3, "channel": 0}', 0, "INVALID_MESSAGE"),
    ('{"type": "SURPRISE", "channel": 0}', 0, "INVALID_MESSAGE"),
    ('{"type": "AUTH", "channel": 0}', 0, "INVALID_MESSAGE"),
    ('{"type": "FEED_SETUP", "channel": 7}', 7, "BAD_ACTION"),
    ('{"type": "CHANNEL_REQUEST", "channel": 2, "service": "FEED"}', 2, "BAD_ACTION"),
    ('{"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED"}', 1, "BAD_ACTION"),
    ('{"type": "CHANNEL_REQUEST", "channel": 3, "service": "CHAT"}', 3, "BAD_ACTION"),
    (
        '{"type": "CHANNEL_REQUEST", "channel": 3, "service": "FEED", "parameters": 7}',
        3,
        "BAD_ACTION",
    ),
    ('{"type": "FEED_SETUP", "channel": 1, "acceptDataFormat": "XML"}', 1, "BAD_ACTION"),
    ('{"type": "FEED_SUBSCRIPTION", "channel": 1, "add": [{"type": "Quote"}]}', 1, "BAD_ACTION"),
    ('{"type": "FEED_SUBSCRIPTION", "channel": 1, "add": "SPY"}', 1, "BAD_ACTION"),
    (
        '{"type": "FEED_SUBSCRIPTION", "channel": 1, "add": [{"type": "X", "symbol": "SPY"}]}',
        1,
        "BAD_ACTION",
    ),
]


async def test_bad_messages_are_answered_and_the_connection_lives(simulator: Simulator) -> None:
    async with open_feed(simulator.addresses) as link:
        for text, channel, error in BAD:
            await link.socket.send(text)
            answer = await link.expect("ERROR")
            assert (answer["channel"], answer["error"]) == (channel, error), text
            assert answer["message"]
        await link.say("KEEPALIVE")
        await link.subscribe(1, "Quote", "SPY")
        assert (await link.data(1, "Quote"))[0] == "SPY"


async def test_a_frame_that_is_too_long_ends_the_connection(simulator: Simulator) -> None:
    async with open_feed(simulator.addresses) as link:
        await link.socket.send('{"type":"KEEPALIVE","channel":0,"x":"' + "x" * 65_536 + '"}')
        assert await link.closed() == 1009


async def test_compact_in_the_order_asked(closed: Simulator) -> None:
    fields = {"Quote": ["askPrice", "eventSymbol", "bidPrice"]}
    async with open_feed(closed.addresses, fields=fields) as link:
        await link.subscribe(1, "Quote", "SPY", "/ESZ26:XCME", "NOPE")
        values = await link.data(1, "Quote")
        assert values[1] == "SPY"
        assert values[0] > values[2] > 0
        assert len(values) in (3, 6)  # the future's name depends on the day


async def test_full_by_default(closed: Simulator) -> None:
    token = await get_quote_token(closed.addresses)
    async with open_link(closed.addresses.dxlink_ws) as link:
        await link.authorize(token)
        await link.open(5)
        await link.subscribe(5, "Quote", "SPY")
        config = await link.hear()
        assert config["type"] == "FEED_CONFIG"
        assert config["eventFields"] == {"Quote": list(FIELDS["Quote"])}
        data = await link.hear()
        assert data["data"][0]["eventType"] == "Quote"
        assert data["data"][0]["bidTime"] == 0


async def test_several_channels_with_their_own_formats(simulator: Simulator) -> None:
    async with open_feed(simulator.addresses) as link:
        await link.open(3, "TICKER")
        await link.say("FEED_SETUP", 3, acceptDataFormat="FULL", acceptAggregationPeriod=0)
        await link.subscribe(3, "Trade", "SPX")
        await link.subscribe(1, "Quote", "SPY")
        full = await link.expect("FEED_DATA", lambda m: bool(m["channel"] == 3))
        assert full["data"][0]["eventSymbol"] == "SPX"
        assert (await link.data(1, "Quote"))[0] == "SPY"


async def test_a_cancelled_channel_can_be_opened_again(simulator: Simulator) -> None:
    async with open_feed(simulator.addresses) as link:
        await link.subscribe(1, "Quote", "SPY")
        await link.data(1, "Quote")
        await link.say("CHANNEL_CANCEL", 1)
        await link.expect("CHANNEL_CLOSED")
        before = len(link.heard)
        await link.open(1)
        assert [message["type"] for message in link.heard[before:]] == ["CHANNEL_OPENED"]
        await link.subscribe(1, "Trade", "SPX")
        assert (await link.expect("FEED_DATA"))["data"][0]["eventType"] == "Trade"


async def test_remove_and_reset(simulator: Simulator) -> None:
    at = simulator.addresses

    def held() -> list[tuple[str, str]]:
        return sorted(pair for feed in simulator.world.feeds for pair in feed.list_subscriptions())

    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ", "IWM")
        await link.say("FEED_SUBSCRIPTION", 1, remove=[{"type": "Quote", "symbol": "SPY"}])
        await eventually(lambda: held() == [("Quote", "IWM"), ("Quote", "QQQ")])
        await link.say("FEED_SUBSCRIPTION", 1, reset=True, add=[{"type": "Trade", "symbol": "DIA"}])
        await eventually(lambda: held() == [("Trade", "DIA")])
    await eventually(lambda: not simulator.world.feeds)


async def test_aggregation_is_honoured(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "market", flood=100)
    async with open_feed(at, period_s=0.25) as link:
        await link.subscribe(1, "Quote", "SPY")
        for _ in range(4):
            await link.data(1, "Quote")
        rows = [
            row
            for row in simulator.world.journal.list_sent("Quote", "SPY", 10)
            if isinstance(row["sent_ns"], int)
        ]
        stamps = [int(row["sent_ns"] or 0) / 1e9 for row in rows]
        gaps = [b - a for a, b in pairwise(stamps)]
        assert min(gaps) > 0.24


async def test_a_new_setup_counts_from_its_answer_on(simulator: Simulator) -> None:
    await switch(simulator.addresses, "market", flood=200)
    async with open_feed(simulator.addresses, contract="STREAM") as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ", "AAPL")
        for names in (["eventSymbol", "bidPrice"], ["askPrice", "eventSymbol", "bidPrice"]):
            await link.data(1, "Quote")
            await link.say("FEED_SETUP", 1, acceptEventFields={"Quote": names})
            width = len(FIELDS["Quote"]) if len(names) == 2 else 2
            while (message := await link.hear())["type"] != "FEED_CONFIG":
                assert len(message["data"][1]) % width == 0
            assert message["eventFields"]["Quote"] == names
            assert len(await link.data(1, "Quote")) % len(names) == 0


async def test_silence_is_ended(simulator: Simulator) -> None:
    token = await get_quote_token(simulator.addresses)
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.authorize(token, keepaliveTimeout=0.2)
        assert await link.closed() == 1000
        assert link.heard[-1]["error"] == "TIMEOUT"


async def test_keepalives_come_while_nothing_else_does(closed: Simulator) -> None:
    token = await get_quote_token(closed.addresses)
    async with open_link(closed.addresses.dxlink_ws) as link:
        await link.authorize(token, acceptKeepaliveTimeout=0.2)
        for _ in range(3):
            assert await link.expect("KEEPALIVE") == {"type": "KEEPALIVE", "channel": 0}
            await link.say("KEEPALIVE")


@pytest.mark.parametrize("odd", [-1, "x", True, None])
async def test_odd_timeouts_mean_the_default(simulator: Simulator, odd: object) -> None:
    async with open_link(simulator.addresses.dxlink_ws) as link:
        await link.say("SETUP", version="0.1", keepaliveTimeout=odd, acceptKeepaliveTimeout=odd)
        setup = await link.expect("SETUP")
        assert (setup["keepaliveTimeout"], setup["acceptKeepaliveTimeout"]) == (60, 60)


async def test_a_whole_chain_arrives_in_small_frames(simulator: Simulator) -> None:
    at, options = simulator.addresses, list(simulator.world.market.universe.options)[:1_200]
    async with open_feed(at, period_s=1) as link:
        for n in range(0, len(options), 400):
            await link.subscribe(1, "Quote", *options[n : n + 400])
        seen: set[str] = set()
        width = len(FIELDS["Quote"])
        while len(seen) < len(options):
            values = await link.data(1, "Quote")
            assert len(json.dumps(values, separators=(",", ":"))) < 65_536
            seen.update(values[::width])


async def test_one_sided_options_say_nan(simulator: Simulator) -> None:
    listed = simulator.world.market.universe.options_on("SPX")
    day = min(option.expiry for option in listed)
    far = max(
        (option for option in listed if option.expiry == day),
        key=lambda option: option.strike * option.is_call,
    )
    fields = {"Quote": ["eventSymbol", "bidPrice", "askPrice", "bidSize", "askSize"]}
    async with open_feed(simulator.addresses, fields=fields) as link:
        await link.subscribe(1, "Quote", far.symbol)
        symbol, bid, ask, bid_size, ask_size = (await link.data(1, "Quote"))[:5]
        assert (symbol, bid, bid_size) == (far.symbol, "NaN", "NaN")
        assert ask > 0
        assert ask_size > 0


async def test_the_log_of_rows_sent(simulator: Simulator) -> None:
    async with open_feed(simulator.addresses) as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ")
        await link.data(1, "Quote")
        await link.data(1, "Quote")
        state = await read_state(simulator.addresses)
        assert state["counters"]["rows_sent"] >= 2
        assert state["connections"] == {"feed": 1, "account": 0}


async def test_who_closes_in_order_is_told_from_who_is_gone(simulator: Simulator) -> None:
    async with open_feed(simulator.addresses):
        pass
    await eventually(lambda: simulator.world.journal.counts["feed_clean_closes"] == 1)
    async with open_feed(simulator.addresses) as link:
        link.socket.transport.abort()
    await eventually(lambda: not simulator.world.feeds)
    assert simulator.world.journal.counts["feed_clean_closes"] == 1


async def test_the_full_format_can_be_gone(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "dxlink", full=False)
    token = await get_quote_token(at)
    async with open_link(at.dxlink_ws) as link:
        await link.authorize(token)
        await link.open(1)
        await link.subscribe(1, "Quote", "SPY")
        assert (await link.data(1, "Quote"))[0] == "SPY"
        await link.say("FEED_SETUP", 1, acceptDataFormat="FULL", acceptAggregationPeriod=0)
        assert (await link.expect("FEED_CONFIG"))["dataFormat"] == "COMPACT"


async def test_types_that_are_withheld_stay_silent(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "dxlink", withheld=["Underlying", "TheoPrice"])
    async with open_feed(at) as link:
        await link.subscribe(1, "Underlying", "SPY")
        await link.subscribe(1, "Quote", "SPY")
        for _ in range(5):
            await link.data(1, "Quote")
        kinds = {m["data"][0] for m in link.heard if m["type"] == "FEED_DATA"}
        assert kinds == {"Quote"}
        assert not any(m["type"] == "ERROR" for m in link.heard)
