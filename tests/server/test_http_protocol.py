"""Limits of connections and of requests that arrive, each at its edge."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.waiting import eventually_sync, scaled
from tests.web.running import Reader, Running, get, make_settings, open_gateway, post

pytestmark = pytest.mark.fault(29)

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def connect(gateway: Running, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    address = ("127.0.0.1", gateway.port)
    with socket.create_connection(address, scaled(5), (source, 0)) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while chunk := connection.recv(65536):
            answer += chunk
    except ConnectionResetError:
        pass
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def ask(connection: socket.socket, request: bytes = HEAD + b"\r\n") -> int:
    """The status of one answer, whose body is short; 0 when there is none."""
    answer = b""
    try:
        connection.sendall(request)
        while not answer.endswith(b"}") and (chunk := connection.recv(65536)):
            answer += chunk
    except ConnectionError:
        pass
    return status_of(answer)


def count_connections(gateway: Running) -> int:
    return len(gateway.server.server_state.connections)


def limited(**limits: Any) -> Any:
    return open_gateway(make_settings(**limits))


def test_one_connection_too_many_is_told_so_and_the_others_live_on() -> None:
    with limited(max_connections=3) as gateway, ExitStack() as opened:
        those = [opened.enter_context(connect(gateway)) for _ in range(3)]
        assert [ask(each) for each in those] == [200] * 3
        with connect(gateway) as excess:
            excess.sendall(HEAD + b"\r\n")
            answer = read_all(excess)
        assert status_of(answer) == 503
        assert b"\r\nRetry-After: " in answer
        assert b"application/problem+json" in answer
        assert b"Content-Security-Policy: " in answer
        assert [ask(each) for each in those] == [200] * 3
        assert gateway.server.limits.refused == 1
        those[0].close()
        eventually_sync(lambda: count_connections(gateway) == 2)
        with connect(gateway) as another:
            assert ask(another) == 200


def test_a_flood_is_cut_off_at_once() -> None:
    with limited(max_connections=2) as gateway, ExitStack() as opened:
        those = [opened.enter_context(connect(gateway)) for _ in range(2)]
        assert [ask(each) for each in those] == [200] * 2
        flood = [opened.enter_context(connect(gateway)) for _ in range(400)]
        eventually_sync(lambda: gateway.server.limits.refused == 400)
        eventually_sync(lambda: count_connections(gateway) == 2, 3.0)
        assert all(read_all(each) == b"" for each in flood[:10])
        assert [ask(each) for each in those] == [200] * 2


def test_one_address_leaves_room_for_others() -> None:
    with limited(max_connections_per_address=2) as gateway, ExitStack() as opened:
        those = [opened.enter_context(connect(gateway)) for _ in range(2)]
        assert [ask(each) for each in those] == [200] * 2
        with connect(gateway) as excess:
            assert ask(excess) == 503
        with connect(gateway, "127.0.0.2") as neighbour:
            assert ask(neighbour) == 200
    assert not gateway.server.limits.counts


def test_a_proxy_may_bring_all_the_world() -> None:
    limits = {"max_connections_per_address": 1, "trusted_proxies": "127.0.0.0/8"}
    with limited(**limits) as gateway, ExitStack() as opened:
        those = [opened.enter_context(connect(gateway)) for _ in range(5)]
        assert [ask(each) for each in those] == [200] * 5


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(("excess", "status"), [(0, 200), (1, 431)])
def test_a_head_is_as_long_as_it_may_be_and_no_longer(
    excess: int, status: int, pieces: int
) -> None:
    with limited(max_header_bytes=2048) as gateway, connect(gateway) as connection:
        counted = len("/healthz") + len("Hostlocalhost") + 4 + len("X-Pad") + 4
        pad = b"x" * (2048 - counted + excess)
        request = HEAD + b"X-Pad: " + pad + b"\r\n\r\n"
        step = len(request) // pieces + 1
        for start in range(0, len(request), step):
            connection.sendall(request[start : start + step])
            time.sleep(0.01)  # so that the pieces arrive as such
        assert status_of(connection.recv(65536)) == status


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"x" * 1_000_000,
        HEAD + b"X-Pad: " + b"x" * 1_000_000,
        HEAD + b"X-Pad: y\r\n" * 100_000,
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n" + b"X-Trailer: y\r\n" * 100_000,
    ],
    ids=["path", "header", "headers", "trailers"],
)
def test_what_has_no_end_is_not_kept(endless: bytes) -> None:
    with limited() as gateway, connect(gateway) as connection:
        answer = b""
        try:
            for start in range(0, len(endless), 65536):
                connection.sendall(endless[start : start + 65536])
        except ConnectionError:
            pass
        answer = read_all(connection)
        # A reset may take the answer with it: we closed while more was coming.
        assert status_of(answer) in {0, 431}
        eventually_sync(lambda: count_connections(gateway) == 0)
        assert get(f"{gateway.url}/healthz").status_code == 200


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


@pytest.mark.parametrize(("count", "answered"), [(17, 17), (18, 0), (2000, 0)])
def test_a_queue_of_requests_has_an_end(count: int, answered: int) -> None:
    with limited(keep_alive_s=0.2) as gateway, connect(gateway) as connection:
        connection.sendall((HEAD + b"\r\n") * count)
        assert read_all(connection).count(b"HTTP/1.1 200 ") == answered
        eventually_sync(lambda: count_connections(gateway) == 0)
        eventually_sync(lambda: not gateway.server.server_state.tasks)


@pytest.mark.parametrize(("excess", "status"), [(0, 415), (1, 413)])
def test_a_body_is_as_large_as_it_may_be(excess: int, status: int) -> None:
    with limited(max_body_bytes=2000) as gateway:
        answer = post(f"{gateway.url}/login", content=b"x" * (2000 + excess))
        assert answer.status_code == status


@pytest.mark.parametrize(("excess", "status"), [(0, 400), (1, 414)])
def test_a_query_is_as_long_as_it_may_be(excess: int, status: int) -> None:
    with limited(max_query_bytes=300) as gateway:
        answer = get(f"{gateway.url}/events?x={'y' * (298 + excess)}")
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
