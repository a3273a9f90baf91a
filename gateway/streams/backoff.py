"""Delays between attempts: exponential with full jitter, reset only by success.

Pure: the caller sleeps. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015
("full jitter").
"""

import random
from collections.abc import Callable

INITIAL_S = 0.25
PLATEAU_S = 1.5
PLATEAU_TRIES = 20
"""Most cuts last seconds, and a trader looks at a stale page meanwhile: the first tries stay close
together (about 15 s of them), and only a long outage is met with long pauses."""
CAP_S = 60.0


class Backoff:
    """The next delay, uniform between 0 and a bound that doubles, rests on a plateau, then doubles
    again up to a cap."""

    def __init__(
        self,
        *,
        initial_s: float = INITIAL_S,
        plateau_s: float = PLATEAU_S,
        plateau_tries: int = PLATEAU_TRIES,
        cap_s: float = CAP_S,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._initial_s = initial_s
        self._plateau_s = plateau_s
        self._plateau_tries = plateau_tries
        self._cap_s = cap_s
        self._uniform = uniform
        self.failures = 0

    def bound_s(self) -> float:
        """The longest that the next delay can be, in seconds."""
        if self.failures < self._plateau_tries:
            # The exponents are bounded so that a week of failures does not overflow the float.
            bound_s = self._initial_s * 2.0 ** min(self.failures, 32)
            return min(self._cap_s, self._plateau_s, bound_s)
        over = min(self.failures - self._plateau_tries + 1, 32)
        return min(self._cap_s, self._plateau_s * 2.0**over)

    def next_delay_s(self) -> float:
        """Seconds to wait after one more failure."""
        bound_s = self.bound_s()
        self.failures += 1
        return self._uniform(0.0, bound_s)

    def reset(self) -> None:
        """Start over; call it when data has flowed, not when a connection was made."""
        self.failures = 0
