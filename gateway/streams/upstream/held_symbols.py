"""Keeps a changing set of symbols followed in the owner's name: what is held comes first."""

from collections.abc import Iterable
from contextlib import ExitStack

from gateway.streams.demand import Demand


class HeldSymbols:
    """A hold on the demand that is changed as a whole.

    What there is no room for is left out: the limit is that of the whole gateway, and nobody but
    the owner may fill its last tenth.
    """

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._wanted: frozenset[str] = frozenset()
        self._stack = ExitStack()
        self.symbols: frozenset[str] = frozenset()
        """What is followed of what is wanted."""

    @property
    def left_out(self) -> int:
        """For how many there is no room."""
        return len(self._wanted - self.symbols)

    def change(self, symbols: Iterable[str]) -> None:
        """Follow these symbols, the first ones first, and no others."""
        ordered = list(dict.fromkeys(symbols))
        wanted = frozenset(ordered)
        if wanted == self._wanted and not self.left_out:
            return
        fitting = self._demand.fit(ordered)
        if wanted == self._wanted and fitting == self.symbols:
            return  # there is still no room for the others
        self._wanted = wanted
        if len(fitting) < len(wanted):
            # What is let go makes room first; it lingers, so that what is in both goes on.
            self._stack.close()
            self.symbols = frozenset()
            fitting = self._demand.fit(ordered)
        if fitting == self.symbols:
            return
        with ExitStack() as stack:
            # The new ones before the old are let go: what is in both is followed all the time.
            stack.enter_context(self._demand.acquire(fitting))
            old, self._stack = self._stack, stack.pop_all()
        self.symbols = fitting
        old.close()

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()
        self._stack = ExitStack()
        self._wanted = self.symbols = frozenset()
