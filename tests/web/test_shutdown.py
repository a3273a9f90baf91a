"""Handlers of signals that are called in front of the server's own."""

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from gateway.web.shutdown import close_on_signal
from tests.waiting import eventually


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What the handler that was there before has got; the signals are as before afterwards."""
    found: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        found.append(number)

    before = signal.signal(signal.SIGTERM, handle)
    yield found
    signal.signal(signal.SIGTERM, before)


async def test_both_handlers_are_called_and_the_first_one_comes_back(heard: list[int]) -> None:
    server = signal.getsignal(signal.SIGTERM)
    closed: list[str] = []
    with close_on_signal(lambda: closed.append("streams")):
        signal.raise_signal(signal.SIGTERM)
        await eventually(lambda: closed == ["streams"])
        assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is server


async def test_a_handler_of_the_loop_still_hears_the_signal() -> None:
    loop = asyncio.get_running_loop()
    stopping, closed = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        with close_on_signal(closed.set):
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                await closed.wait()
                await stopping.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_a_signal_that_kills_still_kills() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with close_on_signal(lambda: None):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
