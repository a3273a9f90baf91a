"""The balance panel: a tile an account, for those accounts that the viewer may see."""

from collections.abc import Sequence
from typing import Any, ClassVar

from gateway.pages.formats import format_clock, format_iso, format_money
from gateway.pages.panel import FragmentPanel
from gateway.streams.events import BalanceUpdate, Key, Record

SOURCES = {"account_stream": "streamed", "rest": "polled"}


class BalancePanel(FragmentPanel):
    """Net liquidating value, buying power and cash of each account."""

    template: ClassVar[str] = "panels/balance.html"
    frame: ClassVar[str] = "panels/balance_frame.html"
    is_private: ClassVar[bool] = True

    def keys(self, accounts: Sequence[str]) -> tuple[Key, ...]:
        """A balance per account."""
        return tuple(("balance_update", account) for account in accounts)

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """A tile per account of which something is known."""
        return {"tiles": [_tile(each) for each in records if isinstance(each, BalanceUpdate)]}


def _tile(record: BalanceUpdate) -> dict[str, str]:
    return {
        "account": record.account,
        "balance": format_money(record.balance, record.currency),
        "buying_power": format_money(record.buying_power, record.currency),
        "cash": format_money(record.cash, record.currency),
        "time": format_clock(record.timestamp),
        "datetime": format_iso(record.timestamp),
        "source": SOURCES.get(record.source, record.source),
    }
