"""Waiting on a condition with a deadline, instead of sleeping and hoping.

`TEST_TIMEOUT_SCALE` stretches every deadline on a slow machine.
"""

import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

import anyio

T = TypeVar("T")

TIMEOUT_SCALE = float(os.environ.get("TEST_TIMEOUT_SCALE", "1"))
POLL_S = 0.005  # short beside every deadline, long beside one look at a condition


def scaled(timeout_s: float) -> float:
    """`timeout_s` as it is on this machine."""
    return timeout_s * TIMEOUT_SCALE


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], timeout_s: float = 5.0) -> T: ...
@overload
async def eventually(predicate: Callable[[], T], timeout_s: float = 5.0) -> T: ...
async def eventually(predicate: Callable[[], T | Awaitable[T]], timeout_s: float = 5.0) -> T:
    """The first true value of `predicate`, which may be async.

    An AssertionError of the predicate counts as "not yet".

    Raises: AssertionError, after `timeout_s`, with the last value or the predicate's own error.
    """
    deadline = time.monotonic() + scaled(timeout_s)
    while True:
        is_last = time.monotonic() >= deadline
        try:
            result = predicate()
            value = await result if inspect.isawaitable(result) else result
            if value:
                return value
            assert not is_last, f"still {value!r} after {scaled(timeout_s):.1f} s"
        except AssertionError:
            if is_last:
                raise
        await anyio.sleep(POLL_S)


def eventually_sync(predicate: Callable[[], T], timeout_s: float = 5.0) -> T:
    """`eventually` for tests without an event loop: processes, browsers."""
    deadline = time.monotonic() + scaled(timeout_s)
    while True:
        is_last = time.monotonic() >= deadline
        try:
            if value := predicate():
                return value
            assert not is_last, f"still {value!r} after {scaled(timeout_s):.1f} s"
        except AssertionError:
            if is_last:
                raise
        time.sleep(POLL_S)
