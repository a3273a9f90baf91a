"""A server that is gone, hangs, refuses or is too old."""

import asyncio

import pytest

from gateway.errors import BackplaneError, LeaseLost
from gateway.streams.backplane.server import Backplane
from gateway.streams.hub.position import StreamPosition
from tests.streams.backplane.serving import LEASE_S, ONE, acquire
from tests.valkey import Valkey, find_port, open_valkey


async def complain(backplane: Backplane) -> str:
    try:
        await backplane.check()
        await acquire(backplane)
    except BackplaneError as error:
        return str(error)
    finally:
        await backplane.close()
    return "nothing is wrong"


async def test_a_cancellation_is_never_lost(backplane: Backplane) -> None:
    """At every step of a call; with a time-out of redis-py's own one in three was."""
    outcomes = set()
    for turns in range(60):
        task = asyncio.create_task(backplane.read_demand())
        for _ in range(turns):
            await asyncio.sleep(0)
        was_cancelled = task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() == was_cancelled
        outcomes.add(was_cancelled)
    assert outcomes == {True, False}


async def test_a_server_that_is_not_there() -> None:
    url = f"redis://:hidden-word@127.0.0.1:{find_port()}"
    text = await complain(Backplane(url))
    assert text == "REDIS_URL: the server cannot be reached: connection refused"


async def test_a_server_that_hangs(valkey: Valkey) -> None:
    valkey.pause()
    try:
        text = await complain(Backplane(valkey.url, timeout_s=0.2))
        assert text == "REDIS_URL: the server does not answer in time"
    finally:
        valkey.go_on()


async def test_a_server_that_is_restarted_is_reached_again(valkey: Valkey) -> None:
    backplane = Backplane(valkey.url)
    await acquire(backplane)
    valkey.kill()
    with pytest.raises(BackplaneError, match="cannot be reached"):
        await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), [])
    valkey.start()
    with pytest.raises(LeaseLost):
        await backplane.publish(ONE, LEASE_S, StreamPosition("1000", 0), [])
    assert await acquire(backplane, floor=1000) == ("leading", "1001")
    await backplane.close()


async def test_a_wrong_password(valkey: Valkey) -> None:
    with open_valkey("--requirepass", "right") as guarded_valkey:
        url = guarded_valkey.url.replace("127", ":hidden-word@127")
        text = await complain(Backplane(url))
        assert text == "REDIS_URL: the server refuses the user or the password"
        text = await complain(Backplane(guarded_valkey.url))
        assert text == "REDIS_URL: the server refuses the user or the password"


async def test_a_server_that_can_only_be_read(valkey: Valkey) -> None:
    with open_valkey("--replicaof", f"127.0.0.1 {valkey.port}") as follower:
        assert "can only be read" in await complain(Backplane(follower.url))


async def test_a_server_that_is_too_old() -> None:
    """Played by a few lines: there is no such server to be had."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = b"# Server\r\nredis_version:6.0.16\r\n"
        while data := await reader.read(4096):
            is_info = b"INFO\r\n" in data and b"SETINFO" not in data
            writer.write(
                b"$%d\r\n%b\r\n" % (len(info), info) if is_info else b"+OK\r\n" * data.count(b"*")
            )
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        text = await complain(Backplane(f"valkey://127.0.0.1:{port}"))
        assert text == "REDIS_URL: the server's version 6.0.16 is too old; 6.2 is needed"


async def test_a_server_without_memory(valkey: Valkey) -> None:
    with open_valkey("--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as small:
        backplane = Backplane(small.url)
        assert await complain(backplane) == "REDIS_URL: the server is out of memory"
