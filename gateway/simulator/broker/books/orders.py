"""Orders: their legs, fills and stages, and their bodies; pure.

Progress as Tastytrade reports it: Received, Routed, In Flight, Live, then Filled, Cancelled,
Expired, Rejected or Removed. A partly filled order is Live with fills on its legs. A replacement
is an order with a new id; the old one ends as Cancelled and `edited`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.amounts import ZERO, effect, money, plain

Body = dict[str, Any]

STAGES = ("Received", "Routed", "In Flight", "Live")
ENDS = ("Filled", "Cancelled", "Expired", "Rejected", "Removed", "Partially Removed")
STAMPS = {"Received": "received-at", "In Flight": "in-flight-at", "Live": "live-at"}


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of a leg."""

    fill_id: str
    quantity: Decimal
    price: Decimal
    at: float
    venue: str


@dataclass(slots=True)
class Leg:
    """One leg. `symbol` is the streamer's, `name` the broker's."""

    symbol: str
    name: str
    kind: str
    action: str
    quantity: Decimal
    fills: list[Fill] = field(default_factory=list)

    @property
    def sign(self) -> int:
        """1 for what is bought, -1 for what is sold."""
        return -1 if self.action.startswith("Sell") else 1

    @property
    def remaining(self) -> Decimal:
        """What is not filled yet."""
        return self.quantity - sum((fill.quantity for fill in self.fills), ZERO)

    def describe(self) -> Body:
        """Return the body of the leg."""
        return {
            "instrument-type": self.kind,
            "symbol": self.name,
            "action": self.action,
            "quantity": _count(self.quantity),
            "remaining-quantity": _count(self.remaining),
            "fills": [
                {
                    "ext-group-fill-id": fill.fill_id,
                    "ext-exec-id": fill.fill_id[-6:],
                    "fill-id": fill.fill_id,
                    "quantity": _count(fill.quantity),
                    "fill-price": money(fill.price),
                    "filled-at": _iso(fill.at),
                    "destination-venue": fill.venue,
                }
                for fill in self.fills
            ],
        }


@dataclass(slots=True)
class Order:
    """One order. `price` is signed: a credit is positive, a debit negative."""

    id: int
    account: str
    underlying: str
    underlying_kind: str
    legs: list[Leg]
    order_type: str = "Limit"
    time_in_force: str = "Day"
    price: Decimal | None = None
    stop_trigger: Decimal | None = None
    status: str = "Received"
    stamps: dict[str, float] = field(default_factory=dict)
    updated_at: float = 0.0
    reject_reason: str = ""
    replaces: int = 0
    replaced_by: int = 0
    complex_id: int = 0
    complex_tag: str = ""
    rule: Body | None = None
    is_edited: bool = False
    gtc_date: str = ""
    extra: Body = field(default_factory=dict)  # put over the body: unknown values on demand
    omitted: set[str] = field(default_factory=set)

    @property
    def size(self) -> Decimal:
        """How many units: the smallest leg."""
        return min((leg.quantity for leg in self.legs), default=ZERO)

    @property
    def remaining(self) -> Decimal:
        """How many units are not filled yet."""
        if not self.legs:
            return ZERO
        first = min(self.legs, key=lambda leg: leg.quantity)
        return first.remaining

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDS

    @property
    def is_working(self) -> bool:
        """Whether it can be filled now."""
        return self.status == "Live"

    def enter(self, status: str, at: float) -> None:
        """Go to a status and stamp it."""
        self.status, self.updated_at = status, at
        if status in STAMPS:
            self.stamps[STAMPS[status]] = at
        if status == "Cancelled":
            self.stamps["cancelled-at"] = at
        if status in ENDS:
            self.stamps["terminal-at"] = at

    def describe(self) -> Body:
        """Return the body of REST and of the pushes."""
        is_open = self.is_working or self.status in ("Received", "Routed", "In Flight")
        body: Body = {
            "id": self.id,
            "account-number": self.account,
            "cancellable": is_open or self.status == "Contingent",
            "editable": is_open,
            "edited": self.is_edited,
            "ext-client-order-id": f"a{self.id:x}",
            "global-request-id": f"{self.id:032x}",
            "leg-count": len(self.legs),
            "legs": [leg.describe() for leg in self.legs],
            "order-type": self.order_type,
            "size": _count(self.size),
            "source": "WBT-ember",
            "status": self.status,
            "time-in-force": self.time_in_force,
            "underlying-symbol": self.underlying,
            "underlying-instrument-type": self.underlying_kind,
            # Epoch milliseconds here; text on balances and positions.
            "updated-at": round(self.updated_at * 1000),
        }
        if self.price is not None:
            body |= {"price": money(abs(self.price)), "price-effect": effect(self.price)}
        if self.stop_trigger is not None:
            body["stop-trigger"] = money(self.stop_trigger)
        if self.status == "Cancelled":
            body["cancelled-size"] = _count(self.remaining)
        body |= {name: _iso(at) for name, at in self.stamps.items()}
        optional: Body = {
            "reject-reason": self.reject_reason,
            "replaces-order-id": self.replaces,
            "replacing-order-id": self.replaced_by,
            "complex-order-id": self.complex_id,
            "complex-order-tag": self.complex_tag,
            "order-rule": self.rule,
            "gtc-date": self.gtc_date,
        }
        body |= {name: value for name, value in optional.items() if value}
        if self.status == "Contingent":
            body["contingent-status"] = "Pending Order" if self.complex_id else "Pending Condition"
        body |= self.extra
        return {name: value for name, value in body.items() if name not in self.omitted}


@dataclass(slots=True)
class ComplexOrder:
    """Orders that depend on each other: OCO, OTO or OTOCO."""

    id: int
    account: str
    kind: str
    orders: list[Order]
    trigger: Order | None = None

    @property
    def is_over(self) -> bool:
        """Whether every part has ended."""
        return all(order.is_over for order in self.parts())

    def parts(self) -> list[Order]:
        """Return all orders, the trigger first."""
        return [*([self.trigger] if self.trigger is not None else []), *self.orders]

    def describe(self) -> Body:
        """Return the body of REST and of the pushes."""
        body: Body = {
            "id": self.id,
            "account-number": self.account,
            "type": self.kind,
            "orders": [order.describe() for order in self.orders],
            "related-orders": [
                {
                    "id": str(order.id),
                    "complex-order-tag": order.complex_tag,
                    "status": order.status,
                }
                for order in self.parts()
            ],
        }
        ends = [order.stamps["terminal-at"] for order in self.parts() if order.is_over]
        if self.is_over and ends:
            body["terminal-at"] = _iso(max(ends))
        if self.trigger is not None:
            body["trigger-order"] = self.trigger.describe()
        return body


def _count(quantity: Decimal) -> int | str:
    whole = quantity.to_integral_value()
    return int(whole) if quantity == whole else plain(quantity)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
