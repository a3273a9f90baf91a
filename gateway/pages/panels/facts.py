"""The facts panel: the day of a symbol, and what the broker knows of it besides its price."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from gateway.pages.authoring.builder import check_symbols, current_builder
from gateway.pages.panel import FragmentPanel, Key
from gateway.pages.rendering.formats import (
    UNKNOWN,
    format_number,
    format_quantity,
    is_known,
)
from gateway.pages.rendering.ticks import decimals_for
from gateway.streams.records import MetricsUpdate, QuoteUpdate, Record
from gateway.streams.topics import market_topic


class Fact(NamedTuple):
    """A name, its figure as text, and what an abbreviated name stands for."""

    name: str
    text: str
    meaning: str = ""


def facts(symbol: str) -> None:
    """Place the day of a symbol, and volatility rank, beta, earnings and dividend where known."""
    builder = current_builder("facts")
    (checked,) = check_symbols("facts", (symbol,))
    builder.add(FactsPanel(builder.new_id("facts"), checked))


class FactsPanel(FragmentPanel):
    """Figures of one symbol, those of the broker only where they are known."""

    template: ClassVar[str] = "panels/facts.html"
    frame: ClassVar[str] = "panels/facts_frame.html"
    pause_s: float = 0.5

    def __init__(self, id: str, symbol: str) -> None:
        super().__init__(id)
        self.symbol = symbol

    def keys(self) -> tuple[Key, ...]:
        """The quote and the metrics."""
        return (
            market_topic("quote_update", self.symbol),
            market_topic("metrics_update", self.symbol),
        )

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The day, then the metrics."""
        quote, metrics = records
        shown = _list_day(self.symbol, quote if isinstance(quote, QuoteUpdate) else None)
        if isinstance(metrics, MetricsUpdate):
            shown += [each for each in _list_metrics(metrics) if each.text != UNKNOWN]
        is_stale = isinstance(quote, QuoteUpdate) and quote.stale
        return {"facts": shown, "stale_since": quote.updated_at if is_stale else None}  # type: ignore[union-attr]


def _list_day(symbol: str, quote: QuoteUpdate | None) -> list[Fact]:
    if quote is None:
        return [Fact(name, UNKNOWN) for name in ("Bid", "Ask", "Open", "Low", "High", "Volume")]
    decimals = decimals_for(symbol, quote.last, quote.bid, quote.ask, quote.prev_close)

    def price(value: Decimal | None, size: Decimal | None = None) -> str:
        text = format_number(value, decimals)
        return f"{text} × {format_quantity(size)}" if is_known(size) else text

    return [
        Fact("Bid", price(quote.bid, quote.bid_size), "Price × size"),
        Fact("Ask", price(quote.ask, quote.ask_size), "Price × size"),
        Fact("Open", price(quote.open)),
        Fact("Low", price(quote.low)),
        Fact("High", price(quote.high)),
        Fact("Close", price(quote.prev_close), "Of the session before"),
        Fact("Volume", format_quantity(quote.volume)),
    ]


def _list_metrics(metrics: MetricsUpdate) -> list[Fact]:
    earnings = " ".join(filter(None, (metrics.earnings_at, metrics.earnings_time)))
    return [
        Fact(
            "IV rank",
            _percent(metrics.implied_volatility_rank, 0),
            "Where the implied volatility stands between its least and its most of a year",
        ),
        Fact("IV", _percent(metrics.implied_volatility_index), "Implied volatility of a year"),
        Fact("Beta", format_number(metrics.beta), "Against SPY"),
        Fact("Earnings", earnings or UNKNOWN),
        Fact("Ex-dividend", metrics.dividend_ex_at or UNKNOWN),
        Fact("Yield", _percent(metrics.dividend_yield, 2)),
        Fact("Market cap", format_quantity(metrics.market_cap)),
        Fact(
            "Liquidity",
            UNKNOWN if metrics.liquidity_rating is None else f"{metrics.liquidity_rating} of 4",
            "The broker's rating of its options",
        ),
    ]


def _percent(fraction: Decimal | None, decimals: int = 1) -> str:
    text = format_number(None if fraction is None else fraction * 100, decimals)
    return text if text == UNKNOWN else f"{text}%"
