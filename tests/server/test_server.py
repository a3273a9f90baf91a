"""The server: its socket, its logs, and its end, with real processes and real signals."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from gateway.errors import ConfigurationError
from gateway.server.server import format_url, open_socket
from tests.processes import clean_environment
from tests.waiting import eventually_sync, scaled
from tests.web.running import Reader, get, make_quote, open_gateway

MAX_EXIT_S = 6.0
MAX_LAG_S = 0.1

# A whole gateway without an upstream: the hub is filled by its own task, the rest is real.
PROGRAM = """
import asyncio, sys
from decimal import Decimal
from gateway import server
from gateway.app import build_app, create_context
from gateway.settings import load_settings
from tests.web.running import make_quote, make_settings

settings = make_settings(port=0, tick_ms=10, drain_s=2, symbols=tuple(f"S{n}" for n in range(100)))
context = create_context(settings)

async def run_upstream():
    turn = 0
    while MODE != "crash" or turn < 3:
        turn += 1
        for symbol in settings.symbols:
            context.hub.publish(make_quote(symbol, str(turn)))
        await asyncio.sleep(0.02)
    raise RuntimeError("a bug in the upstream half")

async def hang():
    try:
        await run_upstream()
    finally:
        await asyncio.sleep(3600)

MODE = sys.argv[1]
app = build_app(context, hang if MODE == "hang" else run_upstream)
sys.exit(server.serve(app, settings, server.open_socket("127.0.0.1", 0)))
"""


class Process:
    """A gateway in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.log: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            self.log.append(line)
            if line.startswith("live on "):
                break
        assert self.log, "ended without a word"
        assert self.log[-1].startswith("live on "), self.log
        self.url = self.log[-1].removeprefix("live on ").strip()
        self.port = int(self.url.rpartition(":")[2])
        self._drain = threading.Thread(target=self.log.extend, args=(process.stderr,))
        self._drain.start()

    def wait(self) -> int:
        """The exit status."""
        status = self.process.wait(scaled(MAX_EXIT_S))
        self._drain.join(scaled(5))
        return status


@contextmanager
def run_gateway(*command: str) -> Iterator[Process]:
    with subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.PIPE, text=True, env=clean_environment()
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


@pytest.mark.fault(21)
def test_sigterm_with_fifty_open_streams() -> None:
    """
    1. A gateway publishes 100 quotes every 20 ms.
    2. Fifty clients open `/events` and have their snapshot.
    3. SIGTERM.
    4. Every client reads to the end of its stream.
    Result: each stream ends with `bye` and a `retry_ms`, which are spread; exit status 0.
    """
    with run_gateway("-c", PROGRAM, "run") as gateway:
        readers = [Reader(gateway.port) for _ in range(50)]
        for reader in readers:
            reader.read_until("snapshot_end")
        # All at once: one after the other, the last would let the buffers in front of `bye` fill.
        with ThreadPoolExecutor(len(readers)) as threads, ExitStack() as sockets:
            for reader in readers:
                sockets.enter_context(reader)
            gateway.process.send_signal(signal.SIGTERM)
            for end in [threads.submit(reader.read_bytes_to_end) for reader in readers]:
                end.result()
            last = [reader.read_all()[-1] for reader in readers]
        assert {(each.event, each.data["reason"]) for each in last} == {("bye", "shutdown")}
        waits = {each.data["retry_ms"] for each in last}
        assert gateway.wait() == 0
        assert len(waits) > 25
        assert not [line for line in gateway.log if "ERROR" in line or "Traceback" in line]


@pytest.mark.fault(21)
def test_sigterm_with_a_client_that_has_stopped_reading() -> None:
    """
    1. A client opens `/events` with a small window and reads nothing, until all buffers are full.
    2. Another client reads on.
    3. SIGTERM.
    Result: the other has its `bye` at once; exit status 0 within the limit; nothing is an error.
    """
    with (
        run_gateway("-c", PROGRAM, "run") as gateway,
        Reader(gateway.port, buffer=2048) as stalled,
        Reader(gateway.port) as other,
    ):
        other.read_until("snapshot_end")
        # 100 quotes in 20 ms are 1 MB/s; the buffers hold less than half of one.
        other.wait_for(lambda: len(other.body) > 3_000_000)
        gateway.process.send_signal(signal.SIGTERM)
        assert other.read_all()[-1].event == "bye"
        assert gateway.wait() == 0
        assert not [line for line in gateway.log if "ERROR" in line or "Traceback" in line]
        assert [line for line in gateway.log if "closing 1 connections" in line]
        assert stalled.socket.fileno() >= 0


def test_sigint_ends_in_order_too() -> None:
    """
    1. A client opens `/events`.
    2. SIGINT, as Ctrl-C sends it.
    Result: the stream ends with `bye`; exit status 0; no traceback.
    """
    with run_gateway("-c", PROGRAM, "run") as gateway, Reader(gateway.port) as reader:
        reader.read_until("snapshot_end")
        gateway.process.send_signal(signal.SIGINT)
        assert reader.read_all()[-1].event == "bye"
        assert gateway.wait() == 0
        assert not [line for line in gateway.log if "Traceback" in line]


