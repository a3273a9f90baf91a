"""Time for views: a tick so many times a second while it is wanted, done in slices."""

import asyncio
from collections.abc import Callable, Iterator

TICK_S = 0.25
"""Four renderings a second: more costs the browser and tells the eye nothing."""

SLICE_S = 0.004
"""After so much rendering and writing, others have their turn."""


class Ticker:
    """Calls `work` with the number of each tick, and does what it yields in slices.

    The next tick is due when this one began plus `tick_s`; one that takes longer delays it.
    """

    def __init__(
        self, work: Callable[[int], Iterator[None]], is_wanted: Callable[[], bool], tick_s: float
    ) -> None:
        self.tick_s = tick_s
        self._work = work
        self._is_wanted = is_wanted
        self._tick = 0
        self._due_s = 0.0
        self._timer: asyncio.Handle | None = None

    @property
    def is_running(self) -> bool:
        """Whether a tick is due or being done."""
        return self._timer is not None

    def start(self) -> int:
        """The number of the present tick; from now on one follows the other."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._tick += 1
            self._due_s = loop.time() + self.tick_s
            self._timer = loop.call_at(self._due_s, self.begin)
        return self._tick

    def stop_if_unwanted(self) -> None:
        """Nothing ticks for nobody."""
        if self._timer and not self._is_wanted():
            self._timer.cancel()
            self._timer = None

    def finish(self) -> None:
        """Do a whole tick at once."""
        self._tick += 1
        for _ in self._work(self._tick):
            pass

    def begin(self) -> None:
        """Do a tick."""
        loop = asyncio.get_running_loop()
        self._tick += 1
        self._due_s = max(loop.time(), self._due_s + self.tick_s)
        self._continue(self._work(self._tick))

    def _continue(self, work: Iterator[None]) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + SLICE_S
        for _ in work:
            if loop.time() >= end_s:
                self._timer = loop.call_soon(self._continue, work)
                return
        self._timer = loop.call_at(self._due_s, self.begin)
        self.stop_if_unwanted()
