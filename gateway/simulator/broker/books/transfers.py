"""Money on its way from or to a bank: pending first, then cash; pure.

The account streamer tells each step as an ExternalTransaction, the balance follows. The fields are
those of the SDK; which words `state` and `direction` may have is not documented.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.amounts import money
from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.catalogue.naming import iso
from gateway.simulator.market.calendar import local_day, next_trading_day

Body = dict[str, Any]
FIRST_TRANSFER = 700_001


@dataclass(slots=True)
class Transfer:
    """One transfer; the amount is negative when it goes out."""

    id: int
    account: str
    amount: Decimal
    created_s: float
    is_settled: bool = False

    def describe(self, now: float) -> Body:
        """Return the body of the push."""
        day = local_day(self.created_s)
        return {
            "id": self.id,
            "account-number": self.account,
            "amount": money(abs(self.amount)),
            "bank-account-type": "Checking",
            "banking-date": day.isoformat(),
            "created-at": iso(self.created_s),
            "direction": "Incoming" if self.amount > 0 else "Outgoing",
            "disbursement-type": "Not Applicable" if self.amount > 0 else "Partial Balance",
            "ext-transfer-id": f"T{self.id}",
            "funds-available-date": next_trading_day(day + timedelta(days=1)).isoformat(),
            "is-cancelable": not self.is_settled,
            "is-clearing-accepted": self.is_settled,
            "state": "Completed" if self.is_settled else "Pending",
            "transfer-method": "ACH",
            "updated-at": iso(now),
        }


@dataclass(slots=True)
class Transfers:
    """All transfers of one simulator, by id."""

    _all: dict[int, Transfer] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_TRANSFER))

    def begin(self, ledger: Ledger, number: str, amount: Decimal, now: float) -> Transfer:
        """Send money on its way: pending cash of the account. Raises: KeyError; ValueError."""
        if not amount:
            raise ValueError("a transfer moves something")
        account = ledger.accounts[number]
        made = Transfer(next(self._numbers), number, amount, now)
        self._all[made.id] = made
        account.pending += amount
        ledger.on_change("ExternalTransaction", number, made.describe(now))
        ledger.note_balance(number)
        return made

    def settle(self, ledger: Ledger, identity: int, now: float) -> Transfer:
        """Turn pending cash into cash. Raises: KeyError; ValueError when it has come already."""
        made = self._all[identity]
        if made.is_settled:
            raise ValueError(f"transfer {identity} has come already")
        made.is_settled = True
        ledger.accounts[made.account].pending -= made.amount
        ledger.on_change("ExternalTransaction", made.account, made.describe(now))
        ledger.deposit(made.account, made.amount)
        return made
