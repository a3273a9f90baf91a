"""How often a wrong token may be tried, and from where."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.addresses import network_of as network_of
from gateway.clock import SYSTEM_CLOCK

MAX_FAILURES = 5
FAILURE_WINDOW_S = 300.0
MAX_ADDRESSES = 10_000
"""How many keys are remembered; the oldest give way."""


class TooManyTries(Exception):
    """Too many wrong tokens came from there; another try is allowed after `wait_s`."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


@dataclass(slots=True)
class LoginStats:
    """Counts tries to come in, by form and by bearer token alike, since the start."""

    wrong: int = 0
    """Tries with a token that is nobody's."""

    throttled: int = 0
    """Tries that were refused unread, because too many before them were wrong."""

    foreign: int = 0
    """Login forms refused because their Origin is not the Host they were sent to."""


class Throttle:
    """Counts failures by a key: at most `MAX_FAILURES` in `FAILURE_WINDOW_S`.

    Bounded by MAX_ADDRESSES keys. A restart forgets them.
    """

    def __init__(self, now_s: Callable[[], float] = SYSTEM_CLOCK.monotonic_s) -> None:
        self._now_s = now_s
        self._failures: dict[str, list[float]] = {}

    def wait_s(self, key: str) -> int:
        """Return the seconds until another try is allowed; 0 when it is now."""
        now_s = self._now_s()
        recent = [each for each in self._failures.get(key, ()) if each > now_s]
        if len(recent) < MAX_FAILURES:
            return 0
        return max(1, int(recent[-MAX_FAILURES] - now_s) + 1)

    def record(self, key: str) -> bool:
        """Remember one failure; return whether it is the first within the window."""
        now_s = self._now_s()
        recent = [each for each in self._failures.get(key, ()) if each > now_s]
        self._remember(key, [*recent, now_s + FAILURE_WINDOW_S])
        return not recent

    def hold_back(self, key: str, wait_s: float) -> None:
        """Allow no try for so long, because there were too many in other processes."""
        self._remember(key, [self._now_s() + wait_s] * MAX_FAILURES)

    def _remember(self, key: str, until_s: list[float]) -> None:
        self._failures.pop(key, None)
        self._failures[key] = until_s[-MAX_FAILURES:]
        while len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
