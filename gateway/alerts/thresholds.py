"""Which alerts a move concerns: the points of one figure, sorted; pure.

An alert can only change when the figure moves over its threshold or its return point, so that of
10,000 alerts a move looks at the few in between. Finding them is two bisections.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from decimal import Decimal

from gateway.alerts.rule import Rule


class Thresholds:
    """The points of all alerts on one figure of one record."""

    def __init__(self) -> None:
        self._points: list[tuple[Decimal, str]] = []
        self._rules: dict[str, Rule] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def add(self, id: str, rule: Rule) -> None:
        """Add an alert; one of the same id is replaced."""
        self.remove(id)
        self._rules[id] = rule
        for point in _points_of(rule):
            insort(self._points, (point, id))

    def remove(self, id: str) -> None:
        """Take an alert out, if it is there."""
        rule = self._rules.pop(id, None)
        if rule is not None:
            for point in _points_of(rule):
                del self._points[bisect_left(self._points, (point, id))]

    def find(self, before: Decimal, after: Decimal) -> list[str]:
        """Return the alerts with a point between two values, both included; each once."""
        low, high = min(before, after), max(before, after)
        begin = bisect_left(self._points, low, key=_value_of)
        end = bisect_right(self._points, high, key=_value_of)
        return list(dict.fromkeys(id for _, id in self._points[begin:end]))


def _points_of(rule: Rule) -> set[Decimal]:
    return {rule.when.value, rule.return_point}


def _value_of(point: tuple[Decimal, str]) -> Decimal:
    return point[0]
