"""One alert, value by value: what never fires, what fires once, and what may fire again."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.rule import Condition, Operator, Rearm, Rule
from gateway.alerts.states import Fired, State, advance, due_ms, lose, observe

DAY, NEXT_DAY = date(2026, 11, 20), date(2026, 11, 23)


def make_rule(
    op: Operator = "crosses_above", rearm: Rearm = "cross", for_s: float = 0, band: str = "2"
) -> Rule:
    return Rule(
        Condition("quote_update:SPY", "last", op, Decimal(100)), for_s, rearm, band=Decimal(band)
    )


def run(rule: Rule, *values: float | str | None, state: State | None = None) -> list[str]:
    """What fires at these values, a second apart: `value` or `value missed`; `day` is the next."""
    state, day, said = state or State(), DAY, []
    for at_s, value in enumerate(values):
        if value == "day":
            day = NEXT_DAY
        elif value is None:
            state = lose(rule, state, at_s * 1000)
        else:
            state, fired = observe(rule, state, Decimal(str(value)), at_s * 1000, day)
            if fired is not None:
                said.append(f"{fired.value}{' missed' if fired.missed else ''}")
        # As after a restart.
        state = msgspec.json.decode(msgspec.json.encode(state), type=State)
    return said


@pytest.mark.parametrize(
    ("rule", "values", "said"),
    [
        (make_rule(), [101, 102, 103], []),  # the first value only sets the side
        (make_rule(), [None, 101, None, 102], []),
        (make_rule(), [99, 100], ["100"]),
        (make_rule(), [99, 101, 99, 101, 99, 101], ["101"]),  # within the band
        (make_rule(), [99, 101, 98, 101], ["101", "101"]),
        (make_rule(), [101, 99, 101], ["101"]),
        (make_rule(rearm="once"), [99, 101, 90, 101], ["101"]),
        (make_rule(rearm="daily"), [99, 101, 90, 101, "day", 90, 101], ["101", "101"]),
        (make_rule(rearm="daily"), [99, 101, "day", 102, 103], ["101"]),
        (make_rule("above", "daily"), [99, 101, 102, "day", 102, 103], ["101", "102"]),
        (make_rule(), [99, None, 101], ["101 missed"]),
        (make_rule(), [99, 101, None, 101], ["101"]),  # the same value is no new crossing
        (make_rule(), [99, 101, None, 97, None, 101], ["101", "101 missed"]),
        (make_rule("crosses_below"), [101, 99, 101, 99, 102, 99], ["99", "99"]),
        (make_rule("above", for_s=2), [99, 101, 101, 102], ["102"]),
        (make_rule("above", for_s=2), [99, 101, 99, 101, 101], []),
        (make_rule("above", for_s=2), [99, 101, None, 101, 101, 102], ["102"]),
        (make_rule("above", for_s=2), [101, 101, 101, 101], []),
    ],
)
def test_what_fires(rule: Rule, values: list[float | str | None], said: list[str]) -> None:
    assert run(rule, *values) == said


def test_time_alone_fires_what_holds() -> None:
    rule = make_rule("above", for_s=5)
    state, _ = observe(rule, State(), Decimal(99), 0, DAY)
    state, _ = observe(rule, state, Decimal(101), 1000, DAY)
    assert due_ms(rule, state) == 6000
    assert advance(rule, state, Decimal(101), 5999, DAY) == (state, None)
    after, fired = advance(rule, state, Decimal(101), 6000, DAY)
    assert fired == Fired(1, Decimal(101), 6000)
    assert due_ms(rule, after) is None
    blind = lose(rule, state, 2000)
    assert due_ms(rule, blind) is None
    assert advance(rule, blind, Decimal(101), 9000, DAY) == (blind, None)


def test_an_alert_expires() -> None:
    rule = msgspec.structs.replace(make_rule(), expires_at=datetime.fromtimestamp(5, UTC))
    state, _ = observe(rule, State(), Decimal(99), 4999, DAY)
    after, fired = observe(rule, state, Decimal(101), 5000, DAY)
    assert (after.phase, fired) == ("expired", None)
    assert lose(rule, state, 5000).phase == "expired"
    assert observe(rule, after, Decimal(99), 6000, DAY) == (after, None)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    op: Operator = draw(st.sampled_from(["crosses_above", "crosses_below", "above", "below"]))
    for_s = 0 if op.startswith("crosses") else draw(st.sampled_from([0, 2]))
    rearm: Rearm = draw(st.sampled_from(["once", "cross", "daily"]))
    return make_rule(op, rearm, for_s, draw(st.sampled_from(["0", "1", "3"])))


readings = st.lists(st.none() | st.integers(94, 106).map(Decimal), max_size=60)


@given(rules(), readings, st.integers(1, 20))
def test_what_always_holds(rule: Rule, values: list[Decimal | None], days_of: int) -> None:
    state, arms = State(), list[int]()
    seen: list[Decimal] = []
    last_fired: int | None = None
    fired_on: date | None = None
    for at_s, value in enumerate(values):
        day = date(2026, 11, 2 + at_s // days_of % 28) if at_s < 28 * days_of else DAY
        if value is None:
            state = lose(rule, state, at_s * 1000)
            continue
        state, fired = observe(rule, state, value, at_s * 1000, day)
        seen.append(value)
        if fired is None:
            continue
        assert len(seen) > 1, "the first value never fires"
        assert rule.is_met(value)
        assert fired.arm not in arms
        arms.append(fired.arm)
        if last_fired is None:
            assert any(not rule.is_met(each) for each in seen[:-1]), "it came from elsewhere"
        elif rule.rearm == "cross" or rule.when.is_cross:
            assert any(rule.is_back(each) for each in seen[last_fired:]), "it was back before"
        if fired_on is not None and rule.rearm == "daily":
            assert day > fired_on
        last_fired, fired_on = len(seen), day
    assert arms == sorted(arms)
    assert rule.rearm != "once" or len(arms) <= 1
