"""`gateway serve --workers N`: web processes that share one address, and who watches over them.

The parent opens a listening socket for each and keeps it: what connects while one is down waits
for the one that is started in its place. A worker ends when its standard input does, that is when
the parent is gone.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from gateway.redaction import install
from gateway.server.logs import set_up_logging
from gateway.server.parent_watch import end_with_stdin
from gateway.server.server import announce, format_url, open_socket, serve
from gateway.settings import Settings, load_settings
from gateway.web.auth.authenticator import create_authenticator

logger = logging.getLogger(__name__)

RESTART_S = (0.1, 2.0)
"""Between the end of a worker and its restart: the shorter, if it lived longer than the longer."""

STOP_S = 3.0
"""For a worker to end, after its drain."""


def supervise(settings: Settings, count: int) -> int:
    """The exit status after serving with so many workers until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: when the address cannot be had, or would be open to others.
    """
    authenticator = create_authenticator(settings)
    set_up_logging(settings)
    # First alone: an address that somebody else shares out is taken.
    with open_socket(settings.host, settings.port) as probe:
        port = probe.getsockname()[1]
    listeners = [open_socket(settings.host, port, is_shared=True) for _ in range(count)]
    environment = {**os.environ, "HOST": settings.host, "PORT": str(port)}
    if authenticator.is_generated and authenticator.token is not None:
        environment["GATEWAY_TOKEN"] = authenticator.token  # one for all
    try:
        family = _Family(settings, listeners, environment)
        return asyncio.run(
            family.run(lambda: announce(format_url(settings.host, port), authenticator))
        )
    finally:
        for listener in listeners:
            listener.close()


class _Family:
    """The workers, each with its own socket; restarted when they end by themselves."""

    def __init__(
        self, settings: Settings, listeners: list[socket.socket], environment: dict[str, str]
    ) -> None:
        self._stop_s = settings.drain_s + STOP_S
        self._listeners = listeners
        self._environment = environment
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self, on_ready: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with asyncio.TaskGroup() as tasks:
            ready = [asyncio.Event() for _ in self._listeners]
            for listener, event in zip(self._listeners, ready, strict=True):
                tasks.create_task(self._keep(listener, event), name="worker")
            telling = tasks.create_task(_tell(ready, on_ready), name="ready")
            await self._stopping.wait()
            telling.cancel()
        return self._status

    async def _keep(self, listener: socket.socket, ready: asyncio.Event) -> None:
        """Keep one worker alive until all are to stop."""
        while not self._stopping.is_set():
            begun_s = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway.server.workers", str(listener.fileno())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C is for us: we tell them in order
                env=self._environment,
            )
            assert process.stdout is not None
            if await process.stdout.readline():
                ready.set()
            await self._wait(process)
            if self._stopping.is_set():
                return
            if not ready.is_set():
                logger.error("a worker did not start; stopping")
                self._status = 1
                self._stopping.set()
                return
            logger.error("a worker ended with status %s; starting another", process.returncode)
            short_s, long_s = RESTART_S
            await self._pause(short_s if time.monotonic() - begun_s > long_s else long_s)

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        """Return when the worker has ended; it is asked to when all are to stop."""
        revoked = asyncio.create_task(process.wait(), name="worker's end")
        stopping = asyncio.create_task(self._stopping.wait(), name="worker's stop")
        await asyncio.wait([revoked, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not revoked.done():
            with suppress(ProcessLookupError):  # it ended in this moment
                process.send_signal(signal.SIGTERM)
            await asyncio.wait([revoked], timeout=self._stop_s)
        if not revoked.done():
            logger.error("a worker did not stop in time")
            process.kill()
        status = await revoked
        if self._stopping.is_set() and status != 0:
            self._status = 1

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return


async def _tell(ready: list[asyncio.Event], on_ready: Callable[[], None]) -> None:
    for each in ready:
        await each.wait()
    on_ready()


def work(descriptor: int) -> int:
    """The exit status of one worker, which serves on the socket that it was given."""
    from gateway.app import create_app

    settings = load_settings()
    end_with_stdin()

    def tell(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    with socket.socket(fileno=descriptor) as listener:
        return serve(create_app(settings), settings, listener, on_ready=tell, is_announced=False)


if __name__ == "__main__":
    install()
    sys.exit(work(int(sys.argv[1])))
