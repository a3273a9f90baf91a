"""The net liquidating value of accounts as a line, with the value of this moment at its end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, get_args

from gateway.pages.authoring.address import Address
from gateway.pages.authoring.builder import PageError, current_builder
from gateway.pages.panel import HistoryPanel, HistoryQuestion, Key
from gateway.pages.panels.holdings import check_accounts
from gateway.pages.rendering.formats import (
    EXCHANGE_TIME,
    direction_of,
    format_iso,
    format_money,
    format_percent,
    parse_iso,
)
from gateway.streams.account_records import BalanceUpdate, PortfolioUpdate
from gateway.streams.documents import Back, NetLiqHistory
from gateway.streams.topics import Topic, TopicPattern

RANGES: tuple[Back, ...] = get_args(Back)

WORDS: dict[Back, str] = {
    "1d": "Today",
    "1w": "1 week",
    "1m": "1 month",
    "3m": "3 months",
    "6m": "6 months",
    "1y": "1 year",
    "all": "All",
}

OF_THE_DAY = "Since yesterday's close, without deposits and withdrawals"
OF_THE_RANGE = "Since the first point, deposits and withdrawals included"

WIDTH, HEIGHT = 400, 100
MARGIN = 2
"""Above and below the line, so that its own width stays inside."""
MOST_POINTS = 160


def net_liq(account: str | None = None, back: str = "1d", title: str | None = None) -> None:
    """Place the net liquidating value over time, of an account or of each that the viewer may see.

    `back` is one of `RANGES`; viewers choose another on the panel.
    """
    builder = current_builder("net_liq")
    accounts = check_accounts("net_liq", () if account is None else (account,))
    if back not in RANGES:
        raise PageError(
            f'net_liq: back is one of {", ".join(RANGES)}, not {back!r}: write net_liq(back="1m")'
        )
    id = builder.new_id("netliq")
    chosen = builder.address.choice(id, "back")
    shown = next(each for each in RANGES if each == (chosen if chosen in RANGES else back))
    builder.add(NetLiqPanel(id, accounts, shown, title or "Net liquidating value", builder.address))


class Range(NamedTuple):
    """A range as a link."""

    name: Back
    words: str
    link: str
    is_chosen: bool


class NetLiqPanel(HistoryPanel):
    """A line for each account, live."""

    template: ClassVar[str] = "panels/net_liq.html"
    frame: ClassVar[str] = "panels/net_liq_frame.html"
    pause_s: float = 1.0

    def __init__(
        self,
        id: str,
        accounts: frozenset[str] | None,
        back: Back,
        title: str,
        address: Address,
    ) -> None:
        super().__init__(id)
        self.title = title
        self.back = back
        self._accounts = accounts
        self._address = address

    @property
    def ranges(self) -> list[Range]:
        """All, for the frame."""
        return [
            Range(
                each,
                WORDS[each],
                self._address.link(self.id, "back", each),
                each == self.back,
            )
            for each in RANGES
        ]

    def keys(self) -> tuple[Key, ...]:
        """The balance and the portfolio of every account that the page names, or of all."""
        return (
            TopicPattern("balance_update", self._accounts),
            TopicPattern("portfolio_update", self._accounts),
        )

    def histories(self, topics: Sequence[Topic | None]) -> Sequence[HistoryQuestion]:
        """That of each account that has a balance."""
        return [
            HistoryQuestion(each.owner, self.back)
            for each in topics
            if each is not None and each.kind == "balance_update"
        ]

    def context(self, records: Sequence[Any], now_ms: int) -> dict[str, Any]:
        """A line for each account."""
        balances = [each for each in records if isinstance(each, BalanceUpdate)]
        portfolios = {
            (each.login, each.account): each
            for each in records
            if isinstance(each, PortfolioUpdate)
        }
        answers = records[len(records) - len(balances) :]
        return {
            "back": WORDS[self.back],
            "lines": [
                self._line(each, portfolios.get((each.login, each.account)), answer)
                for each, answer in zip(balances, answers, strict=True)
            ],
        }

    def _line(
        self,
        balance: BalanceUpdate,
        portfolio: PortfolioUpdate | None,
        answer: NetLiqHistory | str | None,
    ) -> dict[str, Any]:
        now = portfolio.net_liq if portfolio is not None else None
        now = balance.balance if now is None else now
        history = answer if isinstance(answer, NetLiqHistory) else None
        values = [each.close for each in history.points] if history is not None else []
        is_day = self.back == "1d" and portfolio is not None and portfolio.day_change is not None
        change = portfolio.day_change if is_day and portfolio is not None else None
        if change is None and values:
            change = now - values[0]
        base = None if change is None else now - change
        stale_since = format_iso(balance.timestamp) if balance.stale else None
        if stale_since is None and portfolio is not None and portfolio.stale:
            stale_since = portfolio.updated_at
        return {
            "account": balance.account,
            "value": format_money(now, balance.currency),
            "change": _signed(change, balance.currency),
            "percent": format_percent(100 * change / base) if change is not None and base else "",
            "direction": direction_of(change),
            "meaning": OF_THE_DAY if is_day else OF_THE_RANGE,
            "stale_since": stale_since,
            "problem": _explain(answer),
            **draw([*values, now] if values else [], base),
            "low": format_money(min([*values, now]), balance.currency) if values else "",
            "high": format_money(max([*values, now]), balance.currency) if values else "",
            "begins": _write_time(history.points[0].time, self.back) if history and values else "",
        }


def draw(values: Sequence[Decimal], base: Decimal | None) -> dict[str, Any]:
    """Return the line's points, the place of its end and of `base`; empty with less than two.

    Points stand side by side whatever lies between them: nights and weekends have no width.
    """
    if len(values) < 2:
        return {"points": "", "end": None, "base": None}
    every = -(-len(values) // MOST_POINTS)
    # From the end backwards, so that the newest is always among them.
    chosen = [float(each) for each in values[::-1][::every]][::-1]
    seen = [*chosen, *([] if base is None else [float(base)])]
    low, high = min(seen), max(seen)

    def place(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)

    step = WIDTH / max(len(chosen) - 1, 1)
    points = " ".join(f"{round(i * step, 1):g},{place(each):g}" for i, each in enumerate(chosen))
    return {
        "points": points,
        "end": f"{place(chosen[-1]):g}",
        "base": None if base is None else f"{place(float(base)):g}",
    }


def _signed(change: Decimal | None, currency: str) -> str:
    if change is None:
        return ""
    return f"{'+' if change > 0 else ''}{format_money(change, currency)}"


def _explain(answer: NetLiqHistory | str | None) -> str:
    if answer is None:
        return "Asking the broker for the history…"
    if isinstance(answer, str):
        return answer
    return "" if answer.points else "The broker has no history of this range yet."


def _write_time(text: str, back: Back) -> str:
    time_ms = parse_iso(text)
    if time_ms is None:
        return ""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(EXCHANGE_TIME)
    if back == "1d":
        return f"{moment:%H:%M} ET"
    return f"{moment.day} {moment:%b %y}"
