"""Requests that take their time: heads, bodies and pauses, each with its limit."""

import time

import pytest

from tests.server.connecting import (
    HEAD,
    ask,
    connect,
    count_connections,
    limited,
    read_all,
    status_of,
)
from tests.waiting import eventually_sync, scaled
from tests.web.running import (
    Reader,
    make_settings,
    open_gateway,
)

pytestmark = pytest.mark.fault(29)


def test_blank_lines_keep_no_connection_open() -> None:
    """
    1. A connection has its answer and is idle; it sends a blank line now and then.
    Result: it is closed as an idle one is.
    """
    with limited(keep_alive_s=0.5) as gateway, connect(gateway) as connection:
        assert ask(connection) == 200
        begun_s = time.monotonic()
        try:
            while count_connections(gateway):
                connection.sendall(b"\r\n")
                time.sleep(0.05)
                assert time.monotonic() - begun_s < scaled(5)
        except ConnectionError:
            pass
        eventually_sync(lambda: count_connections(gateway) == 0)


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET /healthz HT", HEAD, HEAD + b"X-Slow: "],
    ids=["nothing", "line", "header", "half a header"],
)
def test_a_head_that_does_not_come_is_not_waited_for(beginning: bytes) -> None:
    with limited(request_timeout_s=0.3) as gateway, connect(gateway) as connection:
        begun_s = time.monotonic()
        connection.sendall(beginning)
        answer = read_all(connection)
        assert status_of(answer) == 408
        assert 0.2 < time.monotonic() - begun_s < scaled(2)
        assert count_connections(gateway) == 0


def test_a_drop_now_and_then_does_not_help_a_slow_client() -> None:
    with limited(request_timeout_s=0.3) as gateway, connect(gateway) as connection:
        begun_s = time.monotonic()
        try:
            for letter in HEAD + b"X-Slow: " + b"x" * 1000:
                connection.sendall(bytes([letter]))
                time.sleep(0.02)
        except ConnectionError:
            pass
        assert time.monotonic() - begun_s < scaled(3)
        assert count_connections(gateway) == 0


def test_a_body_that_does_not_come_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    token = "a-token-of-the-tests"
    with limited(request_timeout_s=0.3, token=token) as gateway, connect(gateway) as connection:
        connection.sendall(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken="
        )
        assert status_of(read_all(connection)) == 408
        eventually_sync(lambda: not gateway.server.server_state.tasks)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


def test_a_request_after_a_pause_has_its_own_time() -> None:
    with limited(request_timeout_s=0.3, keep_alive_s=5) as gateway, connect(gateway) as connection:
        assert ask(connection) == 200
        time.sleep(0.5)
        assert ask(connection) == 200
        connection.sendall(HEAD)
        assert status_of(read_all(connection)) == 408


def test_an_idle_connection_is_closed() -> None:
    with limited(keep_alive_s=0.2) as gateway, connect(gateway) as connection:
        assert ask(connection) == 200
        assert read_all(connection) == b""


def test_a_stream_lives_longer_than_a_request_may_take() -> None:
    settings = make_settings(request_timeout_s=0.2, keep_alive_s=0.2, heartbeat_s=0.3)
    with open_gateway(settings) as gateway, Reader(gateway.port) as reader:
        reader.read_until("heartbeat", 3)
