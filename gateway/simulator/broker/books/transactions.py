"""Transactions: trades, money in and out, and the fees of both; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.amounts import ZERO, money, plain, signed
from gateway.simulator.market.calendar import local_day
from gateway.simulator.market.universe import Kind

Body = dict[str, Any]
CENTS = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Fees:
    """What one fill costs; every amount is positive."""

    commission: Decimal = ZERO
    clearing: Decimal = ZERO
    regulatory: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All of them."""
        return self.commission + self.clearing + self.regulatory


@dataclass(frozen=True, slots=True)
class Transaction:
    """Something that moved cash. `value` is signed and without the fees."""

    id: int
    account: str
    at: float
    kind: str
    sub_type: str
    description: str
    value: Decimal
    charges: Fees = Fees()
    symbol: str = ""
    instrument_type: str = ""
    underlying: str = ""
    action: str = ""
    quantity: Decimal | None = None
    price: Decimal | None = None
    order_id: int = 0
    leg_count: int = 0
    venue: str = ""

    @property
    def is_deposit(self) -> bool:
        """Whether it is money from outside, or to it: no profit and no loss."""
        return self.kind == "Money Movement" and self.sub_type in ("Deposit", "Withdrawal")

    @property
    def fees(self) -> Decimal:
        """What was paid on top."""
        return self.charges.total

    def describe(self) -> Body:
        """Return the body of REST."""
        executed = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        body: Body = {
            "id": self.id,
            "account-number": self.account,
            "transaction-type": self.kind,
            "transaction-sub-type": self.sub_type,
            "description": self.description,
            "executed-at": executed,
            "transaction-date": local_day(self.at).isoformat(),
            "is-estimated-fee": True,
        }
        body |= signed("value", self.value) | signed("net-value", self.value - self.fees)
        if self.quantity is None or self.price is None:
            return body
        body |= signed("commission", -self.charges.commission)
        body |= signed("clearing-fees", -self.charges.clearing)
        body |= signed("regulatory-fees", -self.charges.regulatory)
        body |= signed("proprietary-index-option-fees", ZERO)
        return body | {
            "symbol": self.symbol,
            "instrument-type": self.instrument_type,
            "underlying-symbol": self.underlying,
            "action": self.action,
            "quantity": plain(self.quantity),
            "price": money(self.price),
            "order-id": self.order_id,
            "leg-count": self.leg_count,
            "destination-venue": self.venue,
            "ext-exec-id": str(self.id),
            "lots": [],
        }


def find_fees(kind: Kind, quantity: Decimal, *, is_opening: bool) -> Fees:
    """Return what a fill costs (Tastytrade's published rates; coins have theirs in the price)."""
    count = abs(quantity)
    if kind is Kind.OPTION:
        return Fees(count if is_opening else ZERO, count * Decimal("0.1"), count * Decimal("0.02"))
    if kind in (Kind.FUTURE, Kind.FUTURE_OPTION):
        rate = Decimal("1.25") if kind is Kind.FUTURE else Decimal("2.5")
        return Fees(count * rate, count * Decimal("0.3"), count * Decimal("0.02"))
    if kind is Kind.EQUITY:
        return Fees(ZERO, (count * Decimal("0.0008")).quantize(CENTS), ZERO)
    return Fees()
