"""The proxy breaks connections as it says, and nothing else."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy, open_proxy
from tests.waiting import eventually_sync, scaled


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that gives back what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connected: socket.socket) -> None:
            with connected:
                try:
                    while piece := connected.recv(65_536):
                        connected.sendall(piece)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connected, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connected,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo_port: int) -> Iterator[Proxy]:
    with open_proxy(echo_port) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), scaled(5))


def receive(connected: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connected.recv(65_536)
        assert piece, found
        found += piece
    return found


def test_what_is_sent_comes_back_whole_in_slices_too(proxy: Proxy) -> None:
    text = bytes(range(256)) * 8
    proxy.weather.slice_bytes = 7
    with connect(proxy) as connected:
        connected.sendall(text)
        assert receive(connected, len(text)) == text
        assert (proxy.connections, proxy.accepted) == (1, 1)
    eventually_sync(lambda: proxy.connections == 0)


def test_a_cut_is_a_reset(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        for each in (one, other):
            each.sendall(b"x")
            receive(each, 1)
        assert proxy.cut() == 2
        for each in (one, other):
            with pytest.raises(ConnectionResetError):
                each.recv(1)


def test_a_black_hole_keeps_silent_and_then_gives_back_what_waited(proxy: Proxy) -> None:
    with connect(proxy) as connected:
        connected.sendall(b"a")
        assert receive(connected, 1) == b"a"
        proxy.swallow()
        connected.sendall(b"b")
        connected.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connected.recv(1)
        proxy.let_pass()
        connected.settimeout(scaled(5))
        assert receive(connected, 1) == b"b"


def test_refused_and_accepted_again(proxy: Proxy) -> None:
    proxy.weather.is_refusing = True
    # Sometimes the reset is there before `connect` has returned.
    with pytest.raises(ConnectionResetError), connect(proxy) as connected:
        connected.recv(1)
    proxy.weather.is_refusing = False
    with connect(proxy) as connected:
        connected.sendall(b"a")
        assert receive(connected, 1) == b"a"
