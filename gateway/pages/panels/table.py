"""The shape that watchlists and greeks share: a row a symbol, its name and state, then figures."""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from markupsafe import Markup, escape

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.pages.authoring.address import link_symbol
from gateway.pages.authoring.builder import plain_id
from gateway.pages.panel import Cells, RowChange, TablePanel
from gateway.pages.panels.sorting import Head, Sorting
from gateway.pages.rendering.formats import (
    CENT,
    MIN_DECIMALS,
    MINUS,
    UNKNOWN,
    format_change,
    format_number,
    is_known,
)
from gateway.pages.rendering.ticks import decimals_for
from gateway.streams.records import MarketRecord, QuoteUpdate, Record
from gateway.streams.topics import Topic, market_topic
from gateway.streams.unknown import explain_unknown

NOTES = {"": "", "stale": "stale", "waiting": "waiting…", "missing": "no data"}
"""What a row says of itself beside its symbol, by the class of the symbol's cell."""

AGE = '<small class="age" data-since="{}">'
"""A note in whose place the browser writes how old the values are, every second."""

MISSING = f"<small>{NOTES['missing']}</small>"
HINT = Markup(f'<small title="{{0}}">{NOTES["missing"]}: {{0}}</small>')
"""The note of a row whose symbol nobody knows: why, and what was probably meant."""

LONGEST_PLAIN = len("999.99")
"""Longer numbers are separated by thousands."""

REMEMBERED = 4096
"""Names of rows: a symbol has four."""


class SymbolTable(TablePanel):
    """A row for each of these symbols, in this order."""

    frame: ClassVar[str] = "panels/table.html"
    record_type: ClassVar[str]
    value: ClassVar[str]
    """The field whose change makes a row flash."""

    label: ClassVar[str]
    """What it is called where it has no title."""

    first: ClassVar[str] = "Symbol"
    """The head of the first column."""

    clock: Clock = SYSTEM_CLOCK
    """Which day it is decides which contract has ended."""

    style: ClassVar[str] = ""
    """A class of its own."""

    sorting: Sorting | None = None
    """How it is sorted, where it can be."""

    def __init__(
        self, id: str, symbols: Sequence[str], columns: Sequence[str], title: str | None = None
    ) -> None:
        super().__init__(id)
        self.symbols = tuple(symbols)
        self.columns = tuple(columns)
        self.title = title
        self._keys: tuple[Topic, ...] = tuple(
            market_topic(self.record_type, each) for each in symbols
        )
        self._unknown = tuple(text for each in columns for text in self.unknown_cell(each))

    @property
    def kind(self) -> Hashable:
        """A row is the same in every table with these columns."""
        return (type(self), self.columns)

    @property
    def heads(self) -> list[Head]:
        """Of the columns, for the frame."""
        return [self.head(each) for each in self.columns]

    @property
    def row_heads(self) -> list[Head]:
        """Of the symbol and of the columns, with their links."""
        heads = {"symbol": Head(self.first), **dict(zip(self.columns, self.heads, strict=True))}
        return list(heads.values()) if self.sorting is None else self.sorting.complete(heads)

    @property
    def cell_tags(self) -> tuple[str, ...]:
        """The symbol, and a figure for each column."""
        return ('th scope="row"', *["td"] * len(self.columns))

    def keys(self) -> tuple[Topic, ...]:
        """A record a symbol."""
        return self._keys

    def row_id(self, key: Topic) -> str:
        """The panel's id and the symbol."""
        return f"{self.id}-{plain_id(key.subject)}"

    def row_value(self, record: Record | None) -> Any:
        """The price."""
        value = getattr(record, self.value, None)
        return value if is_known(value) else None

    def row_cells(self, key: Topic, record: Record | None, move: RowChange) -> Cells:
        """The name, then a figure for each column."""
        if isinstance(record, MarketRecord):
            state = "stale" if record.stale else ""
            name = self.name(key.subject, state)
            if record.stale:
                name = name.replace("<small>", AGE.format(record.updated_at), 1)
            elif isinstance(record, QuoteUpdate):
                name += write_hours(record)
            return (state, name, *self.figures(record, move))
        state = "missing" if move.is_overdue else "waiting"
        name = self.name(key.subject, state)
        if move.is_overdue:
            reason = explain_unknown(key.subject, self.clock.now().date()).reason
            name = name.replace(MISSING, HINT.format(reason), 1)
        return (state, name, *self._unknown)

    @abstractmethod
    def name(self, symbol: str, state: str) -> str:
        """The content of the first cell."""
        ...

    @abstractmethod
    def head(self, column: str) -> Head:
        """The head of a column."""
        ...

    @abstractmethod
    def figures(self, record: Any, move: RowChange) -> Sequence[str]:
        """The class and the content of each cell but the first."""
        ...

    def unknown_cell(self, column: str) -> tuple[str, str]:
        """The class and the content of a cell of which nothing is known."""
        return "", UNKNOWN


# Most prices have two decimals and are below a thousand. Their own text is what the functions of
# `formats` make of them, in a third of the time: those look into a table of all texts, which is far
# larger than a processor's cache (measured over 480 symbols that all change).


def write_price(value: Decimal | None, decimals: int) -> str:
    """As `format_number`."""
    if decimals == MIN_DECIMALS and value is not None and value.same_quantum(CENT):
        text = str(value)
        if len(text) <= LONGEST_PLAIN and text[0] != "-":
            return text
    return format_number(value, decimals)


def write_change(value: Decimal | None, decimals: int) -> str:
    """As `format_change`."""
    if decimals == MIN_DECIMALS and value is not None and value.same_quantum(CENT):
        text = str(value)
        if len(text) <= LONGEST_PLAIN and value:
            return f"{MINUS}{text[1:]}" if text[0] == "-" else f"+{text}"
    return format_change(value, decimals)


EXTENDED = (
    '<small class="hours" title="Last trade outside regular hours, and its distance to the price '
    'of the regular session, which stands beside it">extended {} {}</small>'
)
AT_THE_CLOSE = '<small class="hours">at the close</small>'
"""Beside a bid and an ask that may be of another time than the price."""


def write_hours(quote: QuoteUpdate) -> str:
    """Return which time of day the price is of, where that is not now; empty where it is."""
    if quote.last_at == "extended" and is_known(quote.extended_last):
        decimals = decimals_for(quote.symbol, quote.extended_last, quote.last)
        return EXTENDED.format(
            write_price(quote.extended_last, decimals),
            write_change(quote.extended_change, decimals),
        )
    return AT_THE_CLOSE if quote.market == "closed" and is_known(quote.last) else ""


@lru_cache(REMEMBERED)
def write_name(
    name: str, rest: str, state: str, gap: str = "", symbol: str = "", opens: str = ""
) -> str:
    """Return a symbol, the part of it that matters less, and what the row says of itself.

    `symbol` is shown on hovering when the name is another text; `opens` is whose page it leads to.
    """
    html = escape(name)
    if opens:
        html = Markup('<a href="{}">{}</a>').format(link_symbol(opens), name)
    if rest:
        title = Markup(' title="{}"').format(symbol) if symbol else ""
        html += Markup("{}<span{}>{}</span>").format(gap, title, rest)
    if NOTES[state]:
        html += Markup("<small>{}</small>").format(NOTES[state])
    return str(html)
