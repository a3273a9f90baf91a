"""How often something moves, and how long it may be silent by chance."""

from math import comb, exp

import pytest

from gateway.streams.upstream.arrival_rate import (
    CHANCE,
    EARLY_CAP_S,
    EARLY_S,
    MIN_MOMENTS,
    MOMENT_S,
    ArrivalRate,
    find_early_limit_s,
)

NEVER_S = float("inf")


def move(rate: ArrivalRate, every_s: float, until_s: float) -> None:
    at_s = 0.0
    while at_s < until_s:
        rate.move(at_s)
        at_s += every_s


@pytest.mark.parametrize("moved", [4, 5, 8, 12, 15])
def test_the_early_limit_is_where_the_silence_becomes_too_improbable(moved: int) -> None:
    """Against the closed form for what moved in every second: one in so many choices."""
    limit_s = find_early_limit_s(moved, moved)
    assert 1 / comb(int(limit_s) + 1 + moved + 1, moved + 1) < exp(CHANCE)
    assert 1 / comb(int(limit_s) - 1 + moved + 1, moved + 1) > exp(CHANCE)


def test_the_longer_it_moved_the_sooner_its_silence_counts() -> None:
    limits = [find_early_limit_s(moved, moved) for moved in range(1, 16)]
    assert limits[:3] == [NEVER_S] * 3, "a burst of three seconds proves no habit"
    assert limits == sorted(limits, reverse=True)
    assert limits[3] < EARLY_CAP_S
    assert find_early_limit_s(5, 15) > find_early_limit_s(5, 5)


def test_what_is_known_for_a_moment_has_no_limit_then_an_early_one_then_its_own() -> None:
    rate = ArrivalRate(0.0, 4.0)
    assert (rate.limit_s, rate.has_come) == (NEVER_S, False)
    move(rate, MOMENT_S, 2.0)
    assert (rate.limit_s, rate.has_come) == (NEVER_S, True)
    move(rate, MOMENT_S, 12.0)
    assert EARLY_S <= rate.limit_s < 40
    move(rate, MOMENT_S, MIN_MOMENTS * MOMENT_S + 20)
    assert 4.0 <= rate.limit_s < EARLY_S


def test_what_moves_rarely_may_rest() -> None:
    rate = ArrivalRate(0.0, 4.0)
    move(rate, 8.0, 600.0)
    assert rate.is_learned
    assert rate.limit_s == NEVER_S
    assert not rate.is_silent(10_000.0)


def test_an_answer_begins_the_silence_and_is_no_movement() -> None:
    rate = ArrivalRate(0.0, 4.0)
    rate.answer(3.0)
    rate.answer(2.0)
    assert (rate.last_s, rate.has_come, rate.limit_s) == (3.0, True, NEVER_S)
