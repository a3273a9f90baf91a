"""The day as a line: five-minute candles as SVG, made on the server at most once a second."""

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from gateway.pages.panel import FragmentPanel
from gateway.streams.markets import market_of
from gateway.streams.records import CandleHistory, CandleUpdate, QuoteUpdate, Record
from gateway.streams.sessions import BY_RULE, TradingDay
from gateway.streams.topics import Topic, market_topic

SERIES = "{=5m,tho=true}"
"""Regular hours; markets that never close have all of them."""

WIDTH = 100
HEIGHT = 30
"""Of the view box; a pixel of margin above and below keeps the line's own width inside."""

MOST_POINTS = 96

CANDLE_MS = 5 * 60_000
"""Of `SERIES`."""


class SparklinePanel(FragmentPanel):
    """The line of one symbol's day, with yesterday's close as a base line."""

    template: ClassVar[str] = "panels/sparkline.html"
    frame: ClassVar[str] = "panels/sparkline_frame.html"
    pause_s: float = 1.0

    def __init__(self, id: str, symbol: str) -> None:
        super().__init__(id)
        self.symbol = symbol
        series = f"{symbol}{SERIES}"
        self._keys: tuple[Topic, ...] = (
            market_topic("candle_history", series),
            market_topic("candle_update", series),
            market_topic("quote_update", symbol),
        )

    @property
    def kind(self) -> Hashable:
        """Its symbol."""
        return (type(self), self.symbol)

    def keys(self) -> tuple[Topic, ...]:
        """The day's candles, and the quote for yesterday's close."""
        return self._keys

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The points, the base line, and which way the day went."""
        history, newest, quote = records
        day, points = find_day(
            self.symbol,
            history if isinstance(history, CandleHistory) else None,
            newest if isinstance(newest, CandleUpdate) else None,
        )
        base = quote.prev_close if isinstance(quote, QuoteUpdate) else None
        is_stale = isinstance(quote, QuoteUpdate) and quote.stale
        return {"symbol": self.symbol, "is_stale": is_stale, **draw(points, base, day)}


def find_day(
    symbol: str, history: CandleHistory | None, newest: CandleUpdate | None
) -> tuple[TradingDay | None, list[tuple[int, Decimal]]]:
    """Return the trading day of the newest candle, and time and close of the candles in it.

    Before the open that is the day before, because no candle of a new day has come.
    """
    times = [*(history.time if history else ()), *([newest.time] if newest else ())]
    closes = [*(history.close if history else ()), *([newest.close] if newest else ())]
    day = BY_RULE.latest_day(market_of(symbol), times[-1]) if times else None
    begin_ms = day.begin_ms if day else 0
    # Backwards, because a day is a small part of what is kept.
    found = []
    for time_ms, close in zip(reversed(times), reversed(closes), strict=True):
        if time_ms < begin_ms:
            break
        if close is not None:
            found.append((time_ms, close))
    return day, found[::-1]


def draw(
    points: Sequence[tuple[int, Decimal]], base: Decimal | None, day: TradingDay | None = None
) -> dict[str, Any]:
    """Return what the template draws; no points and no direction while nothing is known.

    The width is the trading day's, from its open to its close, so a line grows through it.
    """
    if len(points) < 2:
        return {"points": "", "base": None, "direction": ""}
    begin_ms, first = points[0]
    end_ms = points[-1][0]
    if day is not None:
        # The candle that ends with the day has begun a candle's length before.
        begin_ms, end_ms = day.begin_ms, max(day.end_ms - CANDLE_MS, end_ms)
    span_s = (end_ms - begin_ms) / 1000
    every = -(-len(points) // MOST_POINTS)
    chosen = [*points[:-1:every], points[-1]]
    prices = [float(price) for _, price in chosen] + ([float(base)] if base is not None else [])
    low, high = min(prices), max(prices)

    def place(price: float) -> float:
        share = (price - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - 1 - share * (HEIGHT - 2), 1)

    line = " ".join(
        f"{round((time_ms - begin_ms) / 10 / span_s, 1):g},{place(float(price)):g}"
        for time_ms, price in chosen
    )
    change = points[-1][1] - (first if base is None else base)
    return {
        "points": line,
        "base": None if base is None else place(float(base)),
        "direction": "up" if change > 0 else "down" if change < 0 else "",
    }
