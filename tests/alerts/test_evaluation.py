"""All alerts together fire what each alone would, at the same values, and nothing else."""

import time
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.evaluation import Evaluator
from gateway.alerts.rule import Condition, Rule
from gateway.alerts.states import Fired, State, lose, observe
from tests.alerts.test_states import DAY, make_rule, rules

KEY, FIELD = "quote_update:SPY", "last"


def test_an_alert_fires_and_comes_back() -> None:
    evaluator = Evaluator()
    evaluator.add("a", make_rule())
    assert evaluator.fields(KEY) == {FIELD}
    assert evaluator.update(KEY, "bid", Decimal(101), 0, DAY) == []
    assert evaluator.update(KEY, FIELD, Decimal(99), 0, DAY)[0].state.phase == "armed"
    (outcome,) = evaluator.update(KEY, FIELD, Decimal(101), 1, DAY)
    assert (outcome.id, outcome.fired) == ("a", Fired(1, Decimal(101), 1))
    assert evaluator.update(KEY, FIELD, Decimal(102), 2, DAY) == []
    (outcome,) = evaluator.update(KEY, FIELD, None, 3, DAY)
    assert outcome.state.is_blind
    assert evaluator.update(KEY, FIELD, None, 4, DAY) == []
    evaluator.remove("a")
    evaluator.remove("a")
    assert evaluator.fields(KEY) == set()


def test_a_state_that_was_kept_goes_on() -> None:
    evaluator = Evaluator()
    evaluator.add("a", make_rule(), State(phase="armed", arm=7))
    (outcome,) = evaluator.update(KEY, FIELD, Decimal(101), 1, DAY)
    assert outcome.fired == Fired(7, Decimal(101), 1, missed=True)


def test_time_fires() -> None:
    evaluator = Evaluator()
    evaluator.add("a", make_rule("above", for_s=5))
    evaluator.update(KEY, FIELD, Decimal(99), 0, DAY)
    assert evaluator.next_due_ms() is None
    evaluator.update(KEY, FIELD, Decimal(101), 1000, DAY)
    assert evaluator.next_due_ms() == 6000
    assert evaluator.advance(5999, DAY) == []
    (outcome,) = evaluator.advance(6000, DAY)
    assert outcome.fired == Fired(1, Decimal(101), 6000)
    assert evaluator.next_due_ms() is None
    assert evaluator.state("a").phase == "waiting"


@given(
    st.lists(rules(), min_size=1, max_size=8),
    st.lists(st.none() | st.integers(94, 106).map(Decimal), max_size=40),
    st.integers(1, 15),
)
def test_together_as_alone(
    given_rules: list[Rule], values: list[Decimal | None], days_of: int
) -> None:
    evaluator = Evaluator()
    alone = dict[str, State]()
    for number, rule in enumerate(given_rules):
        evaluator.add(str(number), rule)
        alone[str(number)] = State()
    for step, value in enumerate(values):
        at_ms, day = step * 1000, DAY + timedelta(days=step // days_of)
        together = {
            each.id: each.fired
            for each in [
                *evaluator.advance(at_ms - 1, day),
                *evaluator.update(KEY, FIELD, value, at_ms, day),
                *evaluator.advance(at_ms, day),
            ]
            if each.fired is not None
        }
        expected = dict[str, Fired]()
        for id, state in alone.items():
            rule = given_rules[int(id)]
            if value is None:
                alone[id] = lose(rule, state, at_ms)
            else:
                alone[id], fired = observe(rule, state, value, at_ms, day)
                if fired is not None:
                    expected[id] = fired
        assert together == expected
        assert {id: evaluator.state(id) for id in alone} == alone


def test_ten_thousand_alerts_cost_next_to_nothing() -> None:
    evaluator = Evaluator()
    for number in range(10_000):
        value = Decimal(200) + Decimal(number) / 100
        evaluator.add(str(number), Rule(Condition(KEY, FIELD, "crosses_above", value)))
    evaluator.update(KEY, FIELD, Decimal("100.00"), 0, DAY)
    began_s = time.perf_counter()
    moves = 5000
    for number in range(moves):
        evaluator.update(KEY, FIELD, Decimal(100) + Decimal(number % 7) / 100, number, DAY)
    each_us = (time.perf_counter() - began_s) / moves * 1e6
    assert each_us < 1000, "looking at all of them takes 10,000 us"
    assert evaluator.state("0").phase == "armed"
