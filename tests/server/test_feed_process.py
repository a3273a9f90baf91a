"""`gateway feed` as a process: it leads, and ends in order whatever it waits for."""

import signal
from collections.abc import Iterator

import pytest

from tests.processes import Process
from tests.valkey import Valkey, find_port, open_valkey
from tests.waiting import scaled

SECRET, REFRESH = "secret-of-a-feed-51fe", "refresh-of-a-feed-51fe"


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with open_valkey() as server:
        yield server


def open_feed(url: str) -> Process:
    """A feed whose broker cannot be reached, which is no reason to end."""
    return Process(
        "feed",
        REDIS_URL=url,
        TT_SECRET=SECRET,
        TT_REFRESH=REFRESH,
        SIMULATOR_REST=f"http://127.0.0.1:{find_port()}",
        SIMULATOR_ACCOUNT_WS=f"ws://127.0.0.1:{find_port()}",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leads_and_lets_go_at_a_signal(valkey: Valkey, number: int) -> None:
    """1. start; 2. it has the lease; 3. a signal. Result: status 0, and nobody has the lease."""
    valkey.redis.flushall()
    feed = open_feed(valkey.url)
    try:
        feed.wait_for("standing by", 20)
        feed.wait_for("publishing, epoch", 20)
        assert valkey.redis.keys("*lease") != []
        feed.send(number)
        assert feed.popen.wait(scaled(15)) == 0
        assert feed.says("stopped")
        assert valkey.redis.keys("*lease") == []
    finally:
        feed.kill()


def test_a_second_signal_does_not_wait() -> None:
    """
    1. It leads, and the server hangs: what it wants to write at its end gets no answer.
    2. SIGTERM twice.
    Result: it ends at once, with status 0, and says so.
    """
    with open_valkey() as server:
        feed = open_feed(server.url)
        try:
            feed.wait_for("publishing, epoch", 20)
            server.pause()
            feed.send(signal.SIGTERM)
            feed.send(signal.SIGINT)
            assert feed.popen.wait(scaled(15)) == 0
            feed.wait_for("stopped")
        finally:
            server.go_on()
            feed.kill()


def test_without_a_server_it_stands_by_until_it_is_ended() -> None:
    feed = open_feed(f"redis://127.0.0.1:{find_port()}")
    try:
        feed.wait_for("connection refused", 20)
        assert feed.popen.poll() is None
        assert feed.stop() == 0
        assert feed.says("stopped")
    finally:
        feed.kill()
