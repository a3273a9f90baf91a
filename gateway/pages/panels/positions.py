"""The positions panel: what is held, by underlying, what it is worth and what it gained.

Figures are those of `position_update`; sums say how many positions are in none of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeGuard

import msgspec
from markupsafe import Markup

from gateway.pages.authoring.address import Address
from gateway.pages.authoring.builder import PageError, check_symbols, current_builder
from gateway.pages.panel import Cells, RowChange
from gateway.pages.panels.holdings import (
    HoldingTable,
    check_accounts,
    names_of,
    write_row_name,
)
from gateway.pages.panels.position_cells import CELLS, COLUMNS, HEADS, explain_position, write_sum
from gateway.pages.panels.sorting import Head, Sorting, is_rising
from gateway.pages.rendering.formats import (
    UNKNOWN,
)
from gateway.portfolio.totals import Totals, total
from gateway.streams.account_records import PositionUpdate
from gateway.streams.records import Record
from gateway.streams.symbols import is_option
from gateway.streams.topics import NOBODY, Topic

SORTS = ("symbol", *(each for each in HEADS if each != "account"))

FIELDS = {
    "trade": "average_open_price",
    "iv_rank": "implied_volatility_rank",
    "dte": "days_to_expiration",
    "realized": "realized_day",
}
"""What a column is in the record, where its name is another."""

FOLDED = "*"
"""Among the names of groups: all are folded but those."""

GROUP = "position_group"
"""The kind of the topics of sum lines: no record is published under it."""

ALL = ""
"""The subject of the line that sums up everything."""

ALL_NAME = "All positions"


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """A sum line: of all positions, or of one underlying."""

    name: str
    count: int
    totals: Totals
    is_all: bool = False
    has_options: bool = False


def positions(
    *accounts: str,
    columns: Sequence[str] = COLUMNS,
    group: str | None = "underlying",
    sort: str = "symbol",
    symbol: str | None = None,
    title: str | None = "Positions",
) -> None:
    """Place the positions of these accounts, or of all that the viewer may see.

    With `group="underlying"` there is a sum line for each underlying that has several. `sort` is
    one of `SORTS`, with a minus the other way round; groups are sorted by their sums. With
    `symbol` only what is held of it or on it is shown.
    """
    builder = current_builder("positions")
    known = check_accounts("positions", accounts)
    if unknown := [each for each in columns if each not in HEADS]:
        raise PageError(f"positions: there is no column {unknown[0]!r}: {', '.join(HEADS)}")
    if group not in ("underlying", None):
        raise PageError(f'positions: group is "underlying" or None, not {group!r}')
    if sort.removeprefix("-") not in SORTS:
        raise PageError(f"positions: sort is one of {', '.join(SORTS)}, not {sort!r}")
    checked = check_symbols("positions", () if symbol is None else (symbol,))
    id = builder.new_id("positions")
    panel = PositionsPanel(
        id,
        known,
        columns,
        title,
        is_grouped=group is not None,
        sorting=Sorting(builder.address, id, sort, SORTS, is_rising),
        address=builder.address,
        symbol=checked[0] if checked else None,
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
        sorting: Sorting,
        address: Address,
        symbol: str | None = None,
    ) -> None:
        super().__init__(id, accounts, columns, title)
        self.sorting = sorting
        self._is_grouped = is_grouped
        self._is_descending = not is_rising(sorting.sort)
        self._sort = sorting.sort.removeprefix("-")
        self._address = address
        self._names = None if symbol is None else names_of(symbol)
        self._folded = frozenset(filter(None, address.choice(id, "fold").split(",")))

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
        known = [each for each in records if self._concerns(each)]
        if len(known) < 2:
            return {}
        is_one = self._is_grouped and len({each.underlying for each in known}) == 1
        found = (
            {}  # the sum of the only underlying says it all
            if is_one and self._names is not None
            else {Topic(GROUP, NOBODY, ALL): _sum_up(ALL_NAME, known, is_all=True)}
        )
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
        shown = [index for index, each in enumerate(records) if self._is_shown(each, sums)]
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

        return sorted(shown, key=lambda index: key(records[index]))

    def _concerns(self, record: Any) -> TypeGuard[PositionUpdate]:
        """Whether it is a position, and one that the page asks for."""
        if not isinstance(record, PositionUpdate):
            return False
        return self._names is None or not self._names.isdisjoint(
            (record.symbol, record.broker_symbol, record.underlying)
        )

    def _is_shown(self, record: Any, sums: Sequence[Sums]) -> bool:
        if isinstance(record, Sums):
            return True
        if not isinstance(record, PositionUpdate):
            return self._names is None
        has_sum = any(each.name == record.underlying for each in sums if not each.is_all)
        return self._concerns(record) and not (has_sum and self._is_folded(record.underlying))

    def _is_folded(self, name: str) -> bool:
        return (FOLDED in self._folded) != (name in self._folded)

    def _write_fold(self, sums: Sums) -> Markup:
        """Return the sign before the name of a sum, which folds what is below it."""
        is_folded = FOLDED in self._folded if sums.is_all else self._is_folded(sums.name)
        # Of all: whatever was folded by itself is as the others are.
        chosen = frozenset() if sums.is_all and is_folded else frozenset({FOLDED})
        names = chosen if sums.is_all else self._folded ^ {sums.name}
        return Markup('<a class="fold" href="{}" aria-label="{} {}">{}</a>').format(
            self._address.link(self.id, "fold", ",".join(sorted(names))),
            "Unfold" if is_folded else "Fold",
            sums.name,
            "▸" if is_folded else "▾",
        )

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
            explain_position(record),
            record.updated_at if record.stale else "",
            record.symbol,
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
        if totals.missing_basis:
            notes.append(f"{totals.missing_basis} without a basis, in no P/L")
        cells = ["total" if sums.is_all else "group"]
        underlying = sums.name if sums.has_options and not sums.is_all else ""
        name = write_row_name(sums.name, ", ".join(notes), options_on=underlying)
        cells.append(f"{self._write_fold(sums)}{name}" if self._is_grouped else name)
        for column in self.columns:
            cells += write_sum(column, totals)
        return tuple(cells)


def _describe(record: PositionUpdate) -> str:
    return record.description or record.symbol or record.broker_symbol


def _sum_up(name: str, records: Sequence[PositionUpdate], *, is_all: bool = False) -> Sums:
    totals = total(records)
    # Of a future's options the underlying is a contract, and a chain is of a product.
    has_options = name[:1] != "/" and any(is_option(each.symbol or "") for each in records)
    return Sums(
        name=name, count=len(records), totals=totals, is_all=is_all, has_options=has_options
    )


def _read_sort(record: Any, name: str) -> Any:
    if isinstance(record, Sums):
        return getattr(record.totals, name, None)
    return getattr(record, FIELDS.get(name, name), None)
