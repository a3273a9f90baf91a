"""Delays stay between 0 and their bound, which rises, rests, rises again and ends at 60 s."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.streams.backoff import CAP_S, INITIAL_S, PLATEAU_S, PLATEAU_TRIES, Backoff


def longest(low_s: float, high_s: float) -> float:
    assert low_s == 0.0  # full jitter
    return high_s


def test_the_schedule() -> None:
    backoff = Backoff(uniform=longest)
    bounds = [backoff.next_delay_s() for _ in range(PLATEAU_TRIES + 8)]
    assert bounds[:4] == [INITIAL_S, 0.5, 1.0, PLATEAU_S]
    assert set(bounds[3:PLATEAU_TRIES]) == {PLATEAU_S}
    assert bounds[PLATEAU_TRIES:] == [3.0, 6.0, 12.0, 24.0, 48.0, CAP_S, CAP_S, CAP_S]


def test_an_outage_of_seconds_is_met_with_many_tries() -> None:
    backoff = Backoff(uniform=lambda low_s, high_s: (low_s + high_s) / 2)
    assert 10 < sum(backoff.next_delay_s() for _ in range(PLATEAU_TRIES)) < 20


@given(
    initial_s=st.floats(0.001, 100),
    plateau_s=st.floats(0.001, 100),
    plateau_tries=st.integers(0, 50),
    cap_s=st.floats(0.001, 1000),
    failures=st.integers(0, 200) | st.integers(0, 10**12),
    seed=st.integers(),
)
@example(initial_s=1.0, plateau_s=10.0, plateau_tries=5, cap_s=2.0, failures=4, seed=0)
def test_every_delay_is_within_a_bound_that_never_falls(
    initial_s: float,
    plateau_s: float,
    plateau_tries: int,
    cap_s: float,
    failures: int,
    seed: int,
) -> None:
    backoff = Backoff(
        initial_s=initial_s,
        plateau_s=plateau_s,
        plateau_tries=plateau_tries,
        cap_s=cap_s,
        uniform=random.Random(seed).uniform,
    )
    backoff.failures = failures
    bound_s = backoff.bound_s()
    assert 0 < bound_s <= cap_s
    assert 0 <= backoff.next_delay_s() <= bound_s
    assert backoff.failures == failures + 1
    assert backoff.bound_s() >= bound_s


def test_only_reset_starts_over() -> None:
    backoff = Backoff()
    for _ in range(100):
        backoff.next_delay_s()
    assert backoff.bound_s() == CAP_S
    backoff.reset()
    assert (backoff.failures, backoff.bound_s()) == (0, INITIAL_S)


def test_delays_are_spread() -> None:
    delays = set()
    for _ in range(50):
        backoff = Backoff()
        backoff.failures = 1000
        delays.add(round(backoff.next_delay_s()))
    assert len(delays) > 10
    assert max(delays) == pytest.approx(30, abs=30)
