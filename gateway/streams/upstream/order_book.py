"""The orders of one login as they are known now, from readings and pushes; pure.

A reading is every working order and every one of today; a push is one whole order. A push that came
while a reading was on its way is newer. An order that was replaced makes way for the one that
replaces it, so that a chain of replacements is one order.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.streams.upstream.rows import OrderRow


class OrderKey(NamedTuple):
    """What tells an order from the others of a login."""

    account: str
    order_id: str


class OrderChanges(NamedTuple):
    """What a reading or a push has changed of the orders that are shown."""

    changed: tuple[OrderKey, ...]
    removed: tuple[OrderKey, ...]


class OrderBook:
    """The newest row of each order. Bounded by what the broker lists, and by today's pushes."""

    def __init__(self) -> None:
        self._rows: dict[OrderKey, OrderRow] = {}
        self._pushed_s: dict[OrderKey, float] = {}

    def rows(self) -> list[OrderRow]:
        """Return the orders that were not replaced, by account and id."""
        shown = self._shown()
        return [shown[key] for key in sorted(shown)]

    def get(self, key: OrderKey) -> OrderRow | None:
        """Return the row of an order, also of one that was replaced."""
        return self._rows.get(key)

    def push(self, row: OrderRow, now_s: float) -> OrderChanges:
        """Take a pushed row and return what it changed."""
        key = OrderKey(row.account, row.order_id)
        known = self._rows.get(key)
        self._pushed_s[key] = now_s
        if known is not None and _is_older(row, known):
            return OrderChanges((), ())
        before = self._shown()
        self._rows[key] = row
        return self._compare(before)

    def read(self, account: str, rows: Iterable[OrderRow], asked_s: float) -> OrderChanges:
        """Take all orders of an account, which were asked for at `asked_s`."""
        before = self._shown()
        listed = {OrderKey(row.account, row.order_id): row for row in rows}
        for key, row in listed.items():
            known = self._rows.get(key)
            is_newer = self._pushed_s.get(key, float("-inf")) >= asked_s
            if key.account == account and (known is None or not is_newer):
                self._rows[key] = row
        for key in [key for key in self._rows if key.account == account and key not in listed]:
            if self._pushed_s.get(key, float("-inf")) < asked_s:
                del self._rows[key]
                self._pushed_s.pop(key, None)
        return self._compare(before)

    def _shown(self) -> dict[OrderKey, OrderRow]:
        replaced = {
            OrderKey(row.account, row.replaces) for row in self._rows.values() if row.replaces
        }
        return {key: row for key, row in self._rows.items() if key not in replaced}

    def _compare(self, before: dict[OrderKey, OrderRow]) -> OrderChanges:
        after = self._shown()
        changed = tuple(key for key, row in after.items() if before.get(key) != row)
        return OrderChanges(changed, tuple(key for key in before if key not in after))


def _is_older(row: OrderRow, known: OrderRow) -> bool:
    if row.updated_at is None or known.updated_at is None:
        return False
    return row.updated_at < known.updated_at
