"""The waiting helpers return what came, and fail when nothing does."""

import anyio
import pytest

from tests.waiting import eventually, eventually_sync


async def test_returns_the_first_true_value() -> None:
    values = iter([0, 0, 3, 4])
    assert await eventually(lambda: next(values)) == 3


async def test_awaits_an_async_predicate() -> None:
    done = anyio.Event()

    async def set_done() -> None:
        done.set()

    async def is_done() -> bool:
        return done.is_set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(set_done)
        assert await eventually(is_done) is True


async def test_takes_a_failed_assertion_as_not_yet() -> None:
    values = iter([1, 2, 3])

    def is_three() -> bool:
        assert next(values) == 3
        return True

    assert await eventually(is_three)


async def test_fails_at_the_deadline_with_the_last_value() -> None:
    with pytest.raises(AssertionError, match=r"still \[\] after"):
        await eventually(list, timeout_s=0.02)


async def test_fails_at_the_deadline_with_the_predicates_own_error() -> None:
    def is_there() -> bool:
        raise AssertionError("no row yet")

    with pytest.raises(AssertionError, match="no row yet"):
        await eventually(is_there, timeout_s=0.02)


async def test_other_errors_pass_through_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 / 0)


def test_sync_returns_the_first_true_value() -> None:
    values = iter([0, 0, 3, 4])
    assert eventually_sync(lambda: next(values)) == 3


def test_sync_fails_at_the_deadline() -> None:
    with pytest.raises(AssertionError, match="still 0 after"):
        eventually_sync(lambda: 0, timeout_s=0.02)
