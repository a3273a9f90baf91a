"""A signal closes the hub before the server's own handler runs, and loses nobody's handler."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from gateway.streams.hub.hub import Hub
from gateway.web.sse.shutdown import SIGNALS, close_on_signal


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a server's handlers heard; those of before stand again at the end."""
    found: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        found.append(number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


async def close_and_raise(hub: Hub, number: signal.Signals) -> None:
    """The first turn of the loop after the signal is the hub's."""
    close_on_signal(hub)
    signal.raise_signal(number)
    assert hub.closing is None, "never within what the signal interrupts"
    await asyncio.sleep(0)
    assert hub.closing == "shutdown"


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_closes_the_hub_and_reaches_the_server(
    heard: list[int], number: signal.Signals
) -> None:
    await close_and_raise(Hub(epoch="e"), number)
    assert heard == [number]


async def test_many_streams_wrap_a_handler_once(
    heard: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.sse.shutdown.CHECK_S", 0)
    hub = Hub(epoch="e")
    close_on_signal(hub)
    wrapped = signal.getsignal(signal.SIGTERM)
    for _ in range(50):
        close_on_signal(hub)
    assert signal.getsignal(signal.SIGTERM) is wrapped
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


async def test_a_look_is_not_repeated_within_a_second(heard: list[int]) -> None:
    hub = Hub(epoch="e")
    close_on_signal(hub)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    close_on_signal(hub)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


async def test_two_gateways_in_one_process_are_both_closed(heard: list[int]) -> None:
    one, other = Hub(epoch="1"), Hub(epoch="2")
    close_on_signal(one)
    await close_and_raise(other, signal.SIGTERM)
    assert one.closing == "shutdown"
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize("default", [signal.SIG_DFL, signal.SIG_IGN])
async def test_a_signal_that_nobody_handles_is_left_alone(
    heard: list[int], default: signal.Handlers
) -> None:
    signal.signal(signal.SIGTERM, default)
    close_on_signal(Hub(epoch="e"))
    assert signal.getsignal(signal.SIGTERM) is default


async def test_a_hub_that_closes_already_keeps_its_reason(heard: list[int]) -> None:
    hub = Hub(epoch="e")
    close_on_signal(hub)
    hub.close("removed")
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    assert hub.closing == "removed"


def test_outside_the_main_thread_nothing_is_installed(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def look() -> None:
        close_on_signal(Hub(epoch="e"))

    run: Callable[[], None] = lambda: asyncio.run(look())  # noqa: E731
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_after_its_loop_a_handler_only_passes_on(heard: list[int]) -> None:
    async def look() -> None:
        close_on_signal(Hub(epoch="e"))

    with asyncio.Runner() as runner:
        runner.run(look())
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
