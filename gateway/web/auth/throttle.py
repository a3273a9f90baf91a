"""How often a wrong token may be tried, and from where."""

import time
from collections.abc import Callable

from gateway.addresses import network_of as network_of

MAX_FAILURES = 5
FAILURE_WINDOW_S = 300.0
MAX_ADDRESSES = 10_000
"""How many addresses are remembered; the oldest give way."""


class TooManyTries(Exception):
    """Too many wrong tokens came from there; another try is allowed after `wait_s`."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


class Throttle:
    """Counts failures by a key: at most `MAX_FAILURES` in `FAILURE_WINDOW_S`."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures: dict[str, list[float]] = {}

    def wait_s(self, key: str) -> int:
        """Seconds until another try is allowed; 0 when it is now."""
        now_s = self._now_s()
        recent = [each for each in self._failures.get(key, ()) if each > now_s]
        if len(recent) < MAX_FAILURES:
            return 0
        return max(1, int(recent[-MAX_FAILURES] - now_s) + 1)

    def record(self, key: str) -> None:
        """Remember one failure."""
        now_s = self._now_s()
        recent = [each for each in self._failures.get(key, ()) if each > now_s]
        self._remember(key, [*recent, now_s + FAILURE_WINDOW_S])

    def hold_back(self, key: str, wait_s: float) -> None:
        """Allow no try for so long, because there were too many elsewhere."""
        self._remember(key, [self._now_s() + wait_s] * MAX_FAILURES)

    def _remember(self, key: str, until_s: list[float]) -> None:
        self._failures.pop(key, None)
        self._failures[key] = until_s[-MAX_FAILURES:]
        while len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
