"""Stages that are supervised: one that fails is started again, one that keeps failing is given up.

A bug, or an event that nobody thought of, must not cost more than the stage that met it. What the
network does is no failure of a stage; each stage deals with that itself.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import GatewayError

logger = logging.getLogger(__name__)

MAX_RESTARTS = 5
RESTARTS_WITHIN_S = 60.0
RESTART_S = 0.5
"""Before a stage is started again, unless it goes on with the next event."""


class StageFailed(GatewayError):
    """A stage failed again and again; only a person can mend it, so the process ends."""


class RestartLimiter:
    """Counts how often each stage was started again recently."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._at_s: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MAX_RESTARTS))

    def count(self, stage: str, error: Exception) -> None:
        """Count that a stage is started again because of this error.

        Raises:
            StageFailed: when that has happened too often.
        """
        now_s, at_s = self._clock.monotonic_s(), self._at_s[stage]
        if len(at_s) == MAX_RESTARTS and now_s - at_s[0] < RESTARTS_WITHIN_S:
            raise StageFailed(
                f"{stage} failed {MAX_RESTARTS + 1} times within {RESTARTS_WITHIN_S:.0f} s "
                f"({_name(error)})"
            ) from error
        at_s.append(now_s)


async def supervise(
    stage: str,
    run: Callable[[], Awaitable[None]],
    restarts: RestartLimiter,
    *,
    passes: tuple[type[Exception], ...] = (),
) -> None:
    """Run a stage until it ends by itself, is cancelled, or raises one of `passes`.

    Raises:
        StageFailed: when it cannot be kept alive.
    """
    while True:
        try:
            await run()
        except StageFailed:
            raise
        except passes:
            raise
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A group inside that failed in the same instant kept the failure and dropped the
                # cancellation (anyio 4.16); the stage would go on with a session that is closed.
                raise asyncio.CancelledError from error
            logger.exception("%s failed and is restarted", stage)
            restarts.count(stage, error)
        else:
            return
        await asyncio.sleep(RESTART_S)


def _name(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
