"""Coroutines begun without a task, because most of them end without ever waiting.

Only for coroutines that do not look at the current task, such as uvicorn's `send`.
"""

from collections.abc import Coroutine, Generator
from typing import Any


class Rest:
    """What is left of a coroutine that was begun by hand and has to wait; await it in a task."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            thrown: BaseException | None = None
            value: Any = None
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 - cancellations are passed on, too
                thrown = error
            try:
                if thrown is None:
                    awaited = self._coroutine.send(value)
                else:
                    awaited = self._coroutine.throw(thrown)
            except StopIteration:
                return


def begin(coroutine: Coroutine[Any, Any, None]) -> Rest | None:
    """Run a coroutine until it ends or waits; return what is left of it.

    Raises whatever the coroutine raises.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return Rest(coroutine, awaited)
