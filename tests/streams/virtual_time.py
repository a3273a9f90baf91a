"""An event loop whose clock jumps to the next timer instead of waiting for it.

A minute of rates, lags and ticks costs a millisecond; a program that waits for what can never
happen is an error at once, not a hanging test.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.BaseSelector):
    def __init__(self, advance: Callable[[float | None], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._advance = advance

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._advance(timeout)
        return self._real.select(0)

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Moves its clock by itself; for coroutines that touch no socket and no thread."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        super().__init__(_Selector(self._advance))

    def time(self) -> float:
        return self.now_s

    def _advance(self, timeout_s: float | None) -> None:
        if timeout_s is None:
            raise AssertionError("everybody waits, and nothing is going to happen")
        self.now_s += timeout_s


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of the coroutine in virtual time; no task of its own may be left."""

    async def check() -> T:
        result = await coroutine
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left: {left}"
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(check())
