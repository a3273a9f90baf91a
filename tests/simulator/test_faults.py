"""Each fault, as real connections meet it."""

import json
import re

import anyio
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.simulator import faults
from gateway.simulator.app import Simulator
from tests.simulator.client import (
    fetch,
    get_quote_token,
    get_token,
    grant,
    open_feed,
    open_link,
    post,
    read_state,
    switch,
)
from tests.simulator.control.listening import assert_silent, drain
from tests.waiting import eventually


async def test_the_manual_lists_every_switch(simulator: Simulator) -> None:
    listed = set(re.findall(r"^\| `/(\w+)`", faults.__doc__ or "", re.MULTILINE))
    answer = await post(f"{simulator.addresses.control}/nothing")
    assert answer.status_code == 404
    assert listed == set(answer.json()["switches"])


async def test_a_quote_token_ends_in_mid_stream(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "quote_tokens", life_s=0.3)
    async with open_feed(at) as link:
        await link.subscribe(1, "Quote", "SPY", "QQQ", "NVDA")
        await link.data(1, "Quote")
        assert (await link.expect("AUTH_STATE"))["state"] == "UNAUTHORIZED"
        await assert_silent(link)
        await link.say("AUTH", token=await get_quote_token(at))
        assert (await link.expect("AUTH_STATE"))["state"] == "AUTHORIZED"
        await link.data(1, "Quote")


async def test_quote_tokens_are_refused(simulator: Simulator) -> None:
    at = simulator.addresses
    token = await get_quote_token(at)
    await switch(at, "quote_tokens", refuse="silent")
    async with open_link(at.dxlink_ws) as link:
        await link.say("SETUP", version="0.1")
        for _ in range(3):
            assert (await link.expect("AUTH_STATE"))["state"] == "UNAUTHORIZED"
            await link.say("AUTH", token=token)
        await link.expect("AUTH_STATE")
    await switch(at, "quote_tokens", refuse="close")
    async with open_link(at.dxlink_ws) as link:
        await link.say("SETUP", version="0.1")
        await link.say("AUTH", token=token)
        assert await link.closed() == 1008
    await switch(at, "quote_tokens", life_s=0.01)
    token = await get_quote_token(at)
    await anyio.sleep(0.02)
    async with open_link(at.dxlink_ws) as link:
        await link.say("SETUP", version="0.1")
        await link.say("AUTH", token=token)
        assert await link.closed() == 1008
    assert (await switch(at, "quote_tokens", expire=True))["done"] >= 1
    assert (await read_state(at))["counters"]["auth_refused"] >= 5


async def test_access_tokens_expire(simulator: Simulator) -> None:
    at = simulator.addresses
    old = await get_token(at)
    assert (await switch(at, "tokens", told_s=900, honoured_s=0.05))["done"] == 0
    answer = await post(f"{at.rest}/oauth/token", json=grant(at))
    assert answer.json()["expires_in"] == 900
    short = answer.json()["access_token"]
    assert (await fetch(f"{at.rest}/customers/me", old)).status_code == 200
    await anyio.sleep(0.06)
    assert (await fetch(f"{at.rest}/customers/me", short)).status_code == 401
    assert (await switch(at, "tokens", expire=True))["done"] >= 1
    assert (await fetch(f"{at.rest}/customers/me", old)).status_code == 401


