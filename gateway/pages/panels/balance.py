"""The balance panel: a tile an account, or one of their sum; only what the viewer may see."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from gateway.pages.authoring.builder import current_builder
from gateway.pages.panel import FragmentPanel, Key
from gateway.pages.panels.holdings import check_accounts
from gateway.pages.rendering.formats import direction_of, format_clock, format_iso, format_money
from gateway.streams.account_records import BalanceUpdate, PortfolioUpdate
from gateway.streams.records import Record
from gateway.streams.topics import TopicPattern

SOURCES = {"account_stream": "streamed", "rest": "polled"}


def balance(*accounts: str, total: bool = False) -> None:
    """Place the balances of these accounts, or of all that the viewer may see.

    With `total=True` one tile has their sum.
    """
    builder = current_builder("balance")
    known = check_accounts("balance", accounts)
    builder.add(BalancePanel(builder.new_id("balance"), known, is_total=total))


class BalancePanel(FragmentPanel):
    """What each account is worth now, its gains, buying power and cash; or all together."""

    template: ClassVar[str] = "panels/balance.html"
    frame: ClassVar[str] = "panels/balance_frame.html"
    is_private: bool = True
    pause_s: float = 0.5

    def __init__(
        self, id: str, accounts: frozenset[str] | None = None, *, is_total: bool = False
    ) -> None:
        super().__init__(id)
        self._accounts = accounts
        self._is_total = is_total

    def keys(self) -> tuple[Key, ...]:
        """The balance and the portfolio of every account that the page names, or of all."""
        return (
            TopicPattern("balance_update", self._accounts),
            TopicPattern("portfolio_update", self._accounts),
        )

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """A tile per account of which something is known."""
        portfolios = {
            (each.login, each.account): each
            for each in records
            if isinstance(each, PortfolioUpdate)
        }
        known = [
            _read(each, portfolios.get((each.login, each.account)))
            for each in records
            if isinstance(each, BalanceUpdate)
        ]
        if self._is_total and len(known) > 1:
            known = _add_up(known)
        return {"tiles": [_tile(each) for each in known]}


class _Account(NamedTuple):
    """What a tile shows, of one account or of several of one currency."""

    name: str
    currency: str
    net_liq: Decimal | None
    day_change: Decimal | None
    pnl_day: Decimal | None
    pnl_open: Decimal | None
    buying_power: Decimal | None
    cash: Decimal | None
    unknown: int
    missing_basis: int
    timestamp: int
    source: str
    stale_since: str | None


def _read(balance: BalanceUpdate, portfolio: PortfolioUpdate | None) -> _Account:
    """Join both: the broker's figure is moved by the positions, where they are known."""
    net_liq = portfolio.net_liq if portfolio is not None else None
    return _Account(
        name=balance.account,
        currency=balance.currency,
        net_liq=balance.balance if net_liq is None else net_liq,
        day_change=portfolio.day_change if portfolio is not None else None,
        pnl_day=portfolio.pnl_day if portfolio is not None else None,
        pnl_open=portfolio.pnl_open if portfolio is not None else None,
        buying_power=balance.buying_power,
        cash=balance.cash,
        unknown=portfolio.unknown if portfolio is not None else 0,
        missing_basis=portfolio.missing_basis if portfolio is not None else 0,
        timestamp=balance.timestamp,
        source=balance.source,
        stale_since=_stale_since(balance, portfolio),
    )


def _stale_since(balance: BalanceUpdate, portfolio: PortfolioUpdate | None) -> str | None:
    if balance.stale:
        return format_iso(balance.timestamp)
    return portfolio.updated_at if portfolio is not None and portfolio.stale else None


def _add_up(accounts: Sequence[_Account]) -> list[_Account]:
    """Return one for each currency; its time is that of the oldest part, and so is its age."""
    found = []
    for currency in dict.fromkeys(each.currency for each in accounts):
        parts = [each for each in accounts if each.currency == currency]
        oldest = min(parts, key=lambda each: each.timestamp)
        found.append(
            oldest._replace(
                name=f"{len(parts)} accounts",
                net_liq=_sum([each.net_liq for each in parts]),
                day_change=_sum([each.day_change for each in parts]),
                pnl_day=_sum([each.pnl_day for each in parts]),
                pnl_open=_sum([each.pnl_open for each in parts]),
                buying_power=_sum([each.buying_power for each in parts]),
                cash=_sum([each.cash for each in parts]),
                unknown=sum(each.unknown for each in parts),
                missing_basis=sum(each.missing_basis for each in parts),
                stale_since=min(
                    (each.stale_since for each in parts if each.stale_since), default=None
                ),
            )
        )
    return found


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; unknown as soon as a part is."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _tile(account: _Account) -> dict[str, Any]:
    def gain(value: Decimal | None) -> dict[str, str]:
        text = format_money(value, account.currency)
        sign = "+" if value is not None and value > 0 else ""
        return {"direction": direction_of(value), "text": f"{sign}{text}"}

    return {
        "account": account.name,
        "balance": format_money(account.net_liq, account.currency),
        "day_change": gain(account.day_change),
        "pnl_day": gain(account.pnl_day),
        "pnl_open": gain(account.pnl_open),
        "unknown": account.unknown,
        "missing_basis": account.missing_basis,
        "buying_power": format_money(account.buying_power, account.currency),
        "cash": format_money(account.cash, account.currency),
        "time": format_clock(account.timestamp),
        "datetime": format_iso(account.timestamp),
        "stale_since": account.stale_since,
        "source": SOURCES.get(account.source, account.source),
    }
