"""What an account's day is measured from: the last day's net liquidating value, and deposits since.

Without the deposits money from outside would look like a profit.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import Refused
from gateway.streams.sessions import EXCHANGE_TIME
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.retry import TROUBLE, describe_error
from gateway.streams.upstream.rows import (
    Row,
    list_items,
    read_date,
    read_number,
    read_optional_text,
    read_rows,
    read_signed,
    read_text,
)

logger = logging.getLogger(__name__)

READ_S = 900.0
RETRY_S = 30.0
REFUSED_S = 900.0
BACK = timedelta(days=10)
"""Longer than any row of days without a market."""
DEPOSITS = frozenset({"Deposit", "Withdrawal", "Transfer"})
"""Kinds of money movement that come from outside or go there; interest and dividends do not."""


@dataclass(slots=True)
class _Account:
    number: str
    due_s: float = float("-inf")
    day: date | None = None
    basis: Decimal | None = None


class DayBasis:
    """The basis of the day of each account; None where it is not known.

    `on_changed` is called with the account.
    """

    def __init__(self, budget: RequestBudget, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.on_changed: Callable[[str], None] = lambda account: None
        self._budget = budget
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._changed = asyncio.Event()

    def find(self, account: str) -> Decimal | None:
        """Return the basis of today, deposits included."""
        found = self._accounts.get(account)
        return None if found is None or found.day != self._today() else found.basis

    def read_again(self, account: str | None = None) -> None:
        """Read at once what an account moved."""
        for each in self._accounts.values():
            if account in (None, each.number):
                each.due_s = self._clock.monotonic_s()
        self._changed.set()

    async def run(self, numbers: Sequence[str]) -> None:
        """Keep the basis of these accounts current until cancelled."""
        self._accounts = {number: _Account(number) for number in numbers}
        while True:
            self._changed.clear()
            now_s, today = self._clock.monotonic_s(), self._today()
            for each in self._accounts.values():
                if each.due_s <= now_s or (each.day is not None and each.day != today):
                    await self._read(each, today)
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _today(self) -> date:
        return self._clock.now().astimezone(EXCHANGE_TIME).date()

    async def _read(self, account: _Account, today: date) -> None:
        account.due_s = self._clock.monotonic_s() + READ_S
        try:
            basis = await self._find_last(account.number, today)
            if basis is not None:
                basis += await self._sum_deposits(account.number, today)
        except (*TROUBLE, ValueError) as error:
            words = describe_error(error) if isinstance(error, TROUBLE) else str(error)
            logger.info("the basis of the day is not known: %s", words)
            pause_s = REFUSED_S if isinstance(error, Refused) else RETRY_S
            account.due_s = self._clock.monotonic_s() + pause_s
            account.day = account.day if account.day == today else None
            return
        if (account.day, account.basis) != (today, basis):
            account.day, account.basis = today, basis
            self.on_changed(account.number)

    async def _find_last(self, number: str, today: date) -> Decimal | None:
        query = [
            ("time-of-day", "EOD"),
            ("start-date", (today - BACK).isoformat()),
            ("end-date", (today - timedelta(days=1)).isoformat()),
        ]
        path = f"/accounts/{number}/balance-snapshots"
        items = list_items(await self._budget.get("other", path, query))
        rows, _ = read_rows(items, _read_snapshot)
        before = [row for row in rows if row[0] < today]
        return max(before)[1] if before else None

    async def _sum_deposits(self, number: str, today: date) -> Decimal:
        query = [("start-date", today.isoformat()), ("per-page", "2000")]
        path = f"/accounts/{number}/transactions"
        items = list_items(await self._budget.get("other", path, query))
        rows, _ = read_rows(items, _read_deposit)
        return sum(rows, Decimal(0))


def _read_snapshot(row: Row) -> tuple[date, Decimal]:
    day, value = read_date(row, "snapshot-date"), read_number(row, "net-liquidating-value")
    if day is None or value is None:
        raise ValueError("a snapshot without day or value")
    return day, value


def _read_deposit(row: Row) -> Decimal:
    """Return what a transaction brought from outside; 0 for any other."""
    is_deposit = (
        read_text(row, "transaction-type") == "Money Movement"
        and read_optional_text(row, "transaction-sub-type") in DEPOSITS
    )
    return (read_signed(row, "value") or Decimal(0)) if is_deposit else Decimal(0)
