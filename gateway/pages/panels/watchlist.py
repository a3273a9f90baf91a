"""`watchlist(…)`: rows of quotes with the columns that one chooses, or the viewer's own list."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import Any, ClassVar

from markupsafe import Markup

from gateway.pages.authoring.builder import PageError, check_symbols, current_builder
from gateway.pages.panel import Cells, FragmentPanel, RowChange
from gateway.pages.panels.sorting import Head, Sorting
from gateway.pages.panels.sparkline import SparklinePanel
from gateway.pages.panels.table import (
    REMEMBERED,
    SymbolTable,
    write_change,
    write_name,
    write_price,
)
from gateway.pages.rendering.formats import (
    MIN_DECIMALS,
    UNKNOWN,
    direction_of,
    format_quantity,
    is_known,
)
from gateway.pages.rendering.options import describe_option
from gateway.pages.rendering.ticks import decimals_for
from gateway.streams.records import QuoteUpdate, Record
from gateway.streams.topics import Topic

COLUMNS = {
    "last": "Last",
    "change": "Change",
    "change_pct": "Change %",
    "bid": "Bid",
    "ask": "Ask",
    "bid_size": "Bid size",
    "ask_size": "Ask size",
    "low": "Low",
    "high": "High",
    "volume": "Volume",
    "day": "Day",
}
DEFAULT_COLUMNS = ("last", "change", "change_pct", "day", "bid", "ask", "volume")

OWN_COLUMNS = (
    *("last", "change", "change_pct", "bid_size", "bid", "ask", "ask_size"),
    *("low", "range", "high", "volume"),
)
"""Of the viewer's own list."""

SORTS = ("symbol", "last", "change", "change_pct", "volume")

RANGE_STEPS = 97
"""The mark's place in percent when it is at the high; it is 3 % wide."""

LAST = {"": "c-last", "up": "c-last flash-up", "down": "c-last flash-down"}
CHANGE = {"up": "c-change up", "down": "c-change down", "flat": "c-change", "unknown": "c-change"}
PERCENT = {"up": "c-pct up", "down": "c-pct down", "flat": "c-pct", "unknown": "c-pct"}
"""Classes: the flash of a price, and which way the day went."""


def watchlist(
    *symbols: str,
    columns: Sequence[str] = DEFAULT_COLUMNS,
    sort: str | None = None,
    title: str | None = None,
    editable: bool = False,
) -> None:
    """Place a row for each symbol, with these columns.

    `sort="change_pct"` keeps the largest on top, `"-change_pct"` the smallest. `editable=True` is
    for the viewer's own list, with a field to add symbols and every column.
    """
    builder = current_builder("watchlist")
    checked = check_symbols("watchlist", symbols)
    id = builder.new_id("watchlist")
    if editable:
        if builder.new_id("editable") != "editable":
            raise PageError("watchlist: a page has one editable list; leave out editable=True here")
        builder.add(WatchlistPanel(id, checked))
        return
    if not checked:
        raise PageError('watchlist(): name its symbols: watchlist("SPY", "AAPL")')
    if isinstance(columns, str):
        raise PageError(f'watchlist: columns is a list: write columns=["{columns}"]')
    for column in columns:
        if column not in COLUMNS:
            raise PageError(
                f"watchlist: there is no column {column!r}; there are {', '.join(COLUMNS)}"
            )
    if sort is not None and sort.removeprefix("-") not in SORTS:
        raise PageError(
            f"watchlist: it cannot be sorted by {sort!r}, but by {', '.join(SORTS)}; "
            'with a minus, as in "-change_pct", the smallest is on top'
        )
    sorting = Sorting(builder.address, id, sort or "", SORTS, _is_rising)
    table = QuoteTable(id, checked, columns, title, sorting)
    with builder.open_group("watchlist", "containers/quotes.html", {}):
        builder.add(table)
        for panel in table.inlays.values():
            builder.add(panel)


def _is_rising(sort: str) -> bool:
    """Whether a sort puts the least on top: names begin with A, numbers with the largest."""
    return sort.startswith("-") != (sort in ("symbol", "-symbol"))


