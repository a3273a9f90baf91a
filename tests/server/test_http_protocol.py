"""Limits of connections and of requests that arrive, each at its edge."""

import asyncio
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from gateway.app import build_app, create_context
from gateway.server.http_protocol import SLICE_BYTES, Connection, Limits
from gateway.server.server import Server
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
    TOKEN,
    Reader,
    Running,
    get,
    idle,
    make_quote,
    make_settings,
    post,
)

pytestmark = pytest.mark.fault(29)


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


def test_a_proxy_is_known_in_every_spelling_of_its_address() -> None:
    limits = Limits.of(make_settings(trusted_proxies="127.0.0.0/8,fe80::/10").server)
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0", ""):
        assert limits.is_proxy(address)
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "::1"):
        assert not limits.is_proxy(address)


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


CHUNKED = b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


ENDLESS = {
    "path": (b"GET /", b"x" * 65_536),
    "header": (HEAD + b"X-Pad: ", b"x" * 65_536),
    "blanks before a value": (HEAD + b"X-Pad:", b" " * 65_536),
    "headers": (HEAD, b"X-Pad: y\r\n" * 8192),
    "trailers": (b"POST / HTTP/1.1\r\n" + CHUNKED + b"0\r\n", b"X-Trailer: y\r\n" * 8192),
    "trailer": (b"POST / HTTP/1.1\r\n" + CHUNKED + b"0\r\nX-Trailer: ", b"y" * 65_536),
    "trailer's name": (b"POST / HTTP/1.1\r\n" + CHUNKED + b"0\r\n", b"y" * 65_536),
    "chunk size": (b"POST / HTTP/1.1\r\n" + CHUNKED, b"0" * 65_536),
    "chunk extension": (b"POST / HTTP/1.1\r\n" + CHUNKED + b"1;a=", b"b" * 65_536),
    "small chunks": (b"POST / HTTP/1.1\r\n" + CHUNKED, b"1\r\nx\r\n" * 8192),
    "content nobody reads": (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"x" * 65_536,
    ),
    "chunks nobody reads": (
        b"GET /healthz HTTP/1.1\r\n" + CHUNKED,
        b"10000\r\n" + b"x" * 65_536 + b"\r\n",
    ),
    "content of a stream": (
        b"GET /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"x" * 65_536,
    ),
    "blank lines": (b"", b"\r\n" * 32_768),
    "blank lines after a request": (HEAD + b"\r\n", b"\r\n" * 32_768),
    "offers to upgrade": (HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"X: y\r\n" * 8192),
}
"""A request's beginning, and what is sent again and again after it."""


@pytest.mark.parametrize("case", ENDLESS)
def test_what_has_no_end_is_not_kept(case: str) -> None:
    beginning, more = ENDLESS[case]
    with limited() as gateway, connect(gateway) as connection:
        try:
            connection.sendall(beginning)
            for _ in range(160):  # ten megabytes: more than all buffers on the way
                connection.sendall(more)
        except ConnectionError:
            pass
        else:
            pytest.fail("all of it was taken")
        # A reset may take the answer with it: we closed while more was coming.
        assert status_of(read_all(connection)) in {0, 200, 400, 404, 405, 413, 431}
        eventually_sync(lambda: count_connections(gateway) == 0)
        eventually_sync(lambda: not gateway.server.server_state.tasks)
        assert get(f"{gateway.url}/healthz").status_code == 200


class CountingParser:
    """The parser, with a count of the bytes that it was given."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self.bytes = 0

    def feed_data(self, data: bytes) -> None:
        self.bytes += len(data)
        self._parser.feed_data(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


@pytest.fixture
def server() -> Server:
    """A server that never starts: a test makes connections for it."""
    settings = make_settings(max_header_bytes=8192, max_body_bytes=8192)
    server = Server(build_app(create_context(settings), idle), settings.server)
    server.config.load()
    return server


@pytest.mark.parametrize("case", ENDLESS)
async def test_the_parser_is_stopped_in_the_middle_of_what_came(case: str, server: Server) -> None:
    """
    1. All that came at once are a request's beginning and ten megabytes after it.
    Result: the parser gets little more of it than the limits allow, however much there is.
    """
    connection = Connection(server.config, server.server_state, {}, limits=server.limits)
    transport = FakeTransport()
    connection.connection_made(transport)
    parser = CountingParser(connection.parser)
    connection.parser = parser  # type: ignore[assignment]
    beginning, more = ENDLESS[case]
    connection.data_received(beginning + more * 160)
    assert transport.is_closed
    assert parser.bytes <= len(beginning) + 2 * 8192 + 2 * SLICE_BYTES
    connection.connection_lost(None)
    for task in list(server.server_state.tasks):
        task.cancel()


class FakeTransport(asyncio.Transport):
    """Takes everything, and says whether it was closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.is_closed = False

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def test_strangers_without_an_end_starve_nobody() -> None:
    """
    1. A stream is open. Three strangers without a token send trailers without end, and connect
       again as soon as they are cut off.
    2. A hundred quotes are published, the next one when the one before has arrived.
    Result: every quote arrives, and between two of them no stranger got in more than the limits.
    """
    beginning, more = ENDLESS["trailer"]
    is_over = threading.Event()
    cut_off = [0, 0, 0]

    def attack(gateway: Running, index: int) -> None:
        while not is_over.is_set():
            with connect(gateway) as connection:
                try:
                    connection.sendall(beginning)
                    while not is_over.is_set():
                        connection.sendall(more)
                except ConnectionError:
                    cut_off[index] += 1

    with limited() as gateway, Reader(gateway.port) as reader:
        reader.read_until("snapshot_end")
        strangers = [
            threading.Thread(target=attack, args=(gateway, index)) for index in range(len(cut_off))
        ]
        for each in strangers:
            each.start()
        try:
            for count in range(1, 101):
                gateway.publish(make_quote(last=str(count)))
                reader.read_until("quote_update", count)
            eventually_sync(lambda: min(cut_off) >= 3)
        finally:
            is_over.set()
            for each in strangers:
                each.join(scaled(10))