@pytest.mark.fault(19)
def test_an_upstream_half_that_crashes_ends_the_process_with_the_reason() -> None:
    """
    1. A client opens `/events`.
    2. The upstream half raises.
    Result: the stream ends with `bye`; the reason is logged; exit status 1.
    """
    with run_gateway("-c", PROGRAM, "crash") as gateway, Reader(gateway.port) as reader:
        assert reader.read_all()[-1].event == "bye"
        assert gateway.wait() == 1
        assert [line for line in gateway.log if "a bug in the upstream half" in line]


@pytest.mark.fault(21)
def test_an_upstream_half_that_will_not_end_is_left_behind() -> None:
    """
    1. The upstream half hangs in its closing.
    2. SIGTERM.
    Result: the process ends within the limit all the same, with status 1 and a line that says so.
    """
    with run_gateway("-c", PROGRAM, "hang") as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait() == 1
        assert [line for line in gateway.log if "did not stop in time" in line]


def test_streams_say_goodbye_under_any_server() -> None:
    """
    1. The application is served by plain uvicorn, not by our server.
    2. A client opens `/events`.
    3. SIGTERM.
    Result: the stream ends with `bye`.
    """
    program = """
import asyncio, sys, uvicorn
from gateway.app import build_app, create_context
from tests.web.running import idle, make_settings

context = create_context(make_settings())
config = uvicorn.Config(build_app(context, idle), port=0, log_level="info")
server = uvicorn.Server(config)
async def serve():
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    address = server.servers[0].sockets[0].getsockname()
    print(f"live on http://127.0.0.1:{address[1]}", file=sys.stderr, flush=True)
    await task
asyncio.run(serve())
"""
    with run_gateway("-c", program) as gateway, Reader(gateway.port) as reader:
        reader.read_until("snapshot_end")
        gateway.process.send_signal(signal.SIGTERM)
        assert reader.read_all()[-1].event == "bye"
        assert gateway.wait() == -signal.SIGTERM, "plain uvicorn's way"


def test_a_generated_token_is_shown_once_as_a_link() -> None:
    """
    1. A gateway with credentials and without GATEWAY_TOKEN starts.
    2. The token of the link is used as a bearer token.
    Result: it is the right one, and no log line has it.
    """
    program = """
import sys
from gateway import server
from gateway.app import build_app, create_context
from tests.web.running import idle, make_protected

settings = make_protected(log_level="DEBUG")
app = build_app(create_context(settings), idle)
sys.exit(server.serve(app, settings, server.open_socket("127.0.0.1", 0)))
"""
    with run_gateway("-c", program) as gateway:
        eventually_sync(lambda: len(gateway.log) >= 3)
        link = next(line.strip() for line in gateway.log if "/login#token=" in line)
        token = link.partition("#token=")[2]
        assert get(f"{gateway.url}/status").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert get(f"{gateway.url}/status", headers=headers).status_code == 200
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait() == 0
        assert sum(token in line for line in gateway.log) == 1


@pytest.mark.fault(8)
def test_a_stopped_reader_is_left_with_little_to_swallow() -> None:
    """The kernel's buffers and ours together stay below 256 KiB for a client that stops."""
    with open_gateway() as gateway:
        with Reader(gateway.port, buffer=4096) as reader:
            reader.read_until("snapshot_end")
            gateway.context.hub._log.max_lag_s = MAX_LAG_S
            begun_s = time.monotonic()
            for turn in range(300):
                gateway.publish(*(make_quote(f"S{number}", str(turn)) for number in range(50)))
            newest = gateway.context.hub.seq
            eventually_sync(lambda: time.monotonic() - begun_s > 2 * MAX_LAG_S)
            reader.read_until("gap")
            swallowed = reader.body.index(b"event: gap")
            reader.wait_for(lambda: (reader.frames[-1].id or "").endswith(f"-{newest}"))
            ids = [int(each.id.partition("-")[2]) for each in reader.frames if each.id]
        assert swallowed < 256 * 1024
        assert ids == sorted(set(ids))
        gateway.wait_for_streams(0)


def test_connections_inherit_the_options_of_the_socket() -> None:
    with open_socket("127.0.0.1", 0) as listener:
        client = socket.create_connection(listener.getsockname())
        listener.setblocking(True)
        connection, _ = listener.accept()
        with client, connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 128 * 1024
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 150_000
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                lowat = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
                assert lowat == 32 * 1024


def test_a_port_in_use_is_told_in_one_line() -> None:
    with open_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            open_socket("127.0.0.1", port)
    assert str(caught.value) == f"PORT: cannot listen on 127.0.0.1:{port}: address already in use"


@pytest.mark.parametrize("host", ["nowhere.invalid", "1.2.3.4.5", "a b", "a..b"])
def test_an_address_that_does_not_exist_is_told_in_one_line(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^HOST: there is no such address: "):
        open_socket(host, 0)


def test_an_address_of_another_machine_is_told_in_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"^HOST: this machine has no such address$"):
        open_socket("192.0.2.1", 0)


def test_localhost_is_the_address_that_most_clients_mean() -> None:
    with open_socket("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("[::1]", "http://[::1]:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("gateway.example", "http://gateway.example:80"),
    ],
)
def test_the_address_to_look_at(host: str, url: str) -> None:
    assert format_url(host, 80) == url
