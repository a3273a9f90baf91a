"""Which values a market can have: what surely is wrong becomes None, all else passes; pure.

No list of instruments decides: lists age, and then right values vanish. Below zero is surely wrong
for an option, for a pair of currencies, and for whatever somebody offers a size of; an index such
as `$TICK` is often there, and futures have been.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from gateway.streams.upstream.drops import DropStats

MAX_EXPONENT = 18
"""A number of 10^19 or more is none that a market has: a marker such as the largest double."""
MAX_COUNT = 2**53
"""The largest whole number that a browser reads exactly."""


class ValueCheck:
    """Checks the values of one event after the other, and counts what it finds.

    `refused` counts the values that became None here, `suspicious` what passed although it looks
    wrong. `names` are the fields of the event at hand that were refused.
    """

    def __init__(self) -> None:
        self.refused: DropStats = DropStats()
        self.suspicious: DropStats = DropStats()
        self.names: list[str] = []
        self._type = ""
        self._symbol = ""
        self._traded: set[str] = set()

    def begin(self, event_type: str, symbol: str, sizes: Iterable[Any] = ()) -> None:
        """Begin an event; `sizes` are those of its bid and ask."""
        self._type, self._symbol, self.names = event_type, symbol.partition("{")[0], []
        if any(isinstance(each, Decimal) and each.is_finite() and each > 0 for each in sizes):
            self._traded.add(self._symbol)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of these symbols."""
        self._traded.difference_update(symbols)

    def price(self, name: str, value: Decimal | None) -> Decimal | None:
        """Return a price, or None."""
        value = self.number(name, value)
        if value is None or value >= 0 or "/" in self._symbol[:2]:
            return value
        if self._is_never_below_zero():
            self._refuse(name, "negative price")
            return None
        self.suspicious[self._type, "below zero"] += 1
        return value

    def amount(self, name: str, value: Decimal | None) -> Decimal | None:
        """Return a size, a volume or a volatility, or None; never below zero."""
        value = self.number(name, value)
        if value is not None and value < 0:
            self._refuse(name, "negative size")
            return None
        return value

    def count(self, name: str, value: int | None) -> int | None:
        """Return a whole number of things, or None; never below zero."""
        if value is not None and value < 0:
            self._refuse(name, "negative size")
            return None
        if value is not None and value > MAX_COUNT:
            self._refuse(name, "too large")
            return None
        return value

    def number(self, name: str, value: Decimal | None) -> Decimal | None:
        """Return any finite number, or None."""
        if value is None:
            return None
        if not value.is_finite():
            self._refuse(name, "not finite")
            return None
        if value.adjusted() > MAX_EXPONENT:
            self._refuse(name, "too large")
            return None
        return value

    @staticmethod
    def time(value: int | None) -> int | None:
        """Return milliseconds since the epoch, or None; dxFeed writes 0 for an unknown one."""
        return value if value is not None and 0 < value <= MAX_COUNT else None

    def suspect(self, reason: str) -> None:
        """Count that the event at hand passes although it looks wrong."""
        self.suspicious[self._type, reason] += 1

    def _is_never_below_zero(self) -> bool:
        symbol = self._symbol
        is_option, is_pair = symbol.startswith("."), "/" in symbol and ":" in symbol
        return is_option or is_pair or symbol in self._traded

    def _refuse(self, name: str, reason: str) -> None:
        self.refused[self._type, reason] += 1
        self.names.append(name)
