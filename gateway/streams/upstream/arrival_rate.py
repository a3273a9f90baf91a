"""How often something moves, and how long it may be silent by chance; pure.

From the share of moments in which it moved (two running means, the lower counts, so neither a burst
nor a lull deceives) follows how long a silence can be by chance. What is known for less than 15 s
is evaluated by the number of seconds in which it moved, so that a burst counts once: the longer it
was seen to move, the sooner its silence is a fault.
"""

from math import lgamma, log, log1p

MOMENT_S = 0.25
"""What one check covers; a symbol moved in it or did not."""

CHANCE = log(1e-9)
"""Logarithm of how improbable a silence must be: once a week with 500 busy symbols."""

FAST, SLOW = 1 / 32, 1 / 240
"""Weights of the newest moment: memories of 8 s and of a minute."""

MIN_MOMENTS = 60
"""What is known for less than 15 s is evaluated by seconds: a burst at its beginning deceives."""

MIN_SHARE = 1 / 8
"""Nor is what moves less than once in two seconds: the memories are too short to know its rate."""

EARLY_S = 10.0
"""No silence of what is known for less than 15 s is a fault before."""

EARLY_CAP_S = 300.0
"""When chance explains a longer silence so little is known that none is a fault: quotes come in
bursts, so what moved in fewer than four seconds may rest for minutes."""


class ArrivalRate:
    """How often something moves, learned from when it did."""

    __slots__ = (
        "_at_least_s",
        "_begun_s",
        "_fast",
        "_moments",
        "_second",
        "_seconds",
        "_slow",
        "has_come",
        "last_s",
        "limit_s",
    )

    def __init__(self, now_s: float, at_least_s: float) -> None:
        self._begun_s = now_s
        self._second = -1  # the newest in which it moved
        self._seconds = 0  # in how many it moved
        self.has_come = False
        """Whether anything has."""
        self.last_s = now_s
        """The last movement, or since when one is awaited."""
        self.limit_s = float("inf")
        """The longest silence that chance explains; never less than `at_least_s`."""
        self._at_least_s = at_least_s
        self._moments = 0
        self._fast = self._slow = 0.0

    @property
    def is_learned(self) -> bool:
        """Whether it is known for long enough to evaluate how often it moves."""
        return self._moments >= MIN_MOMENTS

    def answer(self, at_s: float) -> None:
        """Count silence from here: what answers a subscription need not move."""
        self.last_s = max(self.last_s, at_s)
        self.has_come = True

    def move(self, at_s: float) -> None:
        """Learn from a movement; movements within the same moment are one."""
        quiet = round((at_s - self.last_s) / MOMENT_S) - 1
        self.last_s = at_s
        self.has_come = True
        if quiet < 0:
            return
        self._fast = self._learn(self._fast, quiet, FAST)
        self._slow = self._learn(self._slow, quiet, SLOW)
        self._moments += quiet + 1
        # What moved in every moment known may yet be quiet in the next: Laplace's rule.
        share = min(self._fast, self._slow, 1 - 1 / (self._moments + 2))
        if not self.is_learned:
            self._learn_early(at_s)
        elif share >= MIN_SHARE:
            self.limit_s = max(self._at_least_s, CHANCE / log1p(-share) * MOMENT_S)
        else:
            self.limit_s = float("inf")

    def _learn_early(self, at_s: float) -> None:
        second = int(at_s - self._begun_s)
        if second > self._second:
            self._second = second
            self._seconds += 1
            limit_s = find_early_limit_s(self._seconds, second + 1)
            self.limit_s = max(self._at_least_s, EARLY_S, limit_s)

    def _learn(self, share: float, quiet: int, weight: float) -> float:
        """The mean after so many quiet moments and one with a movement."""
        moments = self._moments + quiet + 1
        if moments * weight < 1:  # a plain mean, until the memory is full
            return (share * self._moments + 1) / moments
        return share * (1 - weight) ** (quiet + 1) + weight

    def is_silent(self, now_s: float) -> bool:
        """Whether it has been silent for longer than chance explains."""
        return now_s - self.last_s > self.limit_s


def find_early_limit_s(moved: int, known: int) -> float:
    """Return the longest silence by chance after movements in `moved` of `known` seconds.

    Every rate is held for equally likely before (Laplace). Infinity beyond `EARLY_CAP_S`.
    """
    rest = known - moved

    def chance(quiet_s: float) -> float:
        """The logarithm of how probable so many more quiet seconds are."""
        lost = lgamma(rest + quiet_s + 1) - lgamma(known + quiet_s + 2)
        return lost - lgamma(rest + 1) + lgamma(known + 2)

    if chance(EARLY_CAP_S) > CHANCE:
        return float("inf")
    low, high = 0.0, EARLY_CAP_S
    while high - low > MOMENT_S:
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) > CHANCE else (low, middle)
    return high
