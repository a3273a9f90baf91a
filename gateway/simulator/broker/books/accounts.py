"""One account: who holds what, its orders and what has happened; its own bodies; pure."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.amounts import ZERO
from gateway.simulator.broker.books.orders import ComplexOrder, Order
from gateway.simulator.broker.books.positions import Position
from gateway.simulator.broker.books.transactions import Transaction

Body = dict[str, Any]
KEPT = 5_000  # orders and transactions


@dataclass(slots=True)
class Account:
    """One account. Control sets `omitted`, `odd_rows`, `status` and `pending` by hand.

    `omitted` fields are left out of its balance; `odd_rows` stand beside its positions.
    """

    number: str
    nickname: str
    kind: str
    is_margin: bool
    cash: Decimal
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    complex_orders: dict[int, ComplexOrder] = field(default_factory=dict)
    transactions: deque[Transaction] = field(default_factory=lambda: deque(maxlen=KEPT))
    pending: Decimal = ZERO
    gains: dict[str, Decimal] = field(default_factory=dict)  # realized this year, by underlying
    omitted: set[str] = field(default_factory=set)
    odd_rows: list[Body] = field(default_factory=list)
    status: Body = field(default_factory=dict)

    def describe(self) -> Body:
        """Return the account object."""
        opened = "2023-03-14T15:21:07.482+00:00"
        return {
            "account-number": self.number,
            "account-type-name": self.kind,
            "created-at": opened,
            "day-trader-status": False,
            "external-id": f"A{self.number[3:]}",
            "ext-crm-id": "001dr00000000000",
            "external-fdid": f"tasty{self.number[3:]}",
            "funding-date": "2023-03-21",
            "investment-objective": "SPECULATION",
            "investment-time-horizon": "SHORT",
            "is-closed": False,
            "is-firm-error": False,
            "is-firm-proprietary": False,
            "is-foreign": False,
            "is-futures-approved": self.is_margin,
            "is-test-drive": False,
            "liquidity-needs": "LIQUIDITY",
            "margin-or-cash": "Margin" if self.is_margin else "Cash",
            "nickname": self.nickname,
            "opened-at": opened,
            "regulatory-domain": "USA",
            "risk-tolerance": "AGGRESSIVE",
            "suitable-options-level": "No Restrictions",
        }

    def deposits_since(self, at: float) -> Decimal:
        """Return the money put in (less what was taken out) since an instant."""
        found = (each.value for each in self.transactions if each.at >= at and each.is_deposit)
        return sum(found, ZERO)

    def fees_since(self, at: float) -> Decimal:
        """Return the fees paid since an instant."""
        return sum((each.fees for each in self.transactions if each.at >= at), ZERO)
