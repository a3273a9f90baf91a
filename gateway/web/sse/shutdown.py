"""Noticing that the process must stop, under any server, while its streams can still say so.

uvicorn waits for open streams before it tells the application to shut down; hypercorn, granian and
gunicorn cut them off. All of them stop because of a signal, which is therefore watched for.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from gateway.streams.hub.hub import Hub

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""SIGQUIT is what the workers of gunicorn get when their parent gets SIGINT."""

CHECK_S = 1.0
"""Between two looks at the handlers, which cost 15 µs: streams may open by the thousand."""


_checked: "WeakKeyDictionary[Hub, float]" = WeakKeyDictionary()


class _CloseFirst:
    """A signal handler that closes the hub and then does what was done before."""

    def __init__(self, hub: Hub, before: Callable[[int, FrameType | None], Any]) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._before = before

    def is_for(self, hub: Hub) -> bool:
        return self._hub is hub

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_closed():
            # Between two callbacks: a signal may come in the middle of a flush.
            self._loop.call_soon_threadsafe(self._close)
        self._before(number, frame)

    def _close(self) -> None:
        if self._hub.closing is None:
            self._hub.close("shutdown")


def close_on_signal(hub: Hub) -> None:
    """Close the hub when the process gets one of SIGNALS, before the server's handler runs.

    Called by each stream, because a server may install its handlers late; most calls do nothing.
    Outside the main thread, where no handler can be installed, nothing happens.
    """
    now_s = asyncio.get_running_loop().time()
    if now_s < _checked.get(hub, float("-inf")) + CHECK_S:
        return
    _checked[hub] = now_s
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        handler = signal.getsignal(number)
        # Not one of the defaults: whoever left the signal alone shall die of it as before.
        if callable(handler) and not isinstance(handler, signal.Handlers):
            if isinstance(handler, _CloseFirst) and handler.is_for(hub):
                continue
            signal.signal(number, _CloseFirst(hub, handler))
