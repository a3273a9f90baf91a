"""Requests take turns, each kind at its own pace, on a clock that the test moves."""

import asyncio

import pytest

from gateway.clock import Clock
from gateway.errors import UpstreamError
from gateway.streams.upstream.budget import MAX_WAIT_S, Kind, RequestBudget


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


def make_budget(time: Time) -> RequestBudget:
    clock = Clock(monotonic_s=lambda: time.now_s)
    return RequestBudget(None, clock=clock, sleep=time.sleep)  # type: ignore[arg-type]


async def take(budget: RequestBudget, kind: Kind) -> None:
    async with budget.turn(kind):
        pass


async def test_the_first_of_a_kind_waits_for_nothing() -> None:
    time = Time()
    await take(make_budget(time), "positions")
    assert time.slept == []


async def test_a_kind_keeps_its_pace_and_holds_up_no_other() -> None:
    time = Time()
    budget = make_budget(time)
    for _ in range(3):
        await take(budget, "positions")
    assert time.slept == pytest.approx([1.05, 1.05])
    time.slept.clear()
    await take(budget, "quotes")
    assert time.slept == []
    await take(budget, "quotes")
    assert time.slept == pytest.approx([0.525])


async def test_the_pace_begins_with_the_answer() -> None:
    """When the broker counted a request is not known: on a slow way it may be just before that."""
    time = Time()
    budget = make_budget(time)
    async with budget.turn("balances"):
        time.now_s += 0.7
    await take(budget, "balances")
    assert time.slept == pytest.approx([1.05])


async def test_turns_of_a_kind_come_one_after_the_other_in_order() -> None:
    budget = make_budget(Time())
    seen: list[int] = []

    async def ask(number: int) -> None:
        async with budget.turn("chains"):
            seen.append(number)
            await asyncio.sleep(0)
            assert seen[-1] == number

    await asyncio.gather(*map(ask, range(5)))
    assert seen == list(range(5))


async def test_a_failed_request_ends_its_turn() -> None:
    time = Time()
    budget = make_budget(time)
    with pytest.raises(RuntimeError):
        async with budget.turn("positions"):
            raise RuntimeError("no answer")
    await take(budget, "positions")
    assert time.slept == pytest.approx([1.05])


async def test_no_more_than_fifty_a_second_in_all() -> None:
    time = Time()
    budget = make_budget(time)
    for _ in range(51):
        await take(budget, "other")
    assert sum(time.slept) >= 1.0


async def test_a_turn_that_is_far_away_is_refused() -> None:
    budget, go_on = make_budget(Time()), asyncio.Event()

    async def ask() -> None:
        async with budget.turn("balances"):
            await go_on.wait()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(int(MAX_WAIT_S / 1.05) + 1):
            tasks.create_task(ask())
        await asyncio.sleep(0)
        with pytest.raises(UpstreamError, match="wait for their turn"):
            await take(budget, "balances")
        go_on.set()
    await take(budget, "balances")
