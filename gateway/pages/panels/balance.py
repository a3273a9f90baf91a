"""The balance panel: a tile an account, or one of their sum; only what the viewer may see."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from gateway.pages.authoring.builder import PageError, current_builder
from gateway.pages.panel import FragmentPanel, Key
from gateway.pages.rendering.formats import format_clock, format_iso, format_money
from gateway.streams.account_records import BalanceUpdate
from gateway.streams.records import Record
from gateway.streams.topics import TopicPattern

SOURCES = {"account_stream": "streamed", "rest": "polled"}


_ACCOUNT = re.compile(r"[A-Za-z0-9-]{1,32}\Z")


def balance(*accounts: str, total: bool = False) -> None:
    """Place the balances of these accounts, or of all that the viewer may see.

    With `total=True` one tile has their sum.
    """
    builder = current_builder("balance")
    for account in accounts:
        if not _ACCOUNT.match(str(account)):
            raise PageError(
                f'balance: {account!r} is no account number: write balance("5WX00001"), '
                "or balance() for all"
            )
    builder.add(BalancePanel(builder.new_id("balance"), accounts, is_total=total))


class BalancePanel(FragmentPanel):
    """Net liquidating value, buying power and cash of each account, or of all together."""

    template: ClassVar[str] = "panels/balance.html"
    frame: ClassVar[str] = "panels/balance_frame.html"
    is_private: bool = True

    def __init__(self, id: str, accounts: Sequence[str] = (), *, is_total: bool = False) -> None:
        super().__init__(id)
        self._accounts = frozenset(accounts) or None
        self._is_total = is_total

    def keys(self) -> tuple[Key, ...]:
        """The balance of every account that the page names, or of all."""
        return (TopicPattern("balance_update", self._accounts),)

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """A tile per account of which something is known."""
        known = [each for each in records if isinstance(each, BalanceUpdate)]
        if self._is_total and len(known) > 1:
            return {"tiles": _totals(known)}
        return {"tiles": [_tile(each) for each in known]}


def _totals(records: Sequence[BalanceUpdate]) -> list[dict[str, str | None]]:
    """A tile for each currency, which is one; the time is that of the oldest part.

    It is stale as soon as a part is.
    """
    tiles = []
    for currency in dict.fromkeys(each.currency for each in records):
        parts = [each for each in records if each.currency == currency]
        oldest = min(parts, key=lambda each: each.timestamp)
        tiles.append(
            {
                **_tile(oldest),
                "account": f"{len(parts)} accounts",
                "stale_since": min(filter(None, map(_stale_since, parts)), default=None),
                "balance": format_money(_sum([each.balance for each in parts]), currency),
                "buying_power": format_money(_sum([each.buying_power for each in parts]), currency),
                "cash": format_money(_sum([each.cash for each in parts]), currency),
            }
        )
    return tiles


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; unknown as soon as a part is."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _stale_since(record: BalanceUpdate) -> str | None:
    return format_iso(record.timestamp) if record.stale else None


def _tile(record: BalanceUpdate) -> dict[str, str | None]:
    return {
        "account": record.account,
        "balance": format_money(record.balance, record.currency),
        "buying_power": format_money(record.buying_power, record.currency),
        "cash": format_money(record.cash, record.currency),
        "time": format_clock(record.timestamp),
        "datetime": format_iso(record.timestamp),
        "stale_since": _stale_since(record),
        "source": SOURCES.get(record.source, record.source),
    }
