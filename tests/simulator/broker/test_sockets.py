"""A stalled socket reads nothing and says so to its writers; a close frame is a clean end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.simulator.broker.sockets import is_clean_close, set_stalled
from tests.waiting import eventually, scaled


class Served:
    """What the server's side of one connection has seen."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.sockets: list[ServerConnection] = []
        self.ends: list[ConnectionClosed] = []

    async def __call__(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        try:
            while True:
                self.heard.append(str(await socket.recv()))
        except ConnectionClosed as closed:
            self.ends.append(closed)


@asynccontextmanager
async def open_pair() -> AsyncIterator[tuple[Served, ClientConnection]]:
    served = Served()
    async with serve(served, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", proxy=None, close_timeout=0.2) as client:
            await eventually(lambda: served.sockets)
            yield served, client


async def test_what_comes_while_it_is_stalled_is_read_afterwards() -> None:
    async with open_pair() as (served, client):
        moving = asyncio.Event()
        moving.set()
        for _ in range(2):  # the second time changes nothing
            set_stalled(served.sockets[0], moving, True)
        assert not moving.is_set()
        await client.send("late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(await client.ping(), 0.1)
        assert served.heard == []
        set_stalled(served.sockets[0], moving, False)
        assert moving.is_set()
        await eventually(lambda: served.heard == ["late"])


async def test_a_socket_that_is_gone_can_still_be_released() -> None:
    async with open_pair() as (served, client):
        moving = asyncio.Event()
        set_stalled(served.sockets[0], moving, True)
        served.sockets[0].transport.abort()
        set_stalled(served.sockets[0], moving, False)
        assert moving.is_set()
        await asyncio.wait_for(client.wait_closed(), scaled(5))


@pytest.mark.parametrize("is_clean", [True, False])
async def test_a_close_frame_is_clean_and_a_reset_is_not(is_clean: bool) -> None:
    async with open_pair() as (served, client):
        if is_clean:
            await client.close()
        else:
            client.transport.abort()
        await eventually(lambda: served.ends)
        assert is_clean_close(served.ends[0]) is is_clean


async def test_a_close_of_the_servers_own_is_not_the_clients() -> None:
    async with open_pair() as (served, _):
        await served.sockets[0].close(1008, "no")
        await eventually(lambda: served.ends)
        assert not is_clean_close(served.ends[0])
