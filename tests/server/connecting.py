"""Bare connections to a gateway, byte by byte."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.waiting import scaled
from tests.web.running import (
    Running,
    make_settings,
    open_gateway,
)

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
