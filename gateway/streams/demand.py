"""Which symbols are wanted: reference counts, a set that is always wanted, limits, lingering.

Pure: `now_s` is any rising clock. A symbol that nobody wants any more stays for `linger_s`, so
that a page reload does not unsubscribe and subscribe again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


class TooManySymbols(ValueError):
    """The upstream's cap on symbols is reached; the message says which and is for people."""


class Demand:
    """Counts who wants what. All `listeners` are called after each change of the wanted set."""

    def __init__(
        self,
        always: Iterable[str] = (),
        *,
        max_symbols: int = 5000,
        linger_s: float = 30.0,
        now_s: Callable[[], float],
    ) -> None:
        self.always = frozenset(always)
        self.max_symbols = max_symbols
        self.linger_s = linger_s
        self.listeners: list[Callable[[], None]] = []
        self.on_change: Callable[[], None] = lambda: None
        self._now_s = now_s
        self._counts: dict[str, int] = {}
        self._lingering: dict[str, float] = {}

    @property
    def wanted(self) -> frozenset[str]:
        """What upstream should be subscribed to now, lingering symbols included."""
        return self.always | self._counts.keys() | self._lingering.keys()

    def count(self, symbol: str) -> int:
        """How many hold this symbol."""
        return self._counts.get(symbol, 0)

    @contextmanager
    def acquire(self, symbols: Iterable[str]) -> Iterator[None]:
        """Want these symbols for as long as the block runs.

        Raises:
            TooManySymbols: when the upstream's cap would be passed; nothing is held then.
        """
        held = frozenset(symbols)
        self._add(held)
        try:
            yield
        finally:
            self._remove(held)

    def _add(self, symbols: frozenset[str]) -> None:
        before = self.wanted
        new = symbols - before
        if new and len(before) + len(new) > self.max_symbols:
            # Lingering symbols are a courtesy; they give way to a viewer who is here.
            excess = len(before) + len(new) - self.max_symbols
            evictable = [each for each in self._lingering if each not in symbols]
            if len(evictable) < excess:
                raise TooManySymbols(
                    f"this gateway follows at most {self.max_symbols} symbols at once"
                )
            for symbol in evictable[:excess]:
                del self._lingering[symbol]
        for symbol in symbols:
            self._counts[symbol] = self._counts.get(symbol, 0) + 1
            self._lingering.pop(symbol, None)
        if self.wanted != before:
            self._notify()

    def _remove(self, symbols: frozenset[str]) -> None:
        changed = False
        for symbol in symbols:
            count = self._counts[symbol] - 1
            if count:
                self._counts[symbol] = count
            else:
                del self._counts[symbol]
                if symbol not in self.always:
                    self._lingering[symbol] = self._now_s() + self.linger_s
                    changed = True
        if changed:
            self._notify()

    def _notify(self) -> None:
        self.on_change()
        for listener in tuple(self.listeners):
            listener()

    def expire(self) -> frozenset[str]:
        """The symbols whose linger time is over and that are wanted no more."""
        now_s = self._now_s()
        over = frozenset(each for each, until_s in self._lingering.items() if until_s <= now_s)
        for symbol in over:
            del self._lingering[symbol]
        return over

    def next_expiry_s(self) -> float | None:
        """When `expire` has something to do next, on the same clock; None when nothing lingers."""
        return min(self._lingering.values(), default=None)
