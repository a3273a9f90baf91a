"""A time that is not set under a running process."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock, SteadyWall, read_steady_s

moves = st.lists(st.tuples(st.sampled_from(["pass", "set"]), st.integers(-7200, 7200)), max_size=9)


@pytest.mark.fault(18)
@given(moves)
def test_only_passing_time_moves_it(moves: list[tuple[str, int]]) -> None:
    wall_s, steady_s, passed_s = 1_795_188_600, 50, 0
    clock = SteadyWall(Clock(wall_s=lambda: wall_s, steady_s=lambda: steady_s))
    for kind, seconds in moves:
        if kind == "pass":
            passed_s += abs(seconds)
            steady_s += abs(seconds)
            wall_s += abs(seconds)
        else:
            wall_s += seconds
        assert clock() == 1_795_188_600 + passed_s
    clock.resync()
    assert clock() == wall_s


def test_as_long_as_nobody_sets_it_it_is_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert abs(SteadyWall()() - time.time()) < 1
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    before_s = time.monotonic()
    assert before_s <= read_steady_s() <= time.monotonic()


def test_one_clock_has_one_time() -> None:
    clock = Clock(wall_s=lambda: 1_795_188_600.1239)
    assert clock.now_ms() == 1_795_188_600_123
    assert clock.now().isoformat() == "2026-11-20T15:30:00.123900+00:00"
