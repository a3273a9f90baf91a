"""Every switch of the control, and what it does to real connections."""

import time
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway.simulator.app import Simulator
from gateway.simulator.broker.dxlink.rows import FIELDS
from tests.simulator.client import (
    fetch,
    get_quote_token,
    get_token,
    open_feed,
    open_link,
    post,
    read_state,
    switch,
)
from tests.simulator.control.listening import assert_silent, drain
from tests.waiting import eventually


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("mute", b"["),
        ("mute", b"[]"),
        ("cut", b'{"target": "moon"}'),
        ("inject", b'{"kind": "odd"}'),
        ("balance", b'{"account": "5WZ"}'),
        ("balance", b'{"account": "5WX00001", "cash_delta": "x"}'),
        ("balance", b'{"account": "5WX00001", "cash_delta": "NaN"}'),
        ("market", b'{"rate": -1}'),
        ("quote", b'{"symbol": "NOPE"}'),
        ("freeze", b'{"symbols": ["NOPE"]}'),
    ],
)
async def test_a_bad_request_changes_nothing(simulator: Simulator, name: str, body: bytes) -> None:
    before = (await read_state(simulator.addresses))["faults"]
    answer = await post(f"{simulator.addresses.control}/{name}", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert (await read_state(simulator.addresses))["faults"] == before


async def test_mute_and_unmute(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ", "AAPL", "NVDA")
        await link.data(1, "Quote")
        assert (await switch(at, "mute"))["done"] == 1
        await drain(link)
        await assert_silent(link)
        async with open_link(at.dxlink_ws) as other:
            await other.say("SETUP", version="0.1")
            await assert_silent(other)
        await switch(at, "unmute")
        await link.data(1, "Quote")
        await switch(at, "mute", scope="current")
        await drain(link)
        async with open_feed(at) as other:
            await other.subscribe(1, "Quote", "SPY")
            await other.data(1, "Quote")
        await assert_silent(link)
        await switch(at, "unmute")
        await link.data(1, "Quote")


async def test_mute_of_a_type_and_with_keepalives(simulator: Simulator) -> None:
    at = simulator.addresses
    token = await get_quote_token(at)
    async with open_link(at.dxlink_ws) as link:
        await link.authorize(token, acceptKeepaliveTimeout=0.2)
        await link.open(1)
        await switch(at, "mute", types=["Quote"])
        await link.subscribe(1, "Quote", "SPY")
        await link.subscribe(1, "Trade", "SPY", "SPX")
        data = await link.expect("FEED_DATA")
        assert data["data"][0]["eventType"] == "Trade"
        await switch(at, "mute", keepalive=True)
        await drain(link)
        assert await link.hear() == {"type": "KEEPALIVE", "channel": 0}
        assert await link.hear() == {"type": "KEEPALIVE", "channel": 0}


@pytest.mark.parametrize(("code", "reason"), [(1012, "Reconnection is required"), (1000, "Bye")])
async def test_close_with_a_code(simulator: Simulator, code: int, reason: str) -> None:
    async with open_feed(simulator.addresses) as link:
        answer = await switch(simulator.addresses, "cut", target="feed", code=code, reason=reason)
        assert answer["done"] == 1
        assert await link.closed() == code
        assert link.socket.close_reason == reason
    await eventually(lambda: not simulator.world.feeds)


async def test_cut_is_a_reset(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_feed(at) as link, connect(at.account_ws, proxy=None) as account:
        assert (await switch(at, "cut", target="account"))["done"] == 1
        with pytest.raises(ConnectionClosed):
            await account.recv()
        await link.say("KEEPALIVE")
        assert (await switch(at, "cut"))["done"] == 1
        assert await link.closed() == 1006
        await eventually(lambda: not simulator.world.feeds)


async def test_a_channel_is_closed_unasked(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_feed(at) as link:
        await link.open(3)
        await link.subscribe(3, "Trade", "SPY")
        await link.expect("FEED_DATA")
        assert (await switch(at, "close_channel", type="Quote"))["done"] == 0
        assert (await switch(at, "close_channel", type="Trade"))["done"] == 1
        assert (await link.expect("CHANNEL_CLOSED"))["channel"] == 3
        assert (await switch(at, "close_channel"))["done"] == 1
        assert (await link.expect("CHANNEL_CLOSED"))["channel"] == 1


async def test_adds_are_dropped(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "drop_adds", every=3)
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ", "IWM", "DIA", "TLT", "GLD", "AAPL")
        await link.data(1, "Quote")
        held = (await fetch(f"{at.control}/subscriptions")).json()
        assert held == {"Quote": ["AAPL", "DIA", "QQQ", "SPY", "TLT"]}
        assert (await switch(at, "drop_adds", every=0))["counters"]["adds_dropped"] == 2
        await link.subscribe(1, "Quote", "IWM", "GLD")
        await eventually(lambda: len(next(iter(simulator.world.feeds)).list_subscriptions()) == 7)


async def test_bad_frames_arrive_as_they_are(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_feed(at) as link:
        await link.open(3)
        await link.say("FEED_SETUP", 3, acceptDataFormat="COMPACT")
        await link.subscribe(3, "Quote", "VIX")
        await eventually(lambda: next(iter(simulator.world.feeds)).list_subscriptions())
        await switch(at, "inject", kind="nan", symbol="QQQ")
        message = await link.expect("FEED_DATA")
        assert message["channel"] == 3
        assert message["data"][1][0] == "QQQ"
        assert len(message["data"][1]) == len(FIELDS["Quote"])
        await switch(at, "inject", kind="text", text='{"type":"FEED_DATA","channel":3,"data":[]}')
        assert (await link.expect("FEED_DATA"))["data"] == []
        await switch(at, "inject", kind="error", error="UNKNOWN", message="Session not found: api")
        assert (await link.expect("ERROR"))["message"] == "Session not found: api"
        await switch(at, "inject", kind="garbage", text="%!")
        assert await link.socket.recv() == "%!"
    async with connect(at.account_ws, proxy=None) as account:
        await eventually(lambda: simulator.world.streams)
        await switch(at, "inject", target="account", kind="text", text="hello")
        assert await account.recv() == "hello"


async def test_authorization_lost_in_mid_stream(simulator: Simulator) -> None:
    at = simulator.addresses
    token = await get_quote_token(at)
    async with open_link(at.dxlink_ws) as link:
        await link.authorize(token)
        await switch(at, "deauth")
        assert (await link.expect("AUTH_STATE"))["state"] == "UNAUTHORIZED"
        await link.say("AUTH", token=token)
        assert await link.closed() == 1008
    async with open_link(at.dxlink_ws) as link:
        token = await get_quote_token(at)
        await link.authorize(token)
        await switch(at, "deauth", expire=False)
        await link.expect("AUTH_STATE")
        await link.say("AUTH", token=token)
        assert (await link.expect("AUTH_STATE"))["state"] == "AUTHORIZED"


async def test_a_quote_by_hand_and_frozen(simulator: Simulator) -> None:
    at = simulator.addresses
    fields = {"Quote": ["eventSymbol", "bidPrice", "askPrice", "bidSize", "askSize"]}
    async with open_feed(at, fields=fields) as link:
        await link.subscribe(1, "Quote", "SPY")
        await switch(at, "quote", symbol="SPY", bid=None, ask=123.45)
        values: list[Any] = []
        while values[:1] != ["SPY"] or values[2] != 123.45:
            values = await link.data(1, "Quote")
        assert values == ["SPY", "NaN", 123.45, "NaN", 100]
        await assert_silent(link)
        await switch(at, "freeze", symbols=["SPY"], frozen=False)
        assert (await link.data(1, "Quote"))[1] != "NaN"


async def test_the_market_closes_and_opens(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "market", open=False)
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY")
        await link.data(1, "Quote")
        await assert_silent(link)
        await switch(at, "market", open=True, rate=5)
        await link.data(1, "Quote")


async def test_the_rows_sent_can_be_read_with_their_times(simulator: Simulator) -> None:
    at = simulator.addresses
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ")
        await link.subscribe(1, "Trade", "SPY")
        for _ in range(6):
            await link.expect("FEED_DATA")
        rows = (await fetch(f"{at.control}/sent", type="Quote", symbol="SPY", limit="2")).json()
        assert [row["eventSymbol"] for row in rows] == ["SPY"] * len(rows)
        assert rows[0]["sent_ns"] <= rows[-1]["sent_ns"] <= time.monotonic_ns()
        assert rows[0]["bidPrice"] < rows[0]["askPrice"]
        assert len((await fetch(f"{at.control}/sent", limit="3")).json()) == 3


async def test_reset_ends_every_fault(simulator: Simulator) -> None:
    at = simulator.addresses
    fresh = await read_state(at)
    await switch(at, "mute")
    await switch(at, "stall", rest=True, feed=True, account=True)
    await switch(at, "drop_adds")
    await switch(at, "tokens", told_s=5, honoured_s=5)
    await switch(at, "oauth", status=500, revoke=True)
    await switch(at, "balance", account="5WX00001", omit=["cash-balance"])
    await switch(at, "quote", symbol="SPY", bid=1, ask=2)
    await switch(at, "market", flood=20)
    state = await switch(at, "reset")
    assert state["faults"] == fresh["faults"]
    assert state["market"]["flood"] == 0
    assert state["tokens"] == fresh["tokens"]
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY")
        await link.data(1, "Quote")


async def test_the_feed_has_another_address(simulator: Simulator) -> None:
    at = simulator.addresses

    async def read() -> str:
        answer = await fetch(f"{at.rest}/api-quote-tokens", await get_token(at))
        url: str = answer.json()["data"]["dxlink-url"]
        return url

    assert await read() == at.dxlink_ws
    await switch(at, "address", feed="ws://127.0.0.1:1/realtime")
    assert await read() == "ws://127.0.0.1:1/realtime"
    await switch(at, "address")
    assert await read() == at.dxlink_ws
