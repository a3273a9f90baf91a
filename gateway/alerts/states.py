"""What an alert knows between two values, and what a value makes of it; pure.

Only live values come here: of one that is unknown or stale, or whose market is closed, `lose` is
called, which neither arms nor fires. The first value only says on which side the figure is. What
was crossed while nothing was known fires with `missed`, because the side was kept.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from gateway.alerts.rule import Rule

Phase = Literal["new", "armed", "holding", "waiting", "done", "expired"]
"""new: no value yet. armed: the condition is not met, and firing is next. holding: it is met, and
must stay so for a while. waiting: it is met and may not fire before the figure was back. done: it
fired, once and for all. expired: its time was over."""


class State(msgspec.Struct, frozen=True):
    """What is kept of an alert; enough to go on after a restart."""

    phase: Phase = "new"
    arm: int = 1
    """The number of this arming; what fired is known by alert and arm, so that none fires twice."""
    is_blind: bool = False
    """Whether nothing is known of the figure at the moment."""
    held_since_ms: int | None = None
    has_fired: bool = False
    fired_on: date | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen any more."""
        return self.phase in ("done", "expired")


class Fired(msgspec.Struct, frozen=True):
    """That an alert fired; `missed`: it happened while nothing was known."""

    arm: int
    value: Decimal
    at_ms: int
    missed: bool = False


Step = tuple[State, Fired | None]


def observe(rule: Rule, state: State, value: Decimal, at_ms: int, day: date) -> Step:
    """Return what a live value makes of the state, and whether the alert fires.

    `day` is that of the market at this moment.
    """
    state = expire(rule, state, at_ms)
    if state.is_over:
        return state, None
    was_blind = state.is_blind
    state = msgspec.structs.replace(state, is_blind=False)
    is_met = rule.is_met(value)
    match state.phase:
        case "new":
            return msgspec.structs.replace(state, phase="waiting" if is_met else "armed"), None
        case "armed" if is_met:
            return _begin(rule, state, value, at_ms, day, missed=was_blind)
        case "holding" if not is_met:
            return msgspec.structs.replace(state, phase="armed", held_since_ms=None), None
        case "holding" if state.held_since_ms is None:
            # That it was met all the time cannot be proved, so the time begins again.
            return msgspec.structs.replace(state, held_since_ms=at_ms), None
        case "holding":
            return advance(rule, state, value, at_ms, day)
        case "waiting":
            return _wait(rule, state, value, at_ms, day)
    return state, None


def advance(rule: Rule, state: State, value: Decimal, at_ms: int, day: date) -> Step:
    """Return what the time makes of the state, at an unchanged live value."""
    state = expire(rule, state, at_ms)
    since_ms = state.held_since_ms
    if state.phase != "holding" or state.is_blind or since_ms is None:
        return state, None
    if at_ms - since_ms < rule.for_s * 1000:
        return state, None
    return _fire(rule, state, value, at_ms, day, missed=False)


def due_ms(rule: Rule, state: State) -> int | None:
    """Return when `advance` must be called if nothing else happens; None when never."""
    if state.phase != "holding" or state.is_blind or state.held_since_ms is None:
        return None
    return state.held_since_ms + int(rule.for_s * 1000)


def lose(rule: Rule, state: State, at_ms: int) -> State:
    """Return the state while the value is unknown or stale, or the market closed."""
    state = expire(rule, state, at_ms)
    if state.is_over or state.is_blind:
        return state
    return msgspec.structs.replace(state, is_blind=True, held_since_ms=None)


def expire(rule: Rule, state: State, at_ms: int) -> State:
    """Return the state with the rule's end applied."""
    if state.is_over or not rule.is_over(at_ms):
        return state
    return msgspec.structs.replace(state, phase="expired", held_since_ms=None)


def _begin(
    rule: Rule, state: State, value: Decimal, at_ms: int, day: date, *, missed: bool
) -> Step:
    if rule.for_s:
        return msgspec.structs.replace(state, phase="holding", held_since_ms=at_ms), None
    return _fire(rule, state, value, at_ms, day, missed=missed)


def _fire(rule: Rule, state: State, value: Decimal, at_ms: int, day: date, *, missed: bool) -> Step:
    fired = Fired(state.arm, value, at_ms, missed)
    after = msgspec.structs.replace(
        state,
        phase="done" if rule.rearm == "once" else "waiting",
        held_since_ms=None,
        has_fired=True,
        fired_on=day,
    )
    return after, fired


def _wait(rule: Rule, state: State, value: Decimal, at_ms: int, day: date) -> Step:
    """Return what a value makes of an alert that is met and may not fire."""
    if not state.has_fired:
        # It was met at the first sight: any way back makes the next crossing a real one.
        is_free = not rule.is_met(value)
        return msgspec.structs.replace(state, phase="armed") if is_free else state, None
    is_new_day = state.fired_on is None or day > state.fired_on
    if rule.rearm == "daily" and not is_new_day:
        return state, None
    armed = msgspec.structs.replace(state, phase="armed", arm=state.arm + 1, has_fired=False)
    if rule.is_back(value):
        return armed, None
    if rule.rearm == "daily" and not rule.when.is_cross and rule.is_met(value):
        # It is so on another day, which is what somebody wants to hear daily.
        return _begin(rule, armed, value, at_ms, day, missed=False)
    return state, None