async def test_oauth_fails_and_the_grant_is_revoked(simulator: Simulator) -> None:
    at, url = simulator.addresses, f"{simulator.addresses.rest}/oauth/token"
    await switch(at, "oauth", status=503, count=2)
    statuses = [(await post(url, json=grant(at))).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    await switch(at, "oauth", status=502)
    assert [(await post(url, json=grant(at))).status_code for _ in range(3)] == [502] * 3
    await switch(at, "oauth", revoke=True)
    refused = await post(url, json=grant(at))
    assert refused.json()["error_description"] == "Grant revoked"
    await switch(at, "oauth", revoke=False)
    assert (await post(url, json=grant(at))).status_code == 200
    assert (await read_state(at))["counters"]["refresh_requests"] == 8


async def test_rest_fails(simulator: Simulator) -> None:
    at = simulator.addresses
    token = await get_token(at)
    await switch(at, "rest", status=503, count=1, path="/accounts")
    url = f"{at.rest}/accounts/5WX00001/balances"
    assert (await fetch(f"{at.rest}/customers/me", token)).status_code == 200
    assert [(await fetch(url, token)).status_code for _ in range(2)] == [503, 200]
    await switch(at, "rest", status=429)
    answer = await fetch(url, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "fault")
    assert await get_token(at)
    await switch(at, "rest", status=None)
    assert (await fetch(url, token)).status_code == 200


async def test_upgrades_are_refused(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "upgrade", status=502, count=1, target="feed")
    async with connect(at.account_ws, proxy=None):
        pass
    with pytest.raises(InvalidStatus) as caught:
        await connect(at.dxlink_ws, proxy=None)
    assert caught.value.response.status_code == 502
    async with open_feed(at):
        pass
    await switch(at, "upgrade", status=503)
    for url in (at.dxlink_ws, at.account_ws):
        with pytest.raises(InvalidStatus):
            await connect(url, proxy=None)
    await switch(at, "reset")
    async with open_feed(at):
        pass


async def test_caps(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "limits", sessions=1, subscriptions=2)
    async with open_feed(at) as link:
        token = await get_quote_token(at)
        async with open_link(at.dxlink_ws) as other:
            await other.say("SETUP", version="0.1")
            await other.say("AUTH", token=token)
            assert await other.closed() == 1008
            assert "exceeded the configured limit" in other.heard[-1]["message"]
        await link.subscribe(1, "Quote", "SPY", "QQQ", "IWM")
        assert "subscriptions" in (await link.expect("ERROR"))["message"]
    await switch(at, "limits", keepalive_s=0.1)
    token = await get_quote_token(at)
    async with open_link(at.dxlink_ws) as link:
        await link.authorize(token)
        assert await link.closed() == 1000


async def test_stall(simulator: Simulator) -> None:
    at = simulator.addresses
    token = await get_token(at)
    async with (
        open_feed(at) as link,
        connect(at.account_ws, proxy=None, close_timeout=0.1) as account,
    ):
        await link.subscribe(1, "Quote", "SPY", "QQQ", "AAPL")
        await link.data(1, "Quote")
        await switch(at, "stall", rest=True, feed=True, account=True)
        await drain(link)
        await link.say("SURPRISE")
        await account.send("{}")
        await assert_silent(link)
        async with (
            open_link(at.dxlink_ws) as other,
            connect(at.account_ws, proxy=None, close_timeout=0.1),
        ):
            await other.say("SETUP", version="0.1")
            await assert_silent(other)
        async with httpx.AsyncClient(trust_env=False, timeout=0.2) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(f"{at.rest}/customers/me")
        await switch(at, "stall", rest=False, feed=False, account=False)
        await link.expect("ERROR")
        await link.data(1, "Quote")
        assert json.loads(await account.recv())["status"] == "error"
        assert (await fetch(f"{at.rest}/customers/me", token)).status_code == 200


async def test_down_and_up(simulator: Simulator) -> None:
    at = simulator.addresses
    token = await get_token(at)
    async with open_feed(at) as link:
        await switch(at, "down", seconds=60)
        assert await link.closed() == 1006
    with pytest.raises(httpx.ConnectError):
        await fetch(f"{at.rest}/customers/me", token)
    for url in (at.dxlink_ws, at.account_ws):
        with pytest.raises(ConnectionRefusedError):
            await connect(url, proxy=None)
    await switch(at, "down", seconds=60)
    await switch(at, "up")
    assert (await fetch(f"{at.rest}/customers/me", token)).status_code == 200
    async with open_feed(at):
        pass
    await switch(at, "down", seconds=0.05)

    async def is_back() -> bool:
        try:
            return (await fetch(f"{at.rest}/customers/me", token)).status_code == 200
        except httpx.ConnectError:
            return False

    await eventually(is_back)
    async with open_feed(at), connect(at.account_ws, proxy=None):
        pass
