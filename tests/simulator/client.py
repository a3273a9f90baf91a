"""Clients for the simulator's tests: a bare DXLink client, REST and control calls, and the SDK."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import httpx2
from tastytrade import Session
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.simulator.app import Addresses
from tests.waiting import scaled

Message = dict[str, Any]
DEADLINE_S = 5.0


class DXLink:
    """One DXLink connection: what it says is written by hand, what it hears is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Message] = []

    async def say(self, kind: str, channel: int = 0, **fields: Any) -> None:
        """Send one message."""
        await self.socket.send(json.dumps({"type": kind, "channel": channel, **fields}))

    async def hear(self) -> Message:
        """The next message."""
        with anyio.fail_after(scaled(DEADLINE_S)):
            raw = await self.socket.recv()
        message: Message = json.loads(raw)
        self.heard.append(message)
        return message

    async def expect(self, kind: str, when: Callable[[Message], bool] = bool) -> Message:
        """The next message of a type, dropping others."""
        while True:
            message = await self.hear()
            if message["type"] == kind and when(message):
                return message

    async def data(self, channel: int, event_type: str) -> list[Any]:
        """The values of the next COMPACT message with a type."""
        while True:
            message = await self.expect("FEED_DATA", lambda m: bool(m["channel"] == channel))
            if message["data"][0] == event_type:
                values: list[Any] = message["data"][1]
                return values

    async def closed(self) -> int:
        """Read until the server closes; the close code."""
        with anyio.fail_after(scaled(DEADLINE_S)), suppress(ConnectionClosed):
            while True:
                self.heard.append(json.loads(await self.socket.recv()))
        assert self.socket.close_code is not None
        return self.socket.close_code

    async def authorize(self, token: str, **setup: Any) -> None:
        """Go through the handshake."""
        fields = {"version": "0.1-test", "keepaliveTimeout": 60, "acceptKeepaliveTimeout": 60}
        await self.say("SETUP", **{**fields, **setup})
        await self.expect("SETUP")
        assert (await self.expect("AUTH_STATE"))["state"] == "UNAUTHORIZED"
        await self.say("AUTH", token=token)
        assert (await self.expect("AUTH_STATE"))["state"] == "AUTHORIZED"

    async def open(self, channel: int, contract: str = "AUTO") -> None:
        """Open a FEED channel."""
        await self.say(
            "CHANNEL_REQUEST", channel, service="FEED", parameters={"contract": contract}
        )
        await self.expect("CHANNEL_OPENED", lambda m: bool(m["channel"] == channel))

    async def subscribe(self, channel: int, event_type: str, *symbols: str, **item: Any) -> None:
        """Add symbols of a type."""
        add = [{"type": event_type, "symbol": symbol, **item} for symbol in symbols]
        await self.say("FEED_SUBSCRIPTION", channel, add=add)


@asynccontextmanager
async def open_link(url: str) -> AsyncIterator[DXLink]:
    """A bare connection to the feed."""
    async with connect(url, compression=None, proxy=None, close_timeout=0.2) as socket:
        yield DXLink(socket)


@asynccontextmanager
async def open_feed(
    at: Addresses, *, contract: str = "AUTO", period_s: float = 0, fields: Any = None
) -> AsyncIterator[DXLink]:
    """An authorized connection with channel 1 opened in COMPACT format."""
    token = await get_quote_token(at)
    async with open_link(at.dxlink_ws) as link:
        await link.authorize(token)
        await link.open(1, contract)
        await link.say(
            "FEED_SETUP",
            1,
            acceptAggregationPeriod=period_s,
            acceptDataFormat="COMPACT",
            acceptEventFields=fields or {},
        )
        await link.expect("FEED_CONFIG")
        yield link


async def post(url: str, **options: Any) -> httpx.Response:
    """POST without proxies."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url, **options)


async def fetch(url: str, token: str = "", **query: Any) -> httpx.Response:
    """GET without proxies."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url, headers=headers, params=query)


async def get(url: str, token: str, *, headers: Any = None, **query: Any) -> httpx.Response:
    """GET with a token, without proxies; a query in the address stays there."""
    given = {"Authorization": f"Bearer {token}", **(headers or {})}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url, headers=given, params=query or None)


def grant(at: Addresses) -> dict[str, str]:
    """The form that gets an access token."""
    return {
        "grant_type": "refresh_token",
        "refresh_token": at.refresh,
        "client_secret": at.secret,
    }


async def get_token(at: Addresses) -> str:
    """A new access token."""
    answer = await post(f"{at.rest}/oauth/token", json=grant(at))
    token: str = answer.json()["access_token"]
    return token


async def get_quote_token(at: Addresses) -> str:
    """A new token for the feed."""
    answer = await fetch(f"{at.rest}/api-quote-tokens", await get_token(at))
    token: str = answer.json()["data"]["token"]
    return token


async def switch(at: Addresses, name: str, /, **body: Any) -> dict[str, Any]:
    """Turn one switch of the control."""
    answer = await post(f"{at.control}/{name}", json=body)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state


async def read_state(at: Addresses) -> dict[str, Any]:
    """The control's view."""
    state: dict[str, Any] = (await fetch(at.control)).json()
    return state


def open_session(at: Addresses) -> Session:
    """The unmodified SDK, its requests led to the simulator by a public hook."""

    async def lead(request: httpx2.Request) -> None:
        host = request.url.host
        if host == "127.0.0.1":
            return
        target = urlsplit(at.account_ws if host.startswith("streamer.") else at.rest)
        request.url = request.url.copy_with(
            scheme=target.scheme, host=target.hostname, port=target.port
        )
        request.headers["Host"] = target.netloc

    return Session(at.secret, at.refresh, event_hooks={"request": [lead]}, trust_env=False)
