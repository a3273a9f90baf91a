"""The listening socket and its options, logging setup, and uvicorn with an orderly end."""

import asyncio
import errno
import gc
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from gateway.errors import ConfigurationError
from gateway.server.http_protocol import Connection, Limits
from gateway.settings import Settings
from gateway.web.auth.authenticator import Authenticator
from gateway.web.sse.direct import KeepRawSend

logger = logging.getLogger(__name__)

NOTSENT_LOWAT_BYTES = 32 * 1024
"""Unsent bytes that the kernel takes per connection: old prices must not pile up there."""

SEND_BUFFER_BYTES = 64 * 1024
"""Doubled by the kernel; without it a stopped reader swallowed 3.8 MB (measured on loopback)."""

USER_TIMEOUT_MS = 150_000
"""A peer that acknowledges nothing this long is dead; longer than a stream's own send time-out."""

BACKLOG = 2048

HARD_STOP_S = 1.5
"""After the drain: when even the upstreams' closing hangs, the process ends all the same."""

GC_THRESHOLDS = (10_000, 20, 50)
"""Records are acyclic (`gc=False`); rarer collections halve the cost of a connection (measured)."""

COLLECT_S = 60.0
"""Between full collections. By itself Python makes one when what lives long has grown by a quarter,
and here that is never: without this the rings that asyncio, anyio and uvicorn leave behind each
connection, some 10 KB, were kept for days."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

LOGGER_LEVELS = {
    "tastytrade": logging.WARNING,  # 13.2.3 logs bearer tokens at DEBUG, its default
    "httpx": logging.WARNING,  # whole URLs at INFO
    "httpx2": logging.WARNING,
    "httpcore": logging.INFO,
    "httpcore2": logging.INFO,
    "websockets": logging.INFO,  # frames at DEBUG
    "sse_starlette": logging.INFO,  # 3.7 logs every chunk at DEBUG, balances included
    "asyncio": logging.WARNING,
    "uvicorn": logging.WARNING,  # its start and stop lines repeat ours
    "uvicorn.access": logging.CRITICAL,  # paths with their queries
}

_BEARER = re.compile(r"(?i)\b(bearer\s+|token=|gw_[0-9a-f]{16}_|gateway=2\.)[^\s\"',;&]+")
"""Bearer tokens, those of viewers, login cookies: what no setting knows."""


class RedactingFormatter(logging.Formatter):
    """Hides bearer tokens and the configured secrets in whole lines, tracebacks included."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(LOG_FORMAT)
        found = sorted((each for each in secrets if each), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, found))) if found else None

    def format(self, record: logging.LogRecord) -> str:
        text = _BEARER.sub(r"\1[hidden]", super().format(record))
        return self._secrets.sub("[hidden]", text) if self._secrets else text


class _WithoutNoise(logging.Filter):
    """Drops uvicorn's complaint about streams that we end in mid-air: we have logged why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != "ASGI callable returned without completing response."


def set_up_logging(settings: Settings) -> None:
    """One format, to stderr; libraries that tell too much are kept quiet at every level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(settings.secrets))
    handler.addFilter(_WithoutNoise())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name, level in LOGGER_LEVELS.items():
        logging.getLogger(name).setLevel(level)


def open_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A listening socket whose connections buffer little and notice dead peers.

    Accepted connections inherit its options (Linux, tcp(7)). Of several that share one address
    the kernel gives each its part of the connections.

    Raises:
        ConfigurationError: when the address cannot be had.
    """
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):  # the latter from names that cannot be one: `a..b`
        raise ConfigurationError("HOST: there is no such address") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)  # `localhost` as most clients mean it
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in (
            ("TCP_NOTSENT_LOWAT", NOTSENT_LOWAT_BYTES),
            ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
        ):
            if hasattr(socket, option):  # not on every system
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConfigurationError("HOST: this machine has no such address") from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(
            f"PORT: cannot listen on {host}:{port}: {reason.lower()}"
        ) from None
    listener.setblocking(False)
    return listener


def format_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the gateway."""
    name = host.strip("[]")
    if name in {"0.0.0.0", "::"}:
        name = "127.0.0.1"
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class Server(uvicorn.Server):
    """uvicorn whose streams hear of a shutdown first, and whose end is not killed by a signal."""

    def __init__(
        self, app: Starlette, settings: Settings, *, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self.limits = Limits.of(settings)
        super().__init__(
            uvicorn.Config(
                KeepRawSend(app),
                # A class to uvicorn's types, though it only calls it.
                http=partial(Connection, limits=self.limits),  # type: ignore[arg-type]
                timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # it trusts all of this machine; see web.middleware.proxies
                timeout_graceful_shutdown=int(settings.drain_s) + 1,
                backlog=BACKLOG,
            )
        )
        self._app = app
        self._drain_s = settings.drain_s
        self._on_ready = on_ready
        self.has_failed = False
        app.state.on_crash = self._fail

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._collect_later()
        self._on_ready()

    def _collect_later(self) -> None:
        self._collecting = asyncio.get_running_loop().call_later(COLLECT_S, self._collect)

    def _collect(self) -> None:
        gc.collect()
        self._collect_later()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Last: whatever hangs, the process ends. A thread, because the loop may be what hangs.
        hard_stop = threading.Timer(self._drain_s + HARD_STOP_S, self._stop_hard)
        hard_stop.daemon = True
        hard_stop.start()
        # First: every stream says `bye` and ends; uvicorn would wait for them for ever.
        self._app.state.context.hub.close("shutdown")
        # Then: who has not read its `bye` by the end of the drain will not.
        loop = asyncio.get_running_loop()
        cut = loop.call_later(max(0.0, self._drain_s - 0.5), self._cut_connections)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()
            hard_stop.cancel()
            self._collecting.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Unlike uvicorn's own, which raises the signal again at the end: an orderly end is no
        # death by signal.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    def _fail(self) -> None:
        self.has_failed = True
        self.should_exit = True

    def _cut_connections(self) -> None:
        connections = list(self.server_state.connections)
        if connections:
            logger.info("closing %d connections that were not read to their end", len(connections))
        for connection in connections:
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()

    def _stop_hard(self) -> None:
        logger.error("something did not stop in time; ending all the same")
        os._exit(1)


def serve(
    app: Starlette,
    settings: Settings,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None] = lambda url: None,
    is_announced: bool = True,
) -> int:
    """The exit status after serving until SIGTERM or SIGINT; `on_ready` gets the address.

    `app` is from `gateway.app`, `listener` from `open_socket`, which fails faster than `app` is
    imported.
    """
    set_up_logging(settings)
    url = format_url(settings.host, listener.getsockname()[1])

    authenticator: Authenticator = app.state.authenticator

    def tell() -> None:
        if is_announced:
            announce(url, authenticator)
        on_ready(url)

    server = Server(app, settings, on_ready=tell)
    server.run(sockets=[listener])
    return 1 if server.has_failed or not server.started else 0


def announce(url: str, authenticator: Authenticator) -> None:
    """Tell a person at a terminal where the gateway is, and how to sign in."""
    sys.stderr.write(f"live on {url}\n")
    if authenticator.is_generated:
        sys.stderr.write(f"sign in once with {url}/login{authenticator.login_fragment()}\n")
    sys.stderr.flush()
