"""Candle subscriptions: a snapshot of the history, then the candle that is still growing; pure."""

import math

from gateway.simulator.broker.dxlink.rows import (
    FLAG_BEGIN,
    FLAG_END,
    FLAG_REMOVE,
    Row,
    clean,
    make_index,
)
from gateway.simulator.market.book import Book, Sale
from gateway.simulator.market.candles import Candle, CandleSymbol, list_history


class Series:
    """One candle subscription: its snapshot, then the current candle as trades come."""

    def __init__(self, symbol: CandleSymbol, book: Book | None, seed: int) -> None:
        self.symbol = symbol
        self._book = book
        self._seed = seed
        self._current: Candle | None = None
        self._seen = book.sales[-1].sequence if book is not None and book.sales else 0

    def snapshot(self, from_s: float, now: float) -> list[Row]:
        """Return the history, newest first, flagged BEGIN and END; BEGIN|END|REMOVE when empty."""
        if self._book is None:
            empty = FLAG_BEGIN | FLAG_END | FLAG_REMOVE
            nothing: Row = ("NaN",) * 10
            return [(self.symbol.text, 0, empty, 0, 0, 0, 0, *nothing)]
        candles = list_history(self._book, self.symbol, from_s, now, self._seed)
        self._current = candles[0]
        last = len(candles) - 1
        return [
            self._row(candle, (FLAG_BEGIN if n == 0 else 0) | (FLAG_END if n == last else 0))
            for n, candle in enumerate(candles)
        ]

    def update(self) -> list[Row]:
        """Return the candles changed by the trades since the last call, oldest first."""
        book = self._book
        if book is None:
            return []
        rows = []
        for sale in list_new_sales(book, self._seen):
            self._seen = sale.sequence
            start_s = self.symbol.align(sale.time_ms / 1000)
            current = self._current
            if current is None or start_s > current.start_s:
                if current is not None and current.count:
                    rows.append(self._row(current, 0))
                price = sale.price
                current = self._current = Candle(start_s, price, price, price, price)
            current.take(sale.price, sale.size)
        if self._current is not None:
            rows.append(self._row(self._current, 0))
        return rows

    def _row(self, candle: Candle, flags: int) -> Row:
        time_ms = candle.start_s * 1000
        digits = self._book.decimals if self._book is not None else 2
        volume = round(candle.volume, 4)
        bought = float(volume // 2)
        average = candle.turnover / volume if volume else math.nan
        return (
            self.symbol.text, 0, flags, make_index(time_ms, 0), time_ms, 0, candle.count,
            clean(candle.open), clean(candle.high), clean(candle.low), clean(candle.close),
            clean(volume), clean(round(average, digits + 2)), clean(bought),
            clean(round(volume - bought, 4)), "NaN", "NaN",
        )  # fmt: skip


def list_new_sales(book: Book, sequence: int) -> list[Sale]:
    """Return the sales after a sequence, oldest first; only the newest 200 are kept."""
    found: list[Sale] = []
    for sale in reversed(book.sales):
        if sale.sequence <= sequence:
            break
        found.append(sale)
    return found[::-1]
