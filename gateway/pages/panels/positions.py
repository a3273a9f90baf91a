"""The positions panel: what is held, by underlying, what it is worth and what it gained.

Figures are those of `position_update`; sums say how many positions are in none of them.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from markupsafe import escape

from gateway.pages.authoring.builder import PageError, current_builder
from gateway.pages.panel import Cells, RowChange
from gateway.pages.panels.holdings import HoldingTable, check_accounts, write_row_name
from gateway.pages.panels.table import Head
from gateway.pages.rendering.formats import (
    UNKNOWN,
    decimals_of,
    direction_of,
    format_change,
    format_number,
    format_percent,
    format_quantity,
)
from gateway.portfolio.totals import Totals
from gateway.streams.account_records import PositionUpdate
from gateway.streams.records import Record
from gateway.streams.topics import NOBODY, Topic

HEADS = {
    "account": Head("Account"),
    "quantity": Head("Qty", meaning="Quantity; short is negative"),
    "trade": Head("Trade", meaning="Average price paid or received for one unit"),
    "mark": Head(
        "Mark",
        meaning="What one unit is valued at: shares at the last trade within bid and ask, options "
        "and coins at the middle of bid and ask",
    ),
    "pnl_day": Head(
        "P/L day",
        meaning="(Mark − the day's basis) × quantity × multiplier, and what was realized today",
    ),
    "pnl_open": Head(
        "P/L open", meaning="(Mark − trade) × quantity × multiplier, and what was realized today"
    ),
    "pnl_open_pct": Head("P/L %", meaning="P/L open in per cent of what was paid"),
    "beta_delta": Head(
        "βΔ", meaning="Delta weighted by beta: as many shares of SPY move as much as this position"
    ),
    "delta": Head("Δ", meaning="Delta of the whole position"),
    "gamma": Head("Γ", meaning="Gamma of the whole position"),
    "theta": Head("Θ", meaning="Theta of the whole position: a day costs or brings so much"),
    "vega": Head("Vega", meaning="Vega of the whole position"),
    "iv_rank": Head("IV rank", meaning="Rank of the underlying's implied volatility in a year"),
    "dte": Head("DTE", meaning="Days to expiration"),
    "realized": Head("Realized", meaning="Realized today, measured from the day's basis"),
    "value": Head("Value", meaning="Mark × quantity × multiplier; short is negative"),
}
"""The columns by their names, in the order of the documentation."""

COLUMNS = (
    *("quantity", "trade", "mark", "pnl_day", "pnl_open", "pnl_open_pct"),
    *("beta_delta", "theta", "dte", "value"),
)

SORTS = ("symbol", "value", "pnl_day", "pnl_open", "pnl_open_pct", "beta_delta", "theta", "dte")

GROUP = "position_group"
"""The kind of the topics of sum lines: no record is published under it."""

ALL = ""
"""The subject of the line that sums up everything."""

ALL_NAME = "All positions"

PRICE_DECIMALS = 4
"""At most: an average price has more, which mean nothing."""

SOURCES = {
    "last": "marked at the last trade",
    "mid": "marked in the middle of bid and ask",
    "theo": "marked at the theoretical price",
    "rest": "marked as the broker last said",
}


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """A sum line: of all positions, or of one underlying."""

    name: str
    count: int
    totals: Totals
    is_all: bool = False


def positions(
    *accounts: str,
    columns: Sequence[str] = COLUMNS,
    group: str | None = "underlying",
    sort: str = "symbol",
    title: str | None = "Positions",
) -> None:
    """Place the positions of these accounts, or of all that the viewer may see.

    With `group="underlying"` there is a sum line for each underlying that has several. `sort` is
    one of `SORTS`, with a minus the other way round; groups are sorted by their sums.
    """
    builder = current_builder("positions")
    known = check_accounts("positions", accounts)
    if unknown := [each for each in columns if each not in HEADS]:
        raise PageError(f"positions: there is no column {unknown[0]!r}: {', '.join(HEADS)}")
    if group not in ("underlying", None):
        raise PageError(f'positions: group is "underlying" or None, not {group!r}')
    if sort.removeprefix("-") not in SORTS:
        raise PageError(f"positions: sort is one of {', '.join(SORTS)}, not {sort!r}")
    panel = PositionsPanel(
        builder.new_id("positions"), known, columns, title, is_grouped=group is not None, sort=sort
    )
    builder.add(panel)


class PositionsPanel(HoldingTable):
    """A line for each position, sum lines above those of one underlying, the sum of all on top."""

    record_type: ClassVar[str] = "position_update"
    label: ClassVar[str] = "Positions"
    first: ClassVar[str] = "Position"
    style: ClassVar[str] = "holdings positions"
    empty: ClassVar[str] = "panels/positions_empty.html"
    document: ClassVar[str] = "/api/positions"

    def __init__(
        self,
        id: str,
        accounts: frozenset[str] | None,
        columns: Sequence[str],
        title: str | None,
        *,
        is_grouped: bool,
        sort: str,
    ) -> None:
        super().__init__(id, accounts, columns, title)
        self._is_grouped = is_grouped
        self._is_descending = sort.startswith("-")
        self._sort = sort.removeprefix("-")

    def head(self, column: str) -> Head:
        """The head of a column."""
        return HEADS[column]

    def row_value(self, record: Any) -> Any:
        """The mark of a position; sums do not flash."""
        return record.mark if isinstance(record, PositionUpdate) else None

    def summaries(
        self, topics: Sequence[Topic], records: Sequence[Record | None]
    ) -> Mapping[Topic, Sums]:
        """The sum of all, and of each underlying with several positions."""
        known = [each for each in records if isinstance(each, PositionUpdate)]
        if len(known) < 2:
            return {}
        found = {Topic(GROUP, NOBODY, ALL): _sum_up(ALL_NAME, known, is_all=True)}
        if self._is_grouped:
            for underlying in dict.fromkeys(each.underlying for each in known):
                parts = [each for each in known if each.underlying == underlying]
                if len(parts) > 1:
                    found[Topic(GROUP, NOBODY, underlying)] = _sum_up(underlying, parts)
        return found

    def summary_of(self, record: Any) -> Topic | None:
        """The sum of its underlying."""
        if not self._is_grouped or not isinstance(record, PositionUpdate):
            return None
        return Topic(GROUP, NOBODY, record.underlying)

    def order(self, records: Sequence[Any]) -> Sequence[int] | None:
        """The sum of all first, then each underlying's sum before its positions."""
        sums = [each for each in records if isinstance(each, Sums)]
        groups = {each.name: each for each in sums if not each.is_all}

        def key(record: Any) -> tuple[Any, ...]:
            if isinstance(record, Sums):
                return (not record.is_all, self._rank(record, record.name), record.name, 0)
            if not isinstance(record, PositionUpdate):
                return (2,)
            own = self._rank(record, _describe(record))
            if not self._is_grouped:
                return (1, own)
            name = record.underlying
            return (1, self._rank(groups.get(name, record), name), name, 1, own)

        return sorted(range(len(records)), key=lambda index: key(records[index]))

    def _rank(self, record: Any, name: str) -> tuple[Any, ...]:
        """Return what a row is sorted by: unknown values last, names where values are equal."""
        value = _read_sort(record, self._sort) if self._sort != "symbol" else None
        if value is None:
            return (1, 0, name)
        return (0, -value if self._is_descending else value, name)

    def row_cells(self, key: Topic, record: Any, move: RowChange) -> Cells:
        """The name, then a figure for each column."""
        if isinstance(record, Sums):
            return self._sum_cells(record)
        if not isinstance(record, PositionUpdate):
            blank = ["", UNKNOWN] * len(self.columns)
            return ("waiting", write_row_name(key.subject, "waiting…"), *blank)
        state = "stale" if record.stale else "closed" if not record.quantity else ""
        name = write_row_name(
            _describe(record),
            "closed today" if state == "closed" else "",
            _explain(record),
            record.updated_at if record.stale else "",
        )
        cells = [f"{state} part".strip() if move.is_part else state, name]
        for column in self.columns:
            cells += CELLS[column](record, move)
        return tuple(cells)

    def _sum_cells(self, sums: Sums) -> Cells:
        totals = sums.totals
        notes = [f"{sums.count} positions"]
        if totals.unknown:
            notes.append(f"{totals.unknown} without a mark, in no sum")
        cells = ["total" if sums.is_all else "group"]
        cells.append(write_row_name(sums.name, ", ".join(notes)))
        for column in self.columns:
            cells += _sum_cell(column, totals)
        return tuple(cells)


