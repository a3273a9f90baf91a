"""A position as the broker tells it, cleaned: what it is worth is computed elsewhere; pure.

The sign of everything comes from `quantity-direction` alone: `cost-effect` is the effect of closing
the position. Source: Tastytrade's "Positions and balances" and recorded rows.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

Direction = Literal["Long", "Short", "Zero"]

SIGNS: dict[Direction, int] = {"Long": 1, "Short": -1, "Zero": 0}

CASH_SETTLED_DAILY = frozenset({"Future"})
"""Instrument types whose gains are settled into cash each day, so that only the move since then is
in the position."""

OPTIONS = frozenset({"Equity Option", "Future Option"})
QUOTED_BY_MID = OPTIONS | {"Cryptocurrency"}


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One position; prices per unit in the instrument's currency, None where unknown.

    `quantity` is never negative. `average_daily_price` is what the day's profit is measured from:
    the previous close for what was held, the price paid for what was bought today.
    """

    broker_symbol: str
    instrument_type: str
    underlying: str
    quantity: Decimal
    direction: Direction
    multiplier: Decimal = Decimal(1)
    average_open_price: Decimal | None = None
    average_daily_price: Decimal | None = None
    realized_day_gain: Decimal | None = None
    """What was realized today measured from the day's basis."""
    realized_day_date: date | None = None
    realized_today: Decimal | None = None
    """What was realized today measured from the price paid."""
    realized_today_date: date | None = None
    expires_on: date | None = None
    broker_mark: Decimal | None = None
    """The broker's own mark per unit, as old as the row."""

    @property
    def signed_quantity(self) -> Decimal:
        """The quantity, negative when short, 0 when closed."""
        return self.quantity * SIGNS[self.direction]

    @property
    def is_closed(self) -> bool:
        """Whether nothing is held any more; the row stays until the end of the day."""
        return not self.signed_quantity

    def realized_of_day(self, today: date) -> Decimal:
        """Return today's realized gain measured from the day's basis; 0 of another day."""
        return _of_day(self.realized_day_gain, self.realized_day_date, today)

    def realized_open(self, today: date) -> Decimal:
        """Return today's realized gain measured from the price paid; 0 of another day."""
        return _of_day(self.realized_today, self.realized_today_date, today)


def _of_day(amount: Decimal | None, day: date | None, today: date) -> Decimal:
    return amount if amount is not None and day == today else Decimal(0)
