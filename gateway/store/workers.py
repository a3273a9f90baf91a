"""A few threads in which blocking calls run; a call that hangs never holds up the process's end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 4
"""More would not help SQLite, which has one writer; of Postgres each holds a connection."""


class Workers:
    """Runs calls in threads, started at the first one.

    A call whose caller was cancelled is not begun; one that has begun goes on to its end. The
    threads are daemons: the interpreter does not wait for them, as it does for those of
    `concurrent.futures`.
    """

    def __init__(self, name: str, count: int = THREADS) -> None:
        self._name = name
        self._count = count
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._has_started = False

    async def run(self, function: Callable[[], T]) -> T:
        """Return what `function` returns, or raise what it raises."""
        if not self._has_started:
            self._has_started = True
            for number in range(self._count):
                name = f"{self._name}-{number}"
                Thread(target=self._work, name=name, daemon=True).start()
        future: Future[T] = Future()
        self._calls.put((future, function))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the threads, each when it is free."""
        if self._has_started:
            self._has_started = False
            for _ in range(self._count):
                self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                future.set_exception(error)
            else:
                future.set_result(result)
            del call, future, function
