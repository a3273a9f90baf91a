"""Requests take turns, each kind at its own pace, on a clock that the test moves."""

import pytest

from gateway.clock import Clock
from gateway.errors import UpstreamError
from gateway.streams.upstream.budget import MAX_WAIT_S, RequestBudget


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def make_budget(time: Time) -> RequestBudget:
    clock = Clock(monotonic_s=lambda: time.now_s)
    return RequestBudget(None, clock=clock, sleep=time.sleep)  # type: ignore[arg-type]


async def test_the_first_of_a_kind_waits_for_nothing() -> None:
    time = Time()
    await make_budget(time).turn("positions")
    assert time.slept == []


async def test_a_kind_keeps_its_pace_and_holds_up_no_other() -> None:
    time = Time()
    budget = make_budget(time)
    for _ in range(3):
        await budget.turn("positions")
    assert time.slept == pytest.approx([1.05, 2.1])
    time.slept.clear()
    await budget.turn("quotes")
    assert time.slept == pytest.approx([0.063])  # the pace of all together
    await budget.turn("quotes")
    assert time.slept[1] == pytest.approx(0.063 + 0.525)


async def test_no_more_than_fifty_a_second_in_all() -> None:
    time = Time()
    budget = make_budget(time)
    for _ in range(51):
        await budget.turn("other")
    assert time.slept[-1] >= 1.0


async def test_a_turn_that_is_far_away_is_refused() -> None:
    time = Time()
    budget = make_budget(time)
    for _ in range(int(MAX_WAIT_S / 1.05) + 1):
        await budget.turn("balances")
    with pytest.raises(UpstreamError, match="wait for their turn"):
        await budget.turn("balances")
    assert max(time.slept) <= MAX_WAIT_S
    time.now_s += 100
    await budget.turn("balances")
