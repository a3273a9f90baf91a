"""The day as a line: five-minute candles as SVG, made on the server at most once a second."""

from collections.abc import Hashable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from gateway.pages.panel import FragmentPanel
from gateway.pages.rendering.formats import EXCHANGE_TIME
from gateway.streams.records import CandleHistory, CandleUpdate, QuoteUpdate, Record
from gateway.streams.topics import Topic, market_topic

SERIES = "{=5m,tho=true}"
"""Regular hours; markets that never close have all of them."""

WIDTH = 100
HEIGHT = 30
"""Of the view box; a pixel of margin above and below keeps the line's own width inside."""

MOST_POINTS = 96

OPENING_MINUTE = 9 * 60 + 30
SESSION_S = 6.5 * 3600
"""Stocks trade so long; a line that begins with them leaves room for the rest of the day."""


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

    def keys(self, accounts: Sequence[str]) -> tuple[Topic, ...]:
        """The day's candles, and the quote for yesterday's close."""
        return self._keys

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """The points, the base line, and which way the day went."""
        history, newest, quote = records
        points = list_day(
            history if isinstance(history, CandleHistory) else None,
            newest if isinstance(newest, CandleUpdate) else None,
        )
        base = quote.prev_close if isinstance(quote, QuoteUpdate) else None
        is_stale = isinstance(quote, QuoteUpdate) and quote.stale
        return {"symbol": self.symbol, "is_stale": is_stale, **draw(points, base)}


def list_day(
    history: CandleHistory | None, newest: CandleUpdate | None
) -> list[tuple[int, Decimal]]:
    """Time and close of the candles of the last trading day that there are any of."""
    times = [*(history.time if history else ()), *([newest.time] if newest else ())]
    closes = [*(history.close if history else ()), *([newest.close] if newest else ())]
    if not times:
        return []
    last = _day(times[-1])
    # Backwards, because a day is a small part of what is kept.
    found = []
    for time_ms, close in zip(reversed(times), reversed(closes), strict=True):
        if _day(time_ms) != last:
            break
        if close is not None:
            found.append((time_ms, close))
    return found[::-1]


def draw(points: Sequence[tuple[int, Decimal]], base: Decimal | None) -> dict[str, Any]:
    """What the template draws; no points and no direction while nothing is known."""
    if len(points) < 2:
        return {"points": "", "base": None, "direction": ""}
    begin_ms, first = points[0]
    span_s = (points[-1][0] - begin_ms) / 1000
    begin = datetime.fromtimestamp(begin_ms / 1000, EXCHANGE_TIME)
    if begin.hour * 60 + begin.minute == OPENING_MINUTE:
        span_s = max(span_s, SESSION_S)
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


def _day(time_ms: int) -> int:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(EXCHANGE_TIME)
    return moment.toordinal()
