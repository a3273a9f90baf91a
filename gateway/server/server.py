"""The listening socket and its options, logging setup, and uvicorn with an orderly end."""

import asyncio
import errno
import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from gateway.errors import ConfigurationError
from gateway.redaction import reveal
from gateway.server.http_protocol import Connection, Limits
from gateway.server.logs import set_up_logging as set_up_logging
from gateway.settings import ServerSettings, Settings
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

HURRY_S = 0.5
"""After a second signal."""

HARD_STOP_S = 1.5
"""After the drain: when even the upstreams' closing hangs, the process ends all the same."""

GC_THRESHOLDS = (10_000, 20, 50)
"""Records are acyclic (`gc=False`); rarer collections halve the cost of a connection (measured)."""

COLLECT_S = 60.0
"""Between full collections. By itself Python makes one when what lives long has grown by a quarter,
and here that is never: without this the rings that asyncio, anyio and uvicorn leave behind each
connection, some 10 KB, were kept for days."""


def check_host(host: str) -> None:
    """Try whether the address exists, and is one of this machine's.

    Raises:
        ConfigurationError: one line with what to do.
    """
    family, *_, address = _find_addresses(host, 0)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            raise ConfigurationError(
                f"HOST: {host} is no address of this machine; {_REMEDY}"
            ) from None


_REMEDY = "unset HOST, which other tools set too, or give --host 127.0.0.1"

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


def _find_addresses(host: str, port: int) -> list[_Address]:
    try:
        found: Sequence[_Address] = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):  # the latter from names that cannot be one: `a..b`
        raise ConfigurationError(f"HOST: there is no such address: {host}; {_REMEDY}") from None
    # `localhost` as most clients mean it.
    return sorted(found, key=lambda each: each[0] != socket.AF_INET)


def open_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Return a listening socket whose connections buffer little and notice dead peers.

    Accepted connections inherit its options (Linux, tcp(7)). Of several that share one address
    the kernel gives each its part of the connections.

    Raises:
        ConfigurationError: when the address cannot be had.
    """
    family, kind, protocol, _, address = _find_addresses(host, port)[0]
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
        self,
        app: Starlette,
        settings: ServerSettings,
        *,
        on_ready: Callable[[], None] = lambda: None,
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
        self._is_signalled = False
        self._hard_stop: threading.Timer | None = None
        app.state.crash_listeners.append(self._fail)

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
        # Last: whatever hangs, the process ends.
        self._end_within(self._drain_s + HARD_STOP_S)
        # First: every stream says `bye` and ends; uvicorn would wait for them for ever.
        self._app.state.context.hub.close("shutdown")
        # Then: who has not read its `bye` by the end of the drain will not.
        loop = asyncio.get_running_loop()
        cut = loop.call_later(max(0.0, self._drain_s - 0.5), self._cut_connections)
        try:
            await super().shutdown(sockets)
            if (
                self.force_exit
            ):  # uvicorn then leaves the lifespan to be cancelled, with a traceback
                await self.lifespan.shutdown()
        finally:
            cut.cancel()
            if not self._is_signalled:
                self._cancel_hard_stop()
            self._collecting.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Unlike uvicorn's own, which raises the signal again at the end: an orderly end is no
        # death by signal.
        if self.should_exit:
            self.force_exit = True
            self._cancel_hard_stop()
            self._end_within(HURRY_S)
        else:
            # Now, and not when the loop gets to it: a page's code may be what it is stuck in.
            # It runs on after an orderly end: a thread that a page left behind would keep us.
            self._end_within(self._drain_s + HARD_STOP_S)
        self.should_exit = self._is_signalled = True

    def _end_within(self, delay_s: float) -> None:
        """Start the hard stop, unless it runs; a thread, because the loop may be what hangs."""
        if self._hard_stop is None:
            self._hard_stop = threading.Timer(delay_s, self._stop_hard)
            self._hard_stop.daemon = True
            self._hard_stop.start()

    def _cancel_hard_stop(self) -> None:
        if self._hard_stop is not None:
            self._hard_stop.cancel()
            self._hard_stop = None

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
        # From a thread of its own: what hangs may be the log.
        words = "something did not stop in time; ending all the same"
        telling = threading.Thread(target=logger.error, args=(words,), daemon=True)
        telling.start()
        telling.join(0.1)
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
    set_up_logging(settings.log_level, settings.secrets)
    url = format_url(settings.host, listener.getsockname()[1])

    authenticator: Authenticator = app.state.authenticator
    app.state.is_announced = True

    def tell() -> None:
        if is_announced:
            announce(url, authenticator)
        on_ready(url)

    server = Server(app, settings.server, on_ready=tell)
    server.run(sockets=[listener])
    return 1 if server.has_failed or not server.started else 0


def announce(url: str, authenticator: Authenticator) -> None:
    """Tell a person at a terminal where the gateway is, and how to sign in."""
    sys.stderr.write(f"live on {url}\n")
    if authenticator.is_generated:
        reveal(sys.stderr, f"sign in once with {url}/login{authenticator.login_fragment()}\n")
    sys.stderr.flush()
