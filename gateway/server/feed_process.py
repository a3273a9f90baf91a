"""`gateway feed`: the upstream half in a process of its own; one is elected, others stand by."""

import asyncio
import logging
import signal
from collections.abc import Callable

from gateway.alerts.watcher import AlertWatcher
from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.server.logs import set_up_logging
from gateway.settings import Settings
from gateway.store.store import Store
from gateway.streams.backplane.election import Election, Source
from gateway.streams.backplane.questions import AnsweringSource
from gateway.streams.backplane.server import Backplane
from gateway.streams.demand import Demand
from gateway.streams.reports import UpstreamReport
from gateway.streams.upstream.upstream import create_upstream

logger = logging.getLogger(__name__)


def run(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> int:
    """Follow Tastytrade, or stand by, until SIGTERM or SIGINT; return the exit status."""
    set_up_logging(settings.log_level, settings.secrets)
    with asyncio.Runner(loop_factory=_choose_loop()) as runner:
        return runner.run(_lead(settings, clock))


class WatchedSource:
    """What publishes, and the alerts on what it publishes."""

    def __init__(self, source: Source, watcher: AlertWatcher) -> None:
        self._source = source
        self._watcher = watcher

    async def run(self) -> None:
        """Publish and watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watcher.run(), name="alerts")
            tasks.create_task(self._source.run(), name="upstream half")

    def report(self) -> UpstreamReport:
        """Return what `/status` shows of the source."""
        return self._source.report()


async def _lead(settings: Settings, clock: Clock) -> int:
    assert settings.redis_url is not None
    demand = Demand(
        settings.symbols,
        max_symbols=settings.max_symbols,
        linger_s=settings.linger_s,
        now_s=clock.monotonic_s,
    )
    backplane = Backplane(settings.redis_url.get_secret_value())
    store = Store(settings.store, clock=clock)
    election = Election(
        backplane,
        demand,
        lambda publisher: WatchedSource(
            AnsweringSource(create_upstream(settings, publisher, demand, clock=clock), backplane),
            AlertWatcher(store, publisher, demand, clock=clock),
        ),
        lease_s=settings.lease_s,
        clock=clock,
    )
    task = asyncio.current_task()
    assert task is not None
    is_asked = False

    def stop() -> None:
        nonlocal is_asked
        if is_asked:  # somebody is in a hurry
            task.cancel()
        is_asked = True
        election.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    logger.info("standing by")
    try:
        await election.run()
    except asyncio.CancelledError:
        logger.warning("stopped at the second signal, without waiting")
    except ExceptionGroup:
        logger.exception("the upstream half crashed; stopping")
        return 1
    finally:
        await backplane.close()
        await store.close()
    logger.info("stopped")
    return 0


def _choose_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every system
        return None
    return uvloop.new_event_loop