def test_trailers_are_no_headers() -> None:
    """
    1. A trusted proxy hands on wrong tokens; each request claims another client in its trailers.
    Result: the sixth is told to wait, as it is without trailers.
    """
    settings = {"token": TOKEN, "trusted_proxies": "127.0.0.0/8"}
    statuses = []
    with limited(**settings) as gateway:
        for number in range(8):
            with connect(gateway) as connection:
                statuses.append(
                    ask(
                        connection,
                        b"GET /status HTTP/1.1\r\nAuthorization: Bearer wrong\r\n"
                        + CHUNKED
                        + b"0\r\nX-Forwarded-For: 192.0.2.%d\r\n" % number
                        + b"X-Forwarded-Proto: https\r\nExpect: 100-continue\r\n\r\n",
                    )
                )
    assert statuses == [401] * 5 + [429] * 3


def test_a_request_after_trailers_has_none_of_them() -> None:
    request = b"GET /healthz HTTP/1.1\r\n" + CHUNKED + b"0\r\nHost: elsewhere\r\n\r\n"
    with limited(keep_alive_s=0.2) as gateway, connect(gateway) as connection:
        connection.sendall(request * 3)
        assert read_all(connection).count(b"HTTP/1.1 200 ") == 3


UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "two": b"Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
}


@pytest.mark.parametrize("pieces", [1, 2, 40])
@pytest.mark.parametrize("offer", UPGRADES)
def test_an_offer_to_upgrade_is_passed_over(
    offer: str, pieces: int, caplog: pytest.LogCaptureFixture
) -> None:
    """
    1. A client signs in and offers another protocol, as Java's does; a second request follows.
    Result: both are answered in HTTP/1.1, the first as its body says, and nothing is logged.
    """
    content = f"token={TOKEN}".encode()
    login = (
        b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + UPGRADES[offer] + b"Content-Length: "
        b"%d\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n" % len(content)
    ) + content
    request = login + HEAD + b"Connection: close\r\n\r\n"
    with limited(token=TOKEN) as gateway, connect(gateway) as connection:
        step = len(request) // pieces + 1
        for start in range(0, len(request), step):
            connection.sendall(request[start : start + step])
            time.sleep(0.002)  # so that the pieces arrive as such
        answer = read_all(connection)
    assert status_of(answer) == 303
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert b"HTTP/1.1 4" not in answer
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


def test_a_chunked_body_survives_an_offer_to_upgrade() -> None:
    content = f"token={TOKEN}".encode()
    login = (
        b"POST /login HTTP/1.1\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n" + UPGRADES["h2c"] + CHUNKED
    ) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    with limited(token=TOKEN, keep_alive_s=0.2) as gateway, connect(gateway) as connection:
        connection.sendall(login)
        assert status_of(read_all(connection)) == 303


def test_the_gateway_is_no_proxy() -> None:
    with limited() as gateway, connect(gateway) as connection:
        connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(read_all(connection)) == 501


@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"hello\r\n"]
)
def test_what_is_no_request_is_answered_and_not_logged(
    nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with limited() as gateway, connect(gateway) as connection:
        connection.sendall(nonsense)
        answer = read_all(connection)
    assert status_of(answer) == 400
    assert b"application/problem+json" in answer
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


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


@pytest.mark.parametrize(("excess", "status"), [(0, 200), (1, 414)])
def test_a_query_is_as_long_as_it_may_be(excess: int, status: int) -> None:
    with limited(max_query_bytes=300) as gateway:
        answer = get(f"{gateway.url}/healthz?x={'y' * (298 + excess)}")
        assert answer.status_code == status
        is_refused = answer.headers["content-type"] == "application/problem+json"
        assert is_refused is bool(excess)
