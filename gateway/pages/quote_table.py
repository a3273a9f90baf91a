"""`watchlist(…)`: rows of quotes with the columns that one chooses, or the viewer's own list."""

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from gateway.pages.building import PageError, check_symbols, current_builder
from gateway.pages.formats import is_known
from gateway.pages.panel import Move
from gateway.pages.sparkline import SparklinePanel
from gateway.pages.watchlist import WatchlistPanel
from gateway.streams.events import Key, Record

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

SORTS = ("symbol", "last", "change", "change_pct", "volume")


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
    table = QuoteTable(id, checked, tuple(columns), sort, title)
    with builder.open_group("watchlist", "containers/quotes.html", {}):
        builder.add(table)
        if "day" in columns:
            for key in table.keys(()):
                # In a cell that is left alone whenever its row changes.
                builder.add(SparklinePanel(f"{table.row_id(key)} .keep", key[1]))


class QuoteTable(WatchlistPanel):
    """Quotes of these symbols, in these columns, in their order or sorted by one of them."""

    template: ClassVar[str] = "panels/quotes_row.html"
    frame: ClassVar[str] = "panels/quotes.html"

    def __init__(
        self,
        id: str,
        symbols: Sequence[str],
        columns: Sequence[str],
        sort: str | None,
        title: str | None,
    ) -> None:
        super().__init__(id, symbols)
        self.columns = tuple(columns)
        self.heads = [(column, COLUMNS[column]) for column in columns]
        self.title = title
        self._sort = None if sort is None else sort.removeprefix("-")
        # Names begin with A; of everything else the largest is on top.
        self._is_rising = sort is not None and (sort[0] == "-") != (sort in ("symbol", "-symbol"))

    @property
    def kind(self) -> Hashable:
        """A row is the same in every table with these columns."""
        return (type(self), self.columns)

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

    def row_context(self, key: Key, record: Record | None, move: Move) -> dict[str, Any]:
        """Every cell as text, and which of them are shown."""
        return {**super().row_context(key, record, move), "columns": self.columns}
