"""All alerts together: what a value, a silence or the time makes of them; pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial

import msgspec

from gateway.alerts.rule import Rule
from gateway.alerts.states import Fired, State, Step, advance, due_ms, lose, observe
from gateway.alerts.thresholds import Thresholds

Figure = tuple[str, str]
"""The key of a record, and the name of a field in it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An alert whose state is another now; what fired must be kept together with it."""

    id: str
    state: State
    fired: Fired | None = None


@dataclass(slots=True)
class _Watch:
    """A figure that alerts are on; `value` is None while it is not known."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    value: Decimal | None = None
    day: date | None = None
    fresh: set[str] = field(default_factory=set)
    """Alerts that have not seen a value since they were added or the figure was lost."""


class Evaluator:
    """Knows every alert's rule and state; outcomes come in the order in which they happened.

    An alert that is over is left out of everything, and stays until it is removed.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._states: dict[str, State] = {}
        self._watches: dict[Figure, _Watch] = {}
        self._holding: set[str] = set()

    def add(self, id: str, rule: Rule, state: State | None = None) -> None:
        """Add an alert, with the state that was kept of it; one of the same id is replaced.

        Nobody looked since the state was kept, so what was crossed meanwhile will have been missed.
        """
        self.remove(id)
        self._rules[id] = rule
        if state is not None:
            state = msgspec.structs.replace(state, is_blind=True, held_since_ms=None)
        self._states[id] = state or State()
        watch = self._watches.setdefault((rule.when.key, rule.when.field), _Watch())
        watch.thresholds.add(id, rule)
        watch.fresh.add(id)
        self._note(id)

    def remove(self, id: str) -> None:
        """Take an alert out, if it is there."""
        rule = self._rules.pop(id, None)
        if rule is None:
            return
        del self._states[id]
        self._holding.discard(id)
        figure = (rule.when.key, rule.when.field)
        watch = self._watches[figure]
        watch.thresholds.remove(id)
        watch.fresh.discard(id)
        if not watch.thresholds:
            del self._watches[figure]

    def state(self, id: str) -> State:
        """Return the state of an alert."""
        return self._states[id]

    def fields(self, key: str) -> set[str]:
        """Return the fields of a record that alerts are on."""
        return {field for each, field in self._watches if each == key}

    def update(
        self, key: str, field: str, value: Decimal | None, at_ms: int, day: date
    ) -> list[Outcome]:
        """Return what a value makes of the alerts on it; None for one that nobody may rely on."""
        watch = self._watches.get((key, field))
        if watch is None:
            return []
        before, watch.value = watch.value, value
        if value is None:
            if before is None and not watch.fresh:
                return []
            watch.fresh = set(watch.thresholds)
            return self._apply(watch.fresh, lambda rule, state: (lose(rule, state, at_ms), None))
        # What is met daily fires on a day without crossing anything.
        is_same_day, watch.day = watch.day == day, day
        if before is None or not is_same_day:
            concerned: Iterable[str] = list(watch.thresholds)
        else:
            found = watch.thresholds.find(before, value)
            concerned = dict.fromkeys([*found, *watch.fresh])
        watch.fresh = set()
        return self._apply(concerned, lambda rule, state: observe(rule, state, value, at_ms, day))

    def advance(self, at_ms: int, day: date) -> list[Outcome]:
        """Return what fires because its condition was met for long enough."""
        outcomes = []
        for id in sorted(self._holding):
            rule, state = self._rules[id], self._states[id]
            due = due_ms(rule, state)
            value = self._watches[rule.when.key, rule.when.field].value
            if due is not None and due <= at_ms and value is not None:
                outcomes += self._apply([id], partial(advance, value=value, at_ms=at_ms, day=day))
        return outcomes

    def next_due_ms(self) -> int | None:
        """Return when `advance` must be called next; None when nothing waits for the time."""
        dues = (due_ms(self._rules[id], self._states[id]) for id in self._holding)
        return min((due for due in dues if due is not None), default=None)

    def _apply(self, ids: Iterable[str], step: Callable[[Rule, State], Step]) -> list[Outcome]:
        outcomes = []
        for id in list(ids):
            before = self._states[id]
            if before.is_over:
                continue
            after, fired = step(self._rules[id], before)
            if after != before:
                self._states[id] = after
                self._note(id)
                outcomes.append(Outcome(id, after, fired))
        return outcomes

    def _note(self, id: str) -> None:
        if self._states[id].phase == "holding":
            self._holding.add(id)
        else:
            self._holding.discard(id)
