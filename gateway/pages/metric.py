"""The metric panel: one symbol's last price in large figures, its change, and the day as a line."""

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from gateway.pages.building import PageError, check_symbols, current_builder
from gateway.pages.formats import (
    direction_of,
    format_change,
    format_number,
    format_percent,
)
from gateway.pages.panel import FragmentPanel
from gateway.pages.sparkline import SparklinePanel
from gateway.pages.ticks import decimals_for
from gateway.streams.events import Key, QuoteUpdate, Record


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


class MetricPanel(FragmentPanel):
    """Last, change and percent of one symbol."""

    template: ClassVar[str] = "panels/metric.html"
    frame: ClassVar[str] = "panels/metric_frame.html"

    def __init__(self, id: str, symbol: str) -> None:
        super().__init__(id)
        self.symbol = symbol

    @property
    def kind(self) -> Hashable:
        """Its symbol."""
        return (type(self), self.symbol)

    def keys(self, accounts: Sequence[str]) -> tuple[Key, ...]:
        """The quote."""
        return (("quote_update", self.symbol),)

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Every figure as text."""
        quote = records[0] if isinstance(records[0], QuoteUpdate) else None
        if quote is None:
            return {"state": "waiting", "direction": "unknown", **dict.fromkeys(FIGURES, "–")}
        decimals = decimals_for(self.symbol, quote.last, quote.prev_close)
        return {
            "state": "stale" if quote.stale else "live",
            "direction": direction_of(quote.change),
            "last": format_number(quote.last, decimals),
            "change": format_change(quote.change, decimals),
            "change_pct": format_percent(quote.change_pct),
        }


FIGURES = ("last", "change", "change_pct")