class QuoteTable(SymbolTable):
    """Quotes of these symbols, in these columns, in their order or sorted by one of them."""

    record_type: ClassVar[str] = "quote_update"
    value: ClassVar[str] = "last"
    label: ClassVar[str] = "Quotes"

    def __init__(
        self,
        id: str,
        symbols: Sequence[str],
        columns: Sequence[str],
        title: str | None = None,
        sorting: Sorting | None = None,
    ) -> None:
        super().__init__(id, symbols, columns, title)
        self.sorting = sorting
        sort = "" if sorting is None else sorting.sort
        self._write = [WRITERS[each] for each in columns]
        self._sort = sort.removeprefix("-") or None
        self._is_rising = _is_rising(sort)
        self.inlays: Mapping[Topic, FragmentPanel] = {
            # In a cell that is left alone whenever its row changes.
            key: SparklinePanel(f"{self.row_id(key)} .keep", key.subject)
            for key in (self._keys if "day" in columns else ())
        }

    def name(self, symbol: str, state: str) -> str:
        """Return the symbol, its exchange as less important, or the option as people write it."""
        if symbol.startswith("."):
            root, contract = describe_option(symbol)
            if contract:
                return write_name(root, contract, state, " ", symbol, symbol)
        root, colon, exchange = symbol.partition(":")
        return write_name(root, colon + exchange, state, opens=symbol)

    def head(self, column: str) -> Head:
        """The column's own, as one names it."""
        return Head(COLUMNS[column], f"c-{column}")

    def figures(self, record: Any, move: RowChange) -> Sequence[str]:
        """A figure for each column."""
        decimals = decimals_for(
            record.symbol,
            record.last,
            record.bid,
            record.ask,
            record.low,
            record.high,
            record.prev_close,
        )
        cells: list[str] = []
        for write in self._write:
            cells += write(record, decimals, move.flash)
        return cells

    def unknown_cell(self, column: str) -> tuple[str, str]:
        """A dash; no mark and no line."""
        return UNKNOWN_CELLS.get(column) or super().unknown_cell(column)

    def order(self, records: Sequence[Record | None]) -> Sequence[int] | None:
        """By the value of the column; what is unknown is at the bottom."""
        if self._sort is None:
            return None
        values = [self._sort_value(*each) for each in zip(self.symbols, records, strict=True)]
        known = [index for index, value in enumerate(values) if value is not None]
        known.sort(key=lambda index: values[index], reverse=not self._is_rising)
        return known + [index for index, value in enumerate(values) if value is None]

    def _sort_value(self, symbol: str, record: Record | None) -> Any:
        if self._sort == "symbol":
            return symbol
        value = getattr(record, str(self._sort), None)
        return value if is_known(value) else None


class WatchlistPanel(QuoteTable):
    """The viewer's own list: quotes of these symbols, in this order, each with a way out."""

    frame: ClassVar[str] = "panels/watchlist.html"
    empty: ClassVar[str] = "panels/watchlist_empty.html"

    def __init__(self, id: str, symbols: Sequence[str]) -> None:
        super().__init__(id, symbols, OWN_COLUMNS)

    @property
    def cell_tags(self) -> tuple[str, ...]:
        """The quote's, and one for the button."""
        return (*super().cell_tags, "td")

    def row_cells(self, key: Topic, record: Record | None, move: RowChange) -> Cells:
        """The quote, and a button that removes it."""
        return (*super().row_cells(key, record, move), "keep", _write_button(key.subject))


_BUTTON = Markup(
    '<button form="remove" name="remove" value="{0}" aria-label="Remove {0}">×</button>'
)


@lru_cache(REMEMBERED)
def _write_button(symbol: str) -> str:
    return str(_BUTTON.format(symbol))


def _write_last(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return LAST[flash], write_price(quote.last, decimals)


def _write_change(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return CHANGE[direction_of(quote.change)], write_change(quote.change, decimals)


def _write_percent(value: Decimal | None) -> str:
    text = write_change(value, MIN_DECIMALS)
    return text if text == UNKNOWN else f"{text}%"


def _write_change_pct(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return PERCENT[direction_of(quote.change)], _write_percent(quote.change_pct)


def _write_bid(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", write_price(quote.bid, decimals)


def _write_ask(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", write_price(quote.ask, decimals)


def _write_bid_size(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", format_quantity(quote.bid_size)


def _write_ask_size(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", format_quantity(quote.ask_size)


def _write_low(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", write_price(quote.low, decimals)


def _write_high(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", write_price(quote.high, decimals)


def _write_volume(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "", format_quantity(quote.volume)


def _write_range(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    position = range_position(quote.low, quote.high, quote.last)
    return "", MARKS[position]


def _write_day(quote: QuoteUpdate, decimals: int, flash: str) -> tuple[str, str]:
    return "keep", ""


WRITERS: Mapping[str, Callable[[QuoteUpdate, int, str], tuple[str, str]]] = {
    "last": _write_last,
    "change": _write_change,
    "change_pct": _write_change_pct,
    "bid": _write_bid,
    "ask": _write_ask,
    "bid_size": _write_bid_size,
    "ask_size": _write_ask_size,
    "low": _write_low,
    "range": _write_range,
    "high": _write_high,
    "volume": _write_volume,
    "day": _write_day,
}
"""The class and the content of a cell, from the quote, its decimals and the row's flash."""


def range_position(low: Decimal | None, high: Decimal | None, last: Decimal | None) -> int | None:
    """The mark's place in percent of the day's range, 0 at the low; None if unknown."""
    if low is None or high is None or last is None:
        return None
    if not (low.is_finite() and high.is_finite() and last.is_finite()):
        return None
    # As floats, because a mark's place is no price.
    begin, end, place = float(low), float(high), float(last)
    if not begin < end < inf:
        return None
    return int(min(max((place - begin) / (end - begin), 0.0), 1.0) * RANGE_STEPS)


MARKS: Mapping[int | None, str] = {
    None: '<svg aria-hidden="true"></svg>',
    **{
        place: f'<svg aria-hidden="true"><rect x="{place}%"/></svg>'
        for place in range(RANGE_STEPS + 1)
    },
}
"""The bar of the day's range, by the place of its mark."""

UNKNOWN_CELLS = {
    "last": (LAST[""], UNKNOWN),
    "change": (CHANGE["unknown"], UNKNOWN),
    "change_pct": (PERCENT["unknown"], UNKNOWN),
    "range": ("", MARKS[None]),
    "day": ("keep", ""),
}
"""Those that are not just a dash."""
