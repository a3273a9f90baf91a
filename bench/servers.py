"""Starting the servers that are compared, each on its core, and stopping them again."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import msgspec

from bench.process import family
from bench.publish import Order

START_S = 20.0

SEND_TIMEOUT_S = "20"
"""The default is longer than a run; a stalled client shall be given up in one."""

TOKEN = "only-for-the-benchmark"

MESSAGES_KEPT = 20_000
"""nchan's history: enough for every pause of the workloads that resume."""

NGINX_MODULE = "ngx_nchan_module.so"
_MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")

_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
load_module {module};
worker_processes 1;
worker_rlimit_nofile {files};
{user}
events {{ worker_connections {files}; use epoll; multi_accept on; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/pub/(\\w+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length {kept};
            nchan_message_timeout 300s;
        }}
        location = /events {{
            nchan_subscriber eventsource;
            nchan_channel_id $arg_channels;
            nchan_channel_id_split_delimiter ",";
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


class Missing(Exception):
    """A server cannot be run here; the message says what it needs."""


@dataclass
class Server:
    """A running server: where it listens, what it costs, and how to have it publish."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    publisher: "subprocess.Popen[bytes]"
    opened_by: bytes
    """What ends the beginning of a stream; what comes before is no delivery."""
    has_snapshot: bool
    query: Callable[[list[str] | None], str] = field(repr=False)

    @property
    def pids(self) -> list[int]:
        """All processes whose time and memory are the server's."""
        return family(self.process.pid)

    @property
    def publisher_pids(self) -> list[int]:
        """The publisher's, where it is no part of the server."""
        return [] if self.publisher is self.process else [self.publisher.pid]

    @property
    def reports(self) -> IO[bytes]:
        """Where a line comes for each order that is done."""
        assert self.publisher.stdout is not None
        return self.publisher.stdout

    def order(self, order: Order) -> None:
        """Have it publish; the report comes later."""
        assert self.publisher.stdin is not None
        self.publisher.stdin.write(msgspec.json.encode(order) + b"\n")
        self.publisher.stdin.flush()

    def read_metrics(self, name: str) -> list[str]:
        """The lines of this metric; none where a server has no metrics."""
        if self.name != "gateway":
            return []
        answer = httpx.get(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
        )
        return [line for line in answer.text.splitlines() if line.startswith(name)]

    def request(
        self, symbols: list[str] | None, last_event_id: str | None = None, path: str | None = None
    ) -> bytes:
        """What a client sends to open a stream."""
        resume = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
        return (
            f"GET {path or self.query(symbols)} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Accept: text/event-stream\r\nAuthorization: Bearer {TOKEN}\r\n{resume}\r\n"
        ).encode()


@contextmanager
def open_server(
    name: str, *, symbols: int, cores: tuple[set[int], set[int]], tick_ms: float = 10
) -> Iterator[Server]:
    """A server that listens, pinned to the first set of cores.

    Raises:
        Missing: when it is not installed.
    """
    if name == "nchan":
        with _open_nchan(symbols, cores) as server:
            yield server
        return
    environment = os.environ | {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "GATEWAY_TOKEN": TOKEN,
        "GATEWAY_TICK_MS": f"{tick_ms:g}",
        "GATEWAY_MAX_STREAMS": "20000",
        "GATEWAY_MAX_CONNECTIONS": "40000",
        "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "40000",
        "GATEWAY_LOG_LEVEL": "WARNING",
        "GATEWAY_DRAIN_S": "0.5",
        "GATEWAY_SEND_TIMEOUT_S": SEND_TIMEOUT_S,
    }
    process = _start(
        [sys.executable, "-m", f"bench.{name}_server", str(symbols)], cores[0], environment
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start")
        yield Server(
            name,
            json.loads(line)["port"],
            process,
            process,
            opened_by=b'"type":"snapshot_end"' if name == "gateway" else b"\r\n\r\n",
            has_snapshot=name == "gateway",
            query=lambda wanted: "/events" + (f"?symbols={','.join(wanted)}" if wanted else ""),
        )
    finally:
        _stop(process)


def run_pinned(arguments: list[str], cores: set[int]) -> bytes:
    """What a module prints, run to its end on these cores."""
    process = _start([sys.executable, "-m", *arguments], cores, dict(os.environ))
    try:
        assert process.stdout is not None
        return process.stdout.read()
    finally:
        _stop(process)


def find_nchan() -> tuple[str, str]:
    """nginx and the module's file.

    Raises:
        Missing: when there is none.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    modules = [path for each in _MODULE_FOLDERS if (path := Path(each) / NGINX_MODULE).exists()]
    if nginx is None or not modules:
        raise Missing("nginx with nchan is not installed (Debian: nginx, libnginx-mod-nchan)")
    return nginx, str(modules[0])


@contextmanager
def _open_nchan(symbols: int, cores: tuple[set[int], set[int]]) -> Iterator[Server]:
    nginx, module = find_nchan()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bench-nchan-") as folder:
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(
            _NGINX.format(
                folder=folder,
                module=module,
                files=16_384,
                port=port,
                kept=MESSAGES_KEPT,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        process = _start(
            [nginx, "-p", folder, "-c", str(configuration)], cores[0], dict(os.environ)
        )
        publisher = None
        try:
            _wait_for_port(port, process, Path(folder, "error.log"))
            channels = symbols if symbols > MIXED_SYMBOLS else 1
            command = [sys.executable, "-m", "bench.nchan_publisher"]
            command += map(str, (symbols, port, channels))
            publisher = _start(command, cores[1], dict(os.environ))
            assert publisher.stdout is not None
            publisher.stdout.readline()
            yield Server(
                "nchan",
                port,
                process,
                publisher,
                opened_by=b"\r\n\r\n",
                has_snapshot=False,
                query=lambda wanted: f"/events?channels={','.join(wanted or ['all'])}",
            )
        finally:
            if publisher is not None:
                _stop(publisher)
            _stop(process)


MIXED_SYMBOLS = 100
"""More symbols than this are a channel each in nchan, of which a client follows some."""


def _start(
    command: list[str], cores: set[int], environment: dict[str, str]
) -> "subprocess.Popen[bytes]":
    # The child inherits where this thread may run, from its first instruction on.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    finally:
        os.sched_setaffinity(0, before)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        for pid in reversed(family(process.pid)):
            os.kill(pid, 9)
        process.wait(5)


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else ''}")
