"""Streams that end before the server waits for them, whichever ASGI server it is.

An ASGI server stops accepting, waits for open requests, and only then ends the lifespan: a stream
that waits for the lifespan's end is cut off without a `bye`, or keeps the server for ever.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def close_on_signal(close: Callable[[], None]) -> Iterator[None]:
    """Call `close` on the running loop at SIGTERM or SIGINT, then the handler that was there.

    A signal without a Python handler is left alone: the process ends at once, as it would have.
    Outside the main thread Python allows no handlers, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    replaced: list[tuple[signal.Signals, Handler, Handler]] = []
    for number in STOP_SIGNALS:
        before = signal.getsignal(number)
        if callable(before):
            after = _call_first(loop, close, before)
            # `loop.add_signal_handler` still works: it learns of signals by a file descriptor.
            signal.signal(number, after)
            replaced.append((number, before, after))
    try:
        yield
    finally:
        for number, before, after in replaced:
            if signal.getsignal(number) is after:
                signal.signal(number, before)


def _call_first(
    loop: asyncio.AbstractEventLoop, close: Callable[[], None], then: Handler
) -> Handler:
    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(close)
        then(number, frame)

    return handle
