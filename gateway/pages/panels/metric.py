"""The metric panel: one symbol's last price in large figures, its change, and the day as a line."""

from collections.abc import Hashable
from decimal import Decimal
from typing import ClassVar

from gateway.pages.authoring.builder import PageError, check_symbols, current_builder
from gateway.pages.panel import Cells, RowChange, TablePanel
from gateway.pages.panels.sparkline import SparklinePanel
from gateway.pages.panels.table import write_hours
from gateway.pages.panels.watchlist import CHANGE, PERCENT
from gateway.pages.rendering.formats import (
    UNKNOWN,
    direction_of,
    format_change,
    format_number,
    format_percent,
    is_known,
)
from gateway.pages.rendering.ticks import decimals_for
from gateway.streams.records import QuoteUpdate, Record
from gateway.streams.topics import Topic, market_topic


def metric(symbol: str, *, label: str | None = None) -> None:
    """Place the last price of a symbol with its change; `label` stands in place of the symbol."""
    builder = current_builder("metric")
    (checked,) = check_symbols("metric", (symbol,), "QQQ")
    if label is not None and not isinstance(label, str):
        raise PageError(f'metric("{checked}"): a label is text: label="Nasdaq", not {label!r}')
    id = builder.new_id("metric")
    options = {"id": id, "label": label or checked}
    with builder.open_group("metric", "containers/metric.html", options):
        builder.add(MetricPanel(id, checked))
        builder.add(SparklinePanel(f"{id}-day", checked))


VALUE = {"": "value", "up": "value flash-up", "down": "value flash-down"}
"""The class of the price, by its flash."""


class MetricPanel(TablePanel):
    """Last, change and percent of one symbol: a table of one row, so that it flashes like one."""

    frame: ClassVar[str] = "panels/metric_frame.html"
    tag: ClassVar[str] = "div"
    row_tag: ClassVar[str] = "div"

    def __init__(self, id: str, symbol: str) -> None:
        super().__init__(id)
        self.symbol = symbol
        self._keys: tuple[Topic, ...] = (market_topic("quote_update", symbol),)

    @property
    def kind(self) -> Hashable:
        """All show a symbol in the same way."""
        return type(self)

    @property
    def cell_tags(self) -> tuple[str, ...]:
        """The price, the change twice, a note."""
        return ("p", "span", "span", "span")

    def keys(self) -> tuple[Topic, ...]:
        """The quote."""
        return self._keys

    def row_id(self, key: Topic) -> str:
        """The panel's id: there is one row."""
        return f"{self.id}-now"

    def row_value(self, record: Record | None) -> Decimal | None:
        """The last price."""
        last = record.last if isinstance(record, QuoteUpdate) else None
        return last if is_known(last) else None

    def row_cells(self, key: Topic, record: Record | None, move: RowChange) -> Cells:
        """Every figure as text."""
        if not isinstance(record, QuoteUpdate):
            return ("value waiting", UNKNOWN, "c-change", UNKNOWN, "c-pct", UNKNOWN, "note", "")
        decimals = decimals_for(self.symbol, record.last, record.prev_close)
        direction = direction_of(record.change)
        note = f'<small class="age" data-since="{record.updated_at}">stale</small>'
        return (
            "value stale" if record.stale else VALUE[move.flash],
            format_number(record.last, decimals),
            CHANGE[direction],
            format_change(record.change, decimals),
            PERCENT[direction],
            format_percent(record.change_pct),
            "note",
            note if record.stale else write_hours(record),
        )
