"""The net liquidating value between two readings of the broker's own; pure.

The broker's figure is the authority. Between two readings it is moved by what the positions have
moved since; at each reading that correction is dropped, and what it was off by is the drift. So
bonds, pending cash, settlement and unknown instruments are right without being known.
"""

from collections.abc import Mapping
from decimal import Decimal


class LiveNetLiq:
    """One account's net liquidating value, moved by its positions. Values by broker symbol."""

    def __init__(self) -> None:
        self.reported: Decimal | None = None
        self._at_reading: dict[str, Decimal] = {}

    def read(self, reported: Decimal, values: Mapping[str, Decimal]) -> Decimal | None:
        """Take a reading of the broker's and the values at that moment.

        Returns how far the live figure was off just before; None at the first reading.
        """
        before = self.live(values)
        self.reported, self._at_reading = reported, dict(values)
        return None if before is None else reported - before

    def live(self, values: Mapping[str, Decimal]) -> Decimal | None:
        """Return the figure of now; None before the first reading.

        A position that came or went since the reading does not count: its price was paid in cash,
        which the next reading tells.
        """
        if self.reported is None:
            return None
        moves = (
            values[symbol] - before
            for symbol, before in self._at_reading.items()
            if symbol in values
        )
        return self.reported + sum(moves, Decimal(0))
