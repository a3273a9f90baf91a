"""The orders panel: working orders first, then what was filled, cancelled or rejected today."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from markupsafe import escape

from gateway.pages.authoring.builder import PageError, check_symbols, current_builder
from gateway.pages.panel import Cells, RowChange
from gateway.pages.panels.holdings import (
    HoldingTable,
    check_accounts,
    names_of,
    write_row_name,
)
from gateway.pages.panels.sorting import Head, Sorting, is_rising
from gateway.pages.rendering.formats import (
    UNKNOWN,
    decimals_of,
    format_clock,
    format_number,
    format_quantity,
    parse_iso,
)
from gateway.streams.account_records import OrderUpdate
from gateway.streams.topics import Topic

HEADS = {
    "account": Head("Account"),
    "time": Head("Time", meaning="When the broker received it, in New York"),
    "status": Head("Status"),
    "type": Head("Type", meaning="Order type and time in force"),
    "price": Head("Price", meaning="cr: a credit, you receive it; db: a debit, you pay it"),
    "filled": Head("Filled", meaning="Executed, of how many"),
    "fill_price": Head("Fill", meaning="Average price of what was executed"),
}

COLUMNS = ("time", "status", "type", "price", "filled", "fill_price")

SORTS = {"symbol": "description", **{each: each for each in ("status", "price", "fill_price")}}
"""The columns that orders can be sorted by, and what they are in the record."""

SHOWN = ("all", "working")

BAD = frozenset({"Rejected", "Removed", "Partially Removed"})
GOOD = frozenset({"Filled"})


def orders(
    *accounts: str,
    show: str = "all",
    columns: Sequence[str] = COLUMNS,
    symbol: str | None = None,
    title: str | None = "Orders",
) -> None:
    """Place the orders of these accounts, or of all that the viewer may see.

    `show="working"` leaves out what is filled, cancelled or rejected; with `symbol` only orders for
    it or for options on it are shown.
    """
    builder = current_builder("orders")
    known = check_accounts("orders", accounts)
    if unknown := [each for each in columns if each not in HEADS]:
        raise PageError(f"orders: there is no column {unknown[0]!r}: {', '.join(HEADS)}")
    if show not in SHOWN:
        raise PageError(f"orders: show is one of {', '.join(SHOWN)}, not {show!r}")
    checked = check_symbols("orders", () if symbol is None else (symbol,))
    id = builder.new_id("orders")
    builder.add(
        OrdersPanel(
            id,
            known,
            columns,
            title,
            shows_all=show == "all",
            sorting=Sorting(builder.address, id, "", SORTS, is_rising),
            symbol=checked[0] if checked else None,
        )
    )


class OrdersPanel(HoldingTable):
    """A line for each order; a chain of replacements is one."""

    record_type: ClassVar[str] = "order_update"
    label: ClassVar[str] = "Orders"
    first: ClassVar[str] = "Order"
    style: ClassVar[str] = "holdings orders"
    empty: ClassVar[str] = "panels/orders_empty.html"
    document: ClassVar[str] = "/api/orders"

    def __init__(
        self,
        id: str,
        accounts: frozenset[str] | None,
        columns: Sequence[str],
        title: str | None,
        *,
        shows_all: bool,
        sorting: Sorting,
        symbol: str | None = None,
    ) -> None:
        super().__init__(id, accounts, columns, title)
        self.sorting = sorting
        self._names = None if symbol is None else names_of(symbol)
        self._shows_all = shows_all

    def head(self, column: str) -> Head:
        """The head of a column."""
        return HEADS[column]

    def order(self, records: Sequence[Any]) -> Sequence[int] | None:
        """Working orders first, then the newest; or as the viewer chose, what is unknown last."""

        def key(index: int) -> tuple[bool, int]:
            record = records[index]
            if not isinstance(record, OrderUpdate):
                return (True, 0)
            return (not record.is_working, -(parse_iso(record.received_at or "") or 0))

        shown = [index for index, record in enumerate(records) if self._is_shown(record)]
        shown.sort(key=key)
        sort = self.sorting.sort
        if not sort:
            return shown
        field = SORTS[sort.removeprefix("-")]
        values = [getattr(each, field, None) for each in records]
        known = [index for index in shown if values[index] is not None]
        order: dict[int, Any] = dict(enumerate(values))
        known.sort(key=order.__getitem__, reverse=not is_rising(sort))
        return known + [index for index in shown if values[index] is None]

    def _is_shown(self, record: Any) -> bool:
        if not isinstance(record, OrderUpdate):
            return self._shows_all and self._names is None
        if self._names is not None and self._names.isdisjoint(
            (record.underlying, *(leg.symbol for leg in record.legs))
        ):
            return False
        return self._shows_all or record.is_working

    def row_value(self, record: Any) -> Any:
        """What was executed: a fill flashes."""
        return record.filled if isinstance(record, OrderUpdate) else None

    def row_cells(self, key: Topic, record: Any, move: RowChange) -> Cells:
        """The legs in words, then a cell for each column."""
        if not isinstance(record, OrderUpdate):
            blank = ["", UNKNOWN] * len(self.columns)
            return ("waiting", write_row_name(key.subject, "waiting…"), *blank)
        state = "stale" if record.stale else "" if record.is_working else "over"
        tooltip = " · ".join(
            [f"order {record.order_id}", f"account {record.account}"]
            + ([f"replaces {record.replaces}"] if record.replaces else [])
        )
        since = (record.updated_at or "") if record.stale else ""
        name = write_row_name(
            record.description, record.reject_reason or "", tooltip, since, _opens(record)
        )
        cells = [state, name]
        for column in self.columns:
            cells += CELLS[column](record, move)
        return tuple(cells)


def _opens(record: OrderUpdate) -> str | None:
    """Return whose page an order leads to: its only leg's, else its underlying's."""
    return record.legs[0].symbol if len(record.legs) == 1 else record.underlying


def _status(record: OrderUpdate) -> tuple[str, str]:
    css = "bad" if record.status in BAD else "good" if record.status in GOOD else ""
    return css, escape(record.status)


def _price(value: Decimal | None) -> str:
    """Return a signed price as traders write it: `1.25 cr`."""
    if value is None:
        return UNKNOWN
    side = " cr" if value > 0 else " db" if value < 0 else ""
    return f"{format_number(abs(value), min(decimals_of(value), 4))}{side}"


CELLS: dict[str, Callable[[OrderUpdate, RowChange], tuple[str, str]]] = {
    "account": lambda record, move: ("", escape(record.account)),
    "time": lambda record, move: ("", format_clock(parse_iso(record.received_at or ""))),
    "status": lambda record, move: _status(record),
    "type": lambda record, move: (
        "",
        escape(" ".join(filter(None, (record.order_type, record.time_in_force))) or UNKNOWN),
    ),
    "price": lambda record, move: ("", _price(record.price)),
    "filled": lambda record, move: (
        f"c-last flash-{move.flash}" if move.flash else "",
        f"{format_quantity(record.filled)} of {format_quantity(record.size)}",
    ),
    "fill_price": lambda record, move: ("", _price(record.fill_price)),
}
"""The class and the content of a cell, by column."""
