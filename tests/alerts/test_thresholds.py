"""Sorted thresholds find what a look at every alert would find."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.rule import Condition, Rule
from gateway.alerts.thresholds import Thresholds

prices = st.integers(90, 110).map(Decimal)


def make_rule(value: Decimal, is_rising: bool = True, band: int = 2) -> Rule:
    condition = Condition("quote_update:SPY", "last", "above" if is_rising else "below", value)
    return Rule(condition, band=Decimal(band))


def test_alerts_come_and_go() -> None:
    thresholds = Thresholds()
    thresholds.add("a", make_rule(Decimal(100)))
    thresholds.add("b", make_rule(Decimal(100)))
    thresholds.add("a", make_rule(Decimal(200)))
    assert thresholds.find(Decimal(99), Decimal(100)) == ["b"]
    assert thresholds.find(Decimal(250), Decimal(190)) == ["a"]
    thresholds.remove("b")
    thresholds.remove("b")
    assert thresholds.find(Decimal(0), Decimal(150)) == []
    assert (len(thresholds), list(thresholds)) == (1, ["a"])


@given(st.lists(st.tuples(prices, st.booleans(), st.integers(0, 3))), prices, prices)
def test_nothing_is_overlooked(
    given_rules: list[tuple[Decimal, bool, int]], before: Decimal, after: Decimal
) -> None:
    thresholds = Thresholds()
    rules = {str(number): make_rule(*each) for number, each in enumerate(given_rules)}
    for id, rule in rules.items():
        thresholds.add(id, rule)
    low, high = sorted((before, after))
    expected = {
        id
        for id, rule in rules.items()
        if low <= rule.when.value <= high or low <= rule.return_point <= high
    }
    found = thresholds.find(before, after)
    assert set(found) == expected
    assert len(found) == len(expected)
