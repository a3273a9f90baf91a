"""Coroutines that are begun without a task."""

import asyncio

import pytest

from gateway.web.sse.step import begin


async def test_what_never_waits_is_done_at_once() -> None:
    seen: list[int] = []

    async def send() -> None:
        seen.append(1)

    assert begin(send()) is None
    assert seen == [1]


async def test_an_error_before_the_first_pause_is_raised() -> None:
    async def send() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        begin(send())


async def test_an_error_behind_a_pause_reaches_the_coroutine() -> None:
    seen: list[str] = []
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send() -> None:
        try:
            await future
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("cleaned up")

    coroutine = send()
    rest = begin(coroutine)
    assert rest is not None

    async def finish() -> None:
        await rest

    task = asyncio.create_task(finish())
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert seen == ["cancelled", "cleaned up"]
