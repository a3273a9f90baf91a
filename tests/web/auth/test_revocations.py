"""What web processes tell each other: sign-outs and wrong tokens, over a real server."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack

import httpx
import pytest

from gateway.streams.backplane.server import Backplane
from gateway.web.auth.authenticator import SIGNED_OUT, Authenticator
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.revocations import Peers
from gateway.web.auth.throttle import TooManyTries
from gateway.web.auth.viewers import OWNER
from tests.streams.replicating import running, until
from tests.valkey import Valkey, find_port, open_valkey
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    TOKEN,
    Reader,
    Running,
    get,
    make_protected,
    make_quote,
    open_gateway,
    post,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with open_valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.redis.flushall()
    return server


@pytest.fixture
def pair(valkey: Valkey) -> Iterator[list[Running]]:
    """Two gateways with one token that share a server."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_sharing(valkey.url)) for _ in range(2)]


def open_sharing(url: str) -> AbstractContextManager[Running]:
    return open_gateway(make_protected(token=TOKEN), peers=Peers(Backplane(url)))


def log_in(gateway: Running) -> dict[str, str]:
    """The header of a browser that has just signed in."""
    answer = post(f"{gateway.url}/login", data={"token": TOKEN})
    return {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}


def ask_status(gateway: Running, headers: dict[str, str]) -> int:
    return get(f"{gateway.url}/status", headers=headers).status_code


def guess(gateway: Running) -> httpx.Response:
    return post(f"{gateway.url}/login", data={"token": "a wrong one"})


def test_who_signs_out_is_signed_out_everywhere(pair: list[Running], valkey: Valkey) -> None:
    """
    1. A browser signs in at one process; its cookie is good at the other, where a stream is open.
    2. It signs out at the first.
    Result: the other refuses the cookie and ends the stream within a second; so does a process
    that starts later. Another login is not concerned. The server holds neither cookie nor session.
    """
    one, two = pair
    cookie, other = log_in(one), log_in(one)
    assert [ask_status(each, cookie) for each in pair] == [200, 200]
    two.publish(make_quote())
    with Reader(two.port, headers=f"Cookie: {cookie['Cookie']}\r\n") as reader:
        reader.read_until("snapshot_end")
        begun_s = time.monotonic()
        assert post(f"{one.url}/logout", headers=cookie).status_code == 303
        assert ask_status(one, cookie) == 401
        eventually_sync(lambda: ask_status(two, cookie) == 401, 1.0)
        assert reader.read_all()[-1].data["reason"] == SIGNED_OUT
        assert time.monotonic() - begun_s < scaled(1.0)
    with open_sharing(valkey.url) as three:
        assert ask_status(three, cookie) == 401
        assert ask_status(three, other) == 200
    assert ask_status(two, other) == 200
    session = cookie["Cookie"].split(".")[2].encode()
    dump = valkey.dump()
    assert b"{gateway}:ended" in dump
    assert session not in dump
    assert TOKEN.encode() not in dump


def test_wrong_tokens_are_counted_for_all_processes_together(
    pair: list[Running], valkey: Valkey
) -> None:
    answers = [guess(pair[number % 2]) for number in range(8)]
    assert [each.status_code for each in answers] == [401] * 5 + [429] * 3
    assert all(290 <= int(each.headers["retry-after"]) <= 301 for each in answers[5:])
    for gateway in pair:  # this token is short, so it could have been guessed
        assert post(f"{gateway.url}/login", data={"token": TOKEN}).status_code == 429
    assert b"127.0.0.1" not in valkey.dump()


def test_without_the_server_each_process_goes_by_its_own_memory(
    pair: list[Running], valkey: Valkey
) -> None:
    """
    1. Two processes share a server, which is killed.
    2. Browsers sign in and out; somebody guesses.
    Result: the process that saw it holds to it; the other does not know; all is answered at once.
    3. The server comes back, empty.
    Result: the other refuses the cookie too, and the one from before.
    """
    one, two = pair
    before = log_in(one)
    post(f"{one.url}/logout", headers=before)
    valkey.kill()
    try:
        begun_s = time.monotonic()
        cookie = log_in(one)
        assert post(f"{one.url}/logout", headers=cookie).status_code == 303
        assert [ask_status(each, cookie) for each in pair] == [401, 200]
        assert [guess(one).status_code for _ in range(6)] == [401] * 5 + [429]
        assert guess(two).status_code == 401
        assert time.monotonic() - begun_s < scaled(2.0)
    finally:
        valkey.start()
    eventually_sync(lambda: ask_status(two, cookie) == 401)
    with open_sharing(valkey.url) as three:
        eventually_sync(lambda: ask_status(three, before) == 401)


async def test_a_server_that_hangs_is_waited_for_once(valkey: Valkey) -> None:
    """And not for the time that its answers have elsewhere."""
    peers = Peers(Backplane(valkey.url), ask_s=0.1)
    authenticator = Authenticator(TOKEN, peers=peers)
    async with running(authenticator.run_peers()):
        await authenticator.sync_peers()
        assert await authenticator.authenticate("wrong", "192.0.2.1") is None
        valkey.pause()
        try:
            begun_s = time.monotonic()
            for _ in range(4):
                assert await authenticator.authenticate("wrong", "192.0.2.1") is None
            with pytest.raises(TooManyTries):
                await authenticator.authenticate("wrong", "192.0.2.1")
            assert time.monotonic() - begun_s < scaled(0.3)
        finally:
            valkey.go_on()
        await until(lambda: peers.is_reachable)


async def test_of_many_tries_at_once_five_are_answered(valkey: Valkey) -> None:
    """At four processes together, however the tries fall."""
    async with AsyncExitStack() as stack:
        accesses = [
            Authenticator(TOKEN, peers=Peers(Backplane(valkey.url, timeout_s=10), ask_s=10))
            for _ in range(4)
        ]
        for authenticator in accesses:
            await stack.enter_async_context(running(authenticator.run_peers()))
            await authenticator.sync_peers()
        tries = [
            authenticator.authenticate("wrong", "192.0.2.1")
            for authenticator in accesses
            for _ in range(10)
        ]
        found = await asyncio.gather(*tries, return_exceptions=True)
        assert found.count(None) == 5
        assert sum(isinstance(each, TooManyTries) for each in found) == 35


async def test_without_a_server_the_start_is_not_held_up() -> None:
    authenticator = Authenticator(TOKEN, peers=Peers(Backplane(f"redis://127.0.0.1:{find_port()}")))
    async with running(authenticator.run_peers()):
        begun_s = time.monotonic()
        await authenticator.sync_peers()
        assert time.monotonic() - begun_s < scaled(0.5)
        assert await authenticator.authenticate("wrong", "192.0.2.1") is None
        assert await authenticator.authenticate(TOKEN, "192.0.2.1") == OWNER


async def test_what_somebody_else_wrote_there_does_no_harm(valkey: Valkey) -> None:
    told: list[int] = []
    peers, authenticator = Peers(Backplane(valkey.url)), Authenticator(TOKEN)
    valkey.redis.xadd("{gateway}:ended", {"nonsense": "nan", "more": "1"})
    valkey.redis.xadd("{gateway}:ended", {"nonsense": "soon"})
    valkey.redis.xadd("{gateway}:ended", {"one": "99999999999"})
    async with running(peers.run(authenticator.sessions, lambda: told.append(1))):
        await until(lambda: authenticator.sessions.revoked == {"one": 99999999999.0})
        assert told == [1]