def _describe(record: PositionUpdate) -> str:
    return record.description or record.symbol or record.broker_symbol


def _explain(record: PositionUpdate) -> str:
    """Return the inputs of a row's figures, for its tooltip."""
    parts = [
        record.broker_symbol,
        f"account {record.account}",
        f"{format_quantity(record.quantity)} × {format_quantity(record.multiplier)}",
        f"opened at {_price(record.average_open_price)}",
        f"the day counts from {_price(record.day_basis)}",
        SOURCES.get(record.mark_source or "", "no mark is known"),
    ]
    return " · ".join(parts)


def _sum_up(name: str, records: Sequence[PositionUpdate], *, is_all: bool = False) -> Sums:
    totals = sum(map(_totals_of, records), Totals())
    return Sums(name=name, count=len(records), totals=totals, is_all=is_all)


def _totals_of(record: PositionUpdate) -> Totals:
    """As `gateway.portfolio.totals`: a position without a mark is in no sum."""
    zero = Decimal(0)
    if record.value is None:
        return Totals(unknown=1, missing_greeks=1, is_stale=record.stale)
    return Totals(
        value=record.value,
        pnl_open=record.pnl_open or zero,
        pnl_day=record.pnl_day or zero,
        realized_day=record.realized_day,
        delta=record.delta or zero,
        theta=record.theta or zero,
        beta_delta=record.beta_delta or zero,
        missing_greeks=int(None in (record.delta, record.theta, record.beta_delta)),
        is_stale=record.stale,
    )


