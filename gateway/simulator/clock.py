"""The one clock of a simulator: it runs with the machine's, from an instant that a test chooses."""

import time


class Clock:
    """Epoch seconds that can be moved, and the steady seconds that time-outs are measured with."""

    def __init__(self) -> None:
        self._skew_s = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the simulated instant, in epoch seconds."""
        return self.at(time.monotonic())

    def at(self, steady_s: float) -> float:
        """Return the simulated instant of a steady one."""
        return steady_s + self._skew_s

    def move_to(self, now: float) -> None:
        """Go on from another instant."""
        self._skew_s = now - time.monotonic()

    def follow_machine(self) -> None:
        """Show the machine's time again."""
        self.move_to(time.time())

    @staticmethod
    def steady() -> float:
        """Return the steady seconds."""
        return time.monotonic()
