"""Holdings and what fills and nights do to them; pure.

Two bases are kept: the price paid (`average_open`), and the day's (`average_daily`), which is the
previous close for what was held overnight and the price paid for what came since. Futures are
settled into cash: at every fill that closes, and at the end of the day.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from gateway.simulator.broker.books.amounts import ZERO
from gateway.simulator.market.universe import Kind

FUTURE_KINDS = (Kind.FUTURE,)


@dataclass(slots=True)
class Position:
    """A holding of one symbol (the streamer's); `quantity` is negative when it is owed."""

    symbol: str
    kind: Kind
    multiplier: int
    opened_at: float
    quantity: Decimal = ZERO
    average_open: Decimal = ZERO
    average_daily: Decimal = ZERO
    average_yearly: Decimal = ZERO
    close_price: Decimal = ZERO  # of the previous day; 0 on the first
    realized_day: Decimal = ZERO  # against the day's basis
    realized_today: Decimal = ZERO  # against the price paid
    realized_on: date | None = None
    updated_at: float = 0.0
    is_frozen: bool = False

    @property
    def is_settled_daily(self) -> bool:
        """Whether gains are cash at once, as those of futures."""
        return self.kind in FUTURE_KINDS

    def fill(self, quantity: Decimal, price: Decimal, at: float, today: date) -> Decimal:
        """Add a fill (negative: sold) and return the cash that it moves, fees aside."""
        if self.realized_on != today:
            self.realized_day = self.realized_today = ZERO
            self.realized_on = today
        self.updated_at = at
        cash = ZERO if self.is_settled_daily else -price * quantity * self.multiplier
        closing = ZERO
        if self.quantity * quantity < 0:
            closing = min(abs(quantity), abs(self.quantity)).copy_sign(quantity)
        if closing:
            gained = (price - self.average_daily) * -closing * self.multiplier
            self.realized_day += gained
            self.realized_today += (price - self.average_open) * -closing * self.multiplier
            if self.is_settled_daily:
                cash += gained
            self.quantity += closing
            quantity -= closing
        if quantity:
            self._add(quantity, price, at)
        return cash

    def _add(self, quantity: Decimal, price: Decimal, at: float) -> None:
        if not self.quantity:
            self.average_open = self.average_daily = self.average_yearly = price
            self.opened_at = at if not self.opened_at else self.opened_at
        else:
            total = self.quantity + quantity
            held, new = self.quantity / total, quantity / total
            self.average_open = self.average_open * held + price * new
            self.average_daily = self.average_daily * held + price * new
            self.average_yearly = self.average_yearly * held + price * new
        self.quantity += quantity

    def worth(self, mark: Decimal) -> Decimal:
        """Return what the holding adds to the net liquidating value."""
        basis = self.average_daily if self.is_settled_daily else ZERO
        return (mark - basis) * self.quantity * self.multiplier

    def gain_today(self, mark: Decimal, today: date) -> Decimal:
        """Return profit and loss of the day, what was realized included."""
        realized = self.realized_day if self.realized_on == today else ZERO
        return (mark - self.average_daily) * self.quantity * self.multiplier + realized

    def end_day(self, close: Decimal) -> Decimal:
        """Make a close the basis of the next day and return the cash that this settles."""
        settled = self.worth(close) if self.is_settled_daily else ZERO
        self.average_daily = self.close_price = close
        self.realized_day = self.realized_today = ZERO
        self.realized_on = None
        return settled