def _read_sort(record: Any, name: str) -> Any:
    if isinstance(record, Sums):
        return getattr(record.totals, name, None)
    return getattr(record, "days_to_expiration" if name == "dte" else name, None)


def _price(value: Decimal | None) -> str:
    return format_number(value, min(decimals_of(value), PRICE_DECIMALS))


def _money(value: Decimal | None) -> tuple[str, str]:
    return direction_of(value), format_change(value)


def _plain(value: Decimal | None, decimals: int = 2) -> tuple[str, str]:
    return "", format_number(value, decimals)


CELLS: dict[str, Callable[[PositionUpdate, RowChange], tuple[str, str]]] = {
    "account": lambda record, move: ("", escape(record.account)),
    "quantity": lambda record, move: ("", format_quantity(record.quantity)),
    "trade": lambda record, move: ("", _price(record.average_open_price)),
    "mark": lambda record, move: (
        f"c-last flash-{move.flash}" if move.flash else "c-last",
        _price(record.mark),
    ),
    "pnl_day": lambda record, move: _money(record.pnl_day),
    "pnl_open": lambda record, move: _money(record.pnl_open),
    "pnl_open_pct": lambda record, move: (
        direction_of(record.pnl_open_pct),
        format_percent(record.pnl_open_pct),
    ),
    "beta_delta": lambda record, move: _plain(record.beta_delta),
    "delta": lambda record, move: _plain(record.delta),
    "gamma": lambda record, move: _plain(record.gamma, 4),
    "theta": lambda record, move: _plain(record.theta),
    "vega": lambda record, move: _plain(record.vega),
    "iv_rank": lambda record, move: ("", _percent(record.implied_volatility_rank)),
    "dte": lambda record, move: (
        "",
        "" if record.days_to_expiration is None else f"{record.days_to_expiration}",
    ),
    "realized": lambda record, move: _money(record.realized_day or None),
    "value": lambda record, move: _plain(record.value),
}
"""The class and the content of a position's cell, by column."""

SUMMED = frozenset({"pnl_day", "pnl_open", "beta_delta", "delta", "theta", "value"})


def _sum_cell(column: str, totals: Totals) -> tuple[str, str]:
    if column == "realized":
        return _money(totals.realized_day or None)
    if column not in SUMMED:
        return "", ""
    value = getattr(totals, column)
    return _money(value) if column.startswith("pnl") else _plain(value)


def _percent(fraction: Decimal | None) -> str:
    text = format_number(None if fraction is None else fraction * 100, 0)
    return text if text == UNKNOWN else f"{text}%"
