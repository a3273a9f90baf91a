"""Time that nobody sets under a running process: by hand, by NTP, or by a host that wakes up."""

import time
from collections.abc import Callable


def read_steady_s() -> float:
    """Seconds of a clock that only goes on, where possible also while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class SteadyWall:
    """The time as the wall clock had it once, moved on by a steady clock; call it for seconds."""

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = read_steady_s,
    ) -> None:
        self._wall_s = wall_s
        self._steady_s = steady_s
        self._offset_s = 0.0
        self.believe()

    def __call__(self) -> float:
        return self._offset_s + self._steady_s()

    def believe(self) -> None:
        """Take what the wall clock says now as right, whatever it said before."""
        self._offset_s = self._wall_s() - self._steady_s()
