"""`gateway serve --workers N`: web processes that share one address, and who watches over them.

The parent opens a listening socket for each and keeps it: what connects while one is down waits
for the one that is started in its place. A worker says on a pipe of its own that it is ready, and
ends when its standard input does, that is when the parent is gone.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.redaction import install
from gateway.server.children import Relay, command_for
from gateway.server.logs import set_up_logging
from gateway.server.parent_watch import exit_with_parent
from gateway.server.server import announce, format_url, open_socket, serve
from gateway.settings import Settings, load_settings
from gateway.web.auth.authenticator import create_authenticator

logger = logging.getLogger(__name__)

RESTART_S = (0.1, 2.0)
"""Between the end of a worker and its restart: the shorter, if it lived longer than the longer."""

STOP_S = 1.6
"""For a worker to end after its drain, before it is killed; by itself it ends a little sooner."""

DRAIN_OUTPUT_S = 0.2
"""For the last lines of the workers to be written."""

HURRY_S = 0.7
"""The same once somebody has asked twice."""


def supervise(settings: Settings, count: int) -> int:
    """Serve with so many workers until SIGTERM or SIGINT, and return the exit status.

    Raises:
        ConfigurationError: when the address cannot be had, or would be open to others.
    """
    authenticator = create_authenticator(settings.access)
    set_up_logging(settings.log_level, settings.secrets)
    # First alone: an address that somebody else shares out is taken.
    with open_socket(settings.host, settings.port) as probe:
        port = probe.getsockname()[1]
    listeners = [open_socket(settings.host, port, is_shared=True) for _ in range(count)]
    environment = {**os.environ, "HOST": settings.host, "PORT": str(port)}
    if authenticator.is_generated and authenticator.token is not None:
        environment["GATEWAY_TOKEN"] = authenticator.token  # one for all
    try:
        workers = Workers(settings, listeners, environment)
        return asyncio.run(
            workers.run(lambda: announce(format_url(settings.host, port), authenticator))
        )
    finally:
        for listener in listeners:
            listener.close()


class Workers:
    """The workers, each with its own socket; restarted when they end by themselves.

    Promises: after the first signal all of them are gone within the drain and `STOP_S`, whatever
    they do; after a second one within `HURRY_S`.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: list[socket.socket],
        environment: dict[str, str],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._stop_s = settings.drain_s + STOP_S
        self._listeners = listeners
        self._environment = environment
        self._clock = clock
        self._relay = Relay()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._status = 0

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Keep all workers alive until a signal, and return the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        async with asyncio.TaskGroup() as tasks:
            ready = [asyncio.Event() for _ in self._listeners]
            for listener, event in zip(self._listeners, ready, strict=True):
                tasks.create_task(self._keep(listener, event), name="worker")
            announcing = tasks.create_task(_call_when_ready(ready, on_ready), name="ready")
            await self._stopping.wait()
            announcing.cancel()
        self._relay.drain(DRAIN_OUTPUT_S)
        return self._status

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def _keep(self, listener: socket.socket, ready: asyncio.Event) -> None:
        """Keep one worker alive until all are to stop."""
        while not self._stopping.is_set():
            started_s = self._clock.monotonic_s()
            status = await self._run_one(listener, ready)
            if self._stopping.is_set():
                return
            if not ready.is_set():
                logger.error("a worker did not start; stopping")
                self._status = 1
                self._stopping.set()
                return
            logger.error("a worker ended with status %s; starting another", status)
            short_s, long_s = RESTART_S
            has_lived = self._clock.monotonic_s() - started_s > long_s
            await _wait_for(self._stopping, short_s if has_lived else long_s)

    async def _run_one(self, listener: socket.socket, ready: asyncio.Event) -> int:
        """Run one worker to its end; it is asked to end when all are to stop."""
        process, reading = self._start(listener)
        assert process.stdout is not None
        assert process.stdin is not None
        self._relay.follow(process.stdout)
        loop = asyncio.get_running_loop()

        def read_ready() -> None:
            loop.remove_reader(reading)
            if os.read(reading, 1):
                ready.set()

        loop.add_reader(reading, read_ready)
        ended = asyncio.create_task(asyncio.to_thread(process.wait), name="worker's end")
        try:
            return await self._wait(process, ended)
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            process.stdin.close()

    def _start(self, listener: socket.socket) -> "tuple[subprocess.Popen[bytes], int]":
        """Start a worker; return it and the pipe on which it says that it is ready."""
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                command_for(__name__, str(listener.fileno()), str(writing)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[listener.fileno(), writing],
                start_new_session=True,  # Ctrl-C is for us: we tell them in order
                env=self._environment,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return process, reading

    async def _wait(self, process: "subprocess.Popen[bytes]", ended: "asyncio.Task[int]") -> int:
        if not await _is_first(ended, self._stopping):
            _signal(process, signal.SIGTERM)
            await _is_first(ended, self._hurrying, self._stop_s)
        if not ended.done() and self._hurrying.is_set():
            _signal(process, signal.SIGTERM)
            await asyncio.wait([ended], timeout=HURRY_S)
        if not ended.done():
            logger.error("a worker did not stop in time")
            _signal(process, signal.SIGKILL)
        status = await ended
        if self._stopping.is_set() and status != 0:
            self._status = 1
        return status


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):  # it ended in this moment
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)  # what a page has started, too
        else:
            os.kill(process.pid, number)


async def _is_first(
    task: "asyncio.Task[int]", event: asyncio.Event, timeout_s: float | None = None
) -> bool:
    """Return whether the task is done, when it or the event is, or the time is over."""
    waiting = asyncio.create_task(event.wait(), name="event")
    await asyncio.wait([task, waiting], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return task.done()


async def _wait_for(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


async def _call_when_ready(ready: list[asyncio.Event], on_ready: Callable[[], None]) -> None:
    for each in ready:
        await each.wait()
    on_ready()


def work(listening: int, ready: int) -> int:
    """Serve on a socket that the parent has opened, and return the exit status.

    Both numbers are of open files; one byte is written to `ready` when requests are answered.
    """
    from gateway.app import create_app

    settings = load_settings()
    exit_with_parent()

    def tell_ready(url: str) -> None:
        os.write(ready, b"1")
        os.close(ready)

    with socket.socket(fileno=listening) as listener:
        app = create_app(settings)
        return serve(app, settings, listener, on_ready=tell_ready, is_announced=False)


if __name__ == "__main__":
    install()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(work(int(sys.argv[1]), int(sys.argv[2])))
