"""Candles: their symbols and their history; pure.

Symbols follow dxFeed's CandleSymbol: `SPY{=5m,tho=true}`, where a count of one is dropped
(`{=1d}` is `{=d}`) and attributes are sorted. What happened before the market started is a smooth
path through its first price; what happened since is made of the minutes that were traded.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from gateway.simulator.market.book import Book
from gateway.simulator.market.universe import Kind

MOST_CANDLES = 2_000  # the oldest history that exists, whatever the period
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400}
MONDAY_S = 4 * 86_400  # the epoch began on a Thursday; weeks begin on Mondays
PATTERN = re.compile(r"^(?P<base>[^{]+)\{(?P<attributes>[^}]*)\}$")
PERIOD = re.compile(r"^(?P<count>\d*)(?P<unit>mo|[smhdw])$")
WAVES = 24
YEAR_S = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class CandleSymbol:
    """What a candle subscription asks for; `text` is the normal form."""

    text: str
    base: str
    count: int
    unit: str

    @property
    def period_s(self) -> int:
        """Seconds of one candle; months count as 30 days here and are aligned by the calendar."""
        return self.count * UNITS_S[self.unit]

    def align(self, at_s: float) -> int:
        """Return the first second of the candle that contains an instant."""
        if self.unit == "mo":
            at = datetime.fromtimestamp(at_s, UTC)
            months = (at.year * 12 + at.month - 1) // self.count * self.count
            return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp())
        shift = MONDAY_S if self.unit == "w" else 0
        return int((at_s - shift) // self.period_s * self.period_s + shift)


@dataclass(slots=True)
class Candle:
    """One candle; the last of a series changes while it grows."""

    start_s: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    turnover: float = 0.0
    count: int = 0

    def take(self, price: float, size: float) -> None:
        """Add one trade."""
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += size
        self.turnover += size * price
        self.count += 1


def parse_candle_symbol(text: str) -> CandleSymbol | None:
    """Return the parts and the normal form of a candle symbol, or None when it is not one."""
    match = PATTERN.match(text)
    if match is None:
        return None
    attributes = dict(
        part.partition("=")[::2] for part in match["attributes"].split(",") if "=" in part
    )
    period = PERIOD.match(attributes.pop("", ""))
    if period is None:
        return None
    count, unit = int(period["count"] or 1), period["unit"]
    if count == 0:
        return None
    others = "".join(f",{key}={value}" for key, value in sorted(attributes.items()))
    shown = f"{count if count > 1 else ''}{unit}"
    return CandleSymbol(f"{match['base']}{{={shown}{others}}}", match["base"], count, unit)


def list_history(
    book: Book, symbol: CandleSymbol, from_s: float, now: float, seed: int
) -> list[Candle]:
    """Return the candles from `from_s` to now, newest first; at least the current one."""
    traded = _traded(book, symbol)
    start_s = symbol.align(now)
    path = _Path(book, seed)
    candles: list[Candle] = []
    while len(candles) < MOST_CANDLES and (start_s >= from_s or not candles):
        candle = traded.get(start_s)
        begun = book.start[0]
        end_s = start_s + symbol.period_s
        if start_s < begun:
            candle = _join(path.candle(start_s, min(end_s, begun)), candle)
        elif candle is None and not candles:
            candle = Candle(start_s, book.last, book.last, book.last, book.last)
        if symbol.unit == "d" and symbol.count == 1 and not candles and candle is not None:
            candle.open, candle.high, candle.low = book.day_open, book.day_high, book.day_low
            candle.close = book.last
            candle.volume, candle.turnover = book.volume, book.turnover
        if candle is not None and (not candles or not _is_closed(book, symbol, start_s)):
            candles.append(candle)
        start_s = symbol.align(start_s - 1)
    return candles


def _is_closed(book: Book, symbol: CandleSymbol, start_s: int) -> bool:
    weekday = datetime.fromtimestamp(start_s, UTC).weekday()
    return symbol.unit == "d" and book.kind is not Kind.CRYPTO and weekday >= 5


def _traded(book: Book, symbol: CandleSymbol) -> dict[int, Candle]:
    """The candles made of traded minutes; a minute is cut in pieces for candles shorter than it."""
    candles: dict[int, Candle] = {}
    pieces = max(1, 60 // symbol.period_s)
    for bar in book.bars:
        for n in range(pieces):
            part = n / pieces, (n + 1) / pieces
            first, last = (
                round(bar.open + (bar.close - bar.open) * x, book.decimals) for x in part
            )
            start_s = symbol.align(bar.start_s + 60 * n // pieces)
            candle = candles.get(start_s)
            if candle is None:
                candle = candles[start_s] = Candle(start_s, first, first, first, first)
            high = bar.high if pieces == 1 else max(first, last)
            low = bar.low if pieces == 1 else min(first, last)
            candle.high, candle.low = max(candle.high, high), min(candle.low, low)
            candle.close = last
            candle.volume += bar.volume / pieces
            candle.turnover += bar.turnover / pieces
            candle.count += max(1, bar.count // pieces)
    return candles


def _join(before: Candle, after: Candle | None) -> Candle:
    if after is None:
        return before
    before.high, before.low = max(before.high, after.high), min(before.low, after.low)
    before.close = after.close
    before.volume += after.volume
    before.turnover += after.turnover
    before.count += after.count
    return before


class _Path:
    """A past that ends in the first price of a book: waves of many lengths with seeded phases."""

    def __init__(self, book: Book, seed: int) -> None:
        self._book = book
        self._seed = seed
        random = Random(f"{seed}:{book.symbol}:past")
        begun, price, volatility = book.start
        self._price = price
        self._waves: list[tuple[float, float, float]] = []
        length = 4 * YEAR_S
        # A wave as high as its length deserves at this volatility, shorter and shorter.
        for _ in range(WAVES):
            height = 0.25 * volatility * math.sqrt(length / YEAR_S)
            self._waves.append((height, math.tau / length, random.random() * math.tau))
            length /= 2.1
        self._base = self._sum(begun)

    def candle(self, start_s: int, end_s: float) -> Candle:
        digits = self._book.decimals
        prices = [self._at(start_s + (end_s - start_s) * n / 4) for n in range(5)]
        random = Random(f"{self._seed}:{self._book.symbol}:{start_s}")
        wick = abs(prices[0] - prices[-1]) * 0.3 + self._price * 0.0001
        high = round(max(prices) + random.random() * wick, digits)
        low = round(max(min(prices) - random.random() * wick, 10.0**-digits), digits)
        volume = 0.0 if self._book.kind is Kind.INDEX else float(random.randrange(1_000, 90_000))
        first, last = round(prices[0], digits), round(prices[-1], digits)
        candle = Candle(start_s, first, max(high, first, last), min(low, first, last), last)
        candle.volume, candle.count = volume, random.randrange(10, 900)
        candle.turnover = volume * (first + last) / 2
        return candle

    def _at(self, at_s: float) -> float:
        least = 10.0**-self._book.decimals
        return max(self._price * math.exp(self._sum(at_s) - self._base), least)

    def _sum(self, at_s: float) -> float:
        return sum(height * math.sin(at_s * speed + phase) for height, speed, phase in self._waves)
