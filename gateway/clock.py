"""The time of one gateway, handed to everything that asks for it.

Nothing in `streams`, `pages` and `web` reads the machine's clocks by itself, so that a test can
step through a trading day and a recorded day can be played again.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime


def read_steady_s() -> float:
    """Return the seconds of a clock that only goes on, where possible also during sleep."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Clock:
    """Three readings of one time, in seconds.

    `monotonic_s` is for durations. `wall_s` is the date, which may be set while we run.
    `steady_s` goes on while the machine sleeps, and nobody sets it.
    """

    __slots__ = ("monotonic_s", "steady_s", "wall_s")

    def __init__(
        self,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = read_steady_s,
    ) -> None:
        self.monotonic_s = monotonic_s
        self.wall_s = wall_s
        self.steady_s = steady_s

    def now_ms(self) -> int:
        """Return the date in whole milliseconds since the epoch."""
        return int(self.wall_s() * 1000)

    def now(self) -> datetime:
        """Return the date as an aware time in UTC."""
        return datetime.fromtimestamp(self.wall_s(), UTC)


SYSTEM_CLOCK = Clock()
"""The machine's own clocks."""


class SteadyWall:
    """The date as the wall clock had it once, moved on by a steady clock; call it for seconds."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._offset_s = 0.0
        self.resync()

    def __call__(self) -> float:
        return self._offset_s + self._clock.steady_s()

    def resync(self) -> None:
        """Accept what the wall clock says now, whatever it said before."""
        self._offset_s = self._clock.wall_s() - self._clock.steady_s()
