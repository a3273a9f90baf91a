"""The account streamer, spoken by hand."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.simulator.app import Simulator
from tests.simulator.client import Message, get, get_token, grant, post, read_state, switch
from tests.waiting import eventually, scaled


class Stream:
    def __init__(self, socket: ClientConnection, token: str) -> None:
        self.socket = socket
        self.token = token

    async def say(self, action: str, **fields: Any) -> None:
        body = {"action": action, "auth-token": f"Bearer {self.token}", "request-id": 1}
        await self.socket.send(json.dumps({**body, **fields}))

    async def hear(self) -> Message:
        with anyio.fail_after(scaled(5)):
            message: Message = json.loads(await self.socket.recv())
        return message

    async def ask(self, action: str, **fields: Any) -> Message:
        await self.say(action, **fields)
        return await self.hear()


@asynccontextmanager
async def open_stream(simulator: Simulator) -> AsyncIterator[Stream]:
    token = await get_token(simulator.addresses)
    async with connect(simulator.addresses.account_ws, proxy=None, close_timeout=1) as socket:
        yield Stream(socket, token)


async def test_acknowledgements(closed: Simulator) -> None:
    async with open_stream(closed) as stream:
        early = await stream.ask("quote-alerts-subscribe")
        assert (early["status"], early["message"]) == ("error", "connect-not-completed")
        ack = await stream.ask("connect", value=["5WX00001"], **{"request-id": 7})
        assert (ack["status"], ack["action"], ack["value"]) == ("ok", "connect", ["5WX00001"])
        assert ack["request-id"] == 7
        session = ack["web-socket-session-id"]
        for action in ("heartbeat", "quote-alerts-subscribe", "public-watchlists-subscribe"):
            answer = await stream.ask(action)
            assert (answer["status"], answer["web-socket-session-id"]) == ("ok", session)
        again = await stream.ask("account-subscribe", value="5WX00001")
        assert again["status"] == "ok"


async def test_refusals(closed: Simulator) -> None:
    async with open_stream(closed) as stream:
        for action, fields in (
            ("connect", {"auth-token": "Bearer wrong"}),
            ("connect", {"auth-token": None}),
            ("connect", {"value": ["5WZ"]}),
            ("connect", {"value": []}),
            ("dance", {}),
        ):
            answer = await stream.ask(action, **fields)
            assert (answer["status"], answer["request-id"]) == ("error", 1), fields
            assert answer["message"]
        await stream.socket.send("not json")
        assert (await stream.hear())["status"] == "error"
        await switch(closed.addresses, "account", bare_errors=True)
        assert "request-id" not in await stream.ask("dance")
    state = await read_state(closed.addresses)
    assert state["unauthorized"] == {"account-streamer": 2}


async def test_a_move_of_prices_is_no_change_of_an_account(simulator: Simulator) -> None:
    """Nothing is pushed while prices move; a fill pushes order, position and balance at once."""
    at = simulator.addresses
    await switch(at, "account", push_s=0.02)
    async with open_stream(simulator) as stream:
        await stream.ask("connect", value=at.accounts)
        sequence = simulator.world.market.find("SPY")
        assert sequence is not None
        before = sequence.sequence
        await eventually(lambda: sequence.sequence > before + 5)
        assert (await stream.ask("heartbeat"))["action"] == "heartbeat"
        leg = {"action": "Buy to Open", "symbol": "KO", "quantity": 10}
        body = {"account": at.accounts[0], "legs": [leg], "type": "Market", "until": "Routed"}
        order = await switch(at, "order", **body)
        await switch(at, "order", do="fill", account=at.accounts[0], id=order["done"])
        heard = [await stream.hear() for _ in range(8)]
        assert [each["type"] for each in heard] == [
            "Order", "Order", "Order", "Order", "CurrentPosition", "AccountBalance",
            "UnderlyingYearGainSummary", "OrderChain",
        ]  # fmt: skip
        assert [each["data"]["status"] for each in heard[:4]] == [
            "Received", "Routed", "Routed", "Filled",
        ]  # fmt: skip
        assert [each["ws-sequence"] for each in heard] == list(range(1, 9))
        url = f"{at.rest}/accounts/{at.accounts[0]}/orders/{order['done']}"
        assert (await get(url, stream.token)).json()["data"] == heard[3]["data"]


async def test_a_lost_push_leaves_a_hole_in_the_sequence(closed: Simulator) -> None:
    at = closed.addresses
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=at.accounts)
        await switch(at, "balance", account=at.accounts[0], cash_delta="1")
        assert (await stream.hear())["ws-sequence"] == 1
        await switch(at, "account", lose=1)
        await switch(at, "balance", account=at.accounts[0], cash_delta="1")
        await switch(at, "balance", account=at.accounts[0], cash_delta="1")
        push = await stream.hear()
        assert (push["ws-sequence"], push["data"]["cash-balance"]) == (3, "41253.37")


async def test_each_customer_hears_of_their_own_account(closed: Simulator) -> None:
    """Two customers, one account number, one change."""
    at = closed.addresses
    form = grant(at) | {"refresh_token": at.customers[1]["refresh"]}
    token = (await post(f"{at.rest}/oauth/token", json=form)).json()["access_token"]
    async with open_stream(closed) as sam, open_stream(closed) as pat:
        pat.token = token
        for stream in (sam, pat):
            assert (await stream.ask("connect", value=["5WX00001"]))["status"] == "ok"
        assert (await pat.ask("connect", value=["5WY00002"]))["status"] == "error"
        await switch(at, "balance", account="5WX00001", customer="pat", cash_delta="7")
        assert (await pat.hear())["data"]["cash-balance"] == "15007.0"
        assert (await sam.ask("heartbeat"))["action"] == "heartbeat"


async def test_what_an_account_may_do_is_pushed(closed: Simulator) -> None:
    at = closed.addresses
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=at.accounts)
        await switch(at, "trading_status", account=at.accounts[0], set={"is-in-margin-call": True})
        push = await stream.hear()
        assert (push["type"], push["data"]["is-in-margin-call"]) == ("TradingStatus", True)
        await switch(at, "position", account=at.accounts[0], symbol="SPY")
        push = await stream.hear()
        assert (push["type"], push["data"]["is-frozen"]) == ("CurrentPosition", True)


async def test_only_changes_are_pushed(closed: Simulator) -> None:
    at = closed.addresses
    await switch(at, "account", push_s=0.02)
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=at.accounts)
        await switch(at, "balance", account=at.accounts[0], cash_delta="-100")
        push = await stream.hear()
        assert push["type"] == "AccountBalance"
        assert push["data"]["account-number"] == at.accounts[0]
        assert push["data"]["cash-balance"] == "41150.37"
        assert isinstance(push["timestamp"], int)
        # Were anything pushed without a change, it would come before this answer.
        await anyio.sleep(0.1)
        assert (await stream.ask("heartbeat"))["action"] == "heartbeat"


async def test_pushes_and_rest_agree(simulator: Simulator) -> None:
    at, ledger = simulator.addresses, simulator.world.ledger
    await switch(at, "account", push_s=0.02, push_marks=True)
    async with open_stream(simulator) as stream:
        await stream.ask("connect", value=at.accounts)
        for _ in range(10):
            push = await stream.hear()
            assert push["type"] in ("AccountBalance", "CurrentPosition")
        await switch(at, "market", open=False)
        # The last push of a balance that is now at rest is what REST tells.
        before = None
        await switch(at, "balance", account=at.accounts[0], cash_delta="1")
        with anyio.fail_after(scaled(5)):
            while before is None or before["cash-balance"] != "41251.37":
                push = await stream.hear()
                if push["data"]["account-number"] == at.accounts[0]:
                    before = push["data"] if push["type"] == "AccountBalance" else before
        assert before == ledger.balance(at.accounts[0])


async def test_batches_and_missing_fields(closed: Simulator) -> None:
    at = closed.addresses
    await switch(at, "account", batch=True)
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=at.accounts)
        await switch(at, "balance", account=at.accounts[1], omit=["net-liquidating-value"])
        (push,) = (await stream.hear())["results"]
        assert push["type"] == "AccountBalance"
        assert "net-liquidating-value" not in push["data"]


async def test_silence_is_ended(closed: Simulator) -> None:
    at = closed.addresses
    await switch(at, "limits", heartbeat_s=0.1)
    async with open_stream(closed) as stream:
        with pytest.raises(ConnectionClosed):
            await stream.hear()
        assert stream.socket.close_code == 1000
    assert (await read_state(at))["counters"]["heartbeats_missed"] == 1


async def test_who_closes_in_order_is_told_from_who_is_gone(closed: Simulator) -> None:
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=["5WX00001"])
    await eventually(lambda: closed.world.journal.counts["account_clean_closes"] == 1)
    async with open_stream(closed) as stream:
        await stream.ask("connect", value=["5WX00001"])
        stream.socket.transport.abort()
    await eventually(lambda: not closed.world.streams)
    assert closed.world.journal.counts["account_clean_closes"] == 1
