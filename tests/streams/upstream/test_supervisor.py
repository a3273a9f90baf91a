"""A stage that fails is started again, and given up when it fails too often; in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from gateway.clock import Clock
from gateway.streams.upstream.supervisor import (
    MAX_RESTARTS,
    RESTART_S,
    RESTARTS_WITHIN_S,
    RestartLimiter,
    StageFailed,
    supervise,
)
from tests.streams.virtual_time import run


def failing(
    times: int, error: Exception, every_s: float = 0.0
) -> tuple[Callable[[], Awaitable[None]], list[float]]:
    """A stage that fails so many times and then ends; the instants of its starts."""
    begun_s: list[float] = []

    async def stage() -> None:
        begun_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(every_s)
        if len(begun_s) <= times:
            raise error

    return stage, begun_s


async def keep_it(stage: Callable[[], Awaitable[None]], **options: tuple[type[Exception]]) -> None:
    clock = Clock(monotonic_s=asyncio.get_running_loop().time)
    await supervise("the stage", stage, RestartLimiter(clock), **options)


def test_a_failing_stage_is_started_again_soon() -> None:
    stage, begun_s = failing(MAX_RESTARTS, ValueError("poison"))
    run(keep_it(stage))
    assert begun_s == [1000.0 + turn * RESTART_S for turn in range(MAX_RESTARTS + 1)]


@pytest.mark.parametrize("error", [ValueError("x"), ExceptionGroup("", [ValueError("x")])])
def test_one_that_keeps_failing_is_given_up_with_the_reason(error: Exception) -> None:
    stage, begun_s = failing(100, error)
    with pytest.raises(StageFailed, match=r"the stage failed 6 times within 60 s \(ValueError\)"):
        run(keep_it(stage))
    assert len(begun_s) == MAX_RESTARTS + 1


def test_one_that_fails_now_and_then_is_kept() -> None:
    stage, begun_s = failing(50, ValueError("x"), every_s=RESTARTS_WITHIN_S / MAX_RESTARTS)
    run(keep_it(stage))
    assert len(begun_s) == 51


def test_what_is_to_pass_passes_and_so_does_the_end_of_another_stage() -> None:
    for error in (OSError("gone"), StageFailed("another")):
        stage, begun_s = failing(1, error)
        with pytest.raises(type(error)):
            run(keep_it(stage, passes=(OSError,)))
        assert len(begun_s) == 1


def test_stages_are_counted_one_by_one() -> None:
    restarts = RestartLimiter(Clock(monotonic_s=lambda: 0.0))
    for stage in ("one", "other"):
        for _ in range(MAX_RESTARTS):
            restarts.count(stage, ValueError())
    with pytest.raises(StageFailed):
        restarts.count("one", ValueError())


def test_a_failure_in_the_same_instant_does_not_undo_a_cancellation() -> None:
    """As when a process wakes up: everything times out at once, and it is to end."""
    runs: list[int] = []

    async def stop_and_fail() -> None:
        runs.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("in the same instant") from None

    async def play() -> asyncio.Task[None]:
        task = asyncio.create_task(keep_it(stop_and_fail))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task], timeout=10 * RESTART_S)
        return task

    assert run(play()).cancelled()
    assert len(runs) == 1


def test_a_group_that_has_failed_leaves_no_cancellation_behind() -> None:
    runs: list[int] = []

    async def fail_in_a_group() -> None:
        runs.append(1)
        if len(runs) < 3:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asyncio.sleep, 100)
                raise RuntimeError("a bug")

    run(keep_it(fail_in_a_group))
    assert len(runs) == 3
