"""The state of one symbol: its quote, last trade, day range, recent sales and minutes; pure."""

import math
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from gateway.simulator.market.pricing import Theoretical
from gateway.simulator.market.universe import Instrument, Kind, Option

# What changed in a book, as bits.
QUOTE, TRADE, SUMMARY, GREEKS, THEO, UNDERLYING, EXTENDED = 1, 2, 4, 8, 16, 32, 64

NAN = math.nan
KEPT_SALES = 200
KEPT_BARS = 2_880  # two days of minutes


@dataclass(frozen=True, slots=True)
class Sale:
    """One trade as it happened."""

    time_ms: int
    sequence: int
    price: float
    size: float
    bid: float
    ask: float
    is_buy: bool


@dataclass(slots=True)
class Bar:
    """The trades of one minute; `start_s` is its first second."""

    start_s: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    turnover: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Extended:
    """The last trade outside regular hours; `is_current` until regular trading goes on."""

    price: float
    size: float
    time_ms: int
    change: float = 0.0
    volume: float = 0.0
    turnover: float = 0.0
    direction: str = "UNDEFINED"
    is_current: bool = False


class Book:
    """The state of one symbol; only `Market` writes to it."""

    __slots__ = (
        "ask",
        "ask_size",
        "bars",
        "bid",
        "bid_size",
        "call_volume",
        "change",
        "day_high",
        "day_id",
        "day_low",
        "day_open",
        "decimals",
        "direction",
        "dividend",
        "exchange",
        "extended",
        "fair",
        "fair_spot",
        "has_quote",
        "instrument",
        "is_frozen",
        "kind",
        "last",
        "last_size",
        "model_s",
        "next_s",
        "open_interest",
        "option",
        "prev_close",
        "prev_volume",
        "put_volume",
        "random",
        "ratio",
        "sales",
        "seen",
        "sequence",
        "start",
        "symbol",
        "theoretical",
        "time_ms",
        "turnover",
        "volatility",
        "volume",
    )

    def __init__(self, symbol: str, kind: Kind, random: Random) -> None:
        self.symbol = symbol
        self.kind = kind
        self.random = random
        self.instrument: Instrument | None = None
        self.option: Option | None = None
        self.has_quote = kind is not Kind.INDEX
        self.is_frozen = False
        self.exchange = ""
        self.decimals = 2
        self.dividend = 0.0
        self.fair = self.fair_spot = NAN
        self.bid = self.ask = self.bid_size = self.ask_size = NAN
        self.last = self.change = NAN
        self.last_size = 0.0
        self.direction = "UNDEFINED"
        self.time_ms = 0
        self.sequence = 0
        self.day_id = 0
        self.day_open = self.day_high = self.day_low = self.prev_close = NAN
        self.volume = self.turnover = self.prev_volume = 0.0
        self.call_volume = self.put_volume = 0
        self.open_interest = NAN
        self.volatility = NAN
        self.theoretical: Theoretical | None = None
        self.model_s = 0.0
        self.next_s = 0.0
        self.seen = 0.0
        self.ratio = 1.0
        self.start = (0.0, NAN, NAN)  # when, price and volatility of the first moment
        self.extended: Extended | None = None
        self.sales: deque[Sale] = deque(maxlen=KEPT_SALES)
        self.bars: deque[Bar] = deque(maxlen=KEPT_BARS)

    @property
    def mid(self) -> float:
        """The middle of the quote; of a one-sided one the side that there is, else the last."""
        if math.isnan(self.bid) or math.isnan(self.ask):
            side = self.ask if math.isnan(self.bid) else self.bid
            return self.last if math.isnan(side) else side
        return (self.bid + self.ask) / 2

    @property
    def mark(self) -> Decimal:
        """What one unit is worth by the broker's rule; 0 when nothing is known.

        Shares, futures and indices: the last price within the quote, unless that is crossed.
        Options and coins: the middle, where a bid of 0 is known; an option with a side unknown or
        without sizes is worth its theoretical price.
        """
        is_crossed = self.bid > self.ask
        if self.kind in (Kind.OPTION, Kind.FUTURE_OPTION):
            has_sides = self.bid == self.bid and self.ask == self.ask
            is_dead = self.bid_size == 0 and self.ask_size == 0
            if (is_dead or not has_sides) and self.theoretical is not None:
                return Decimal(str(round(self.theoretical.price, 2)))
        if self.kind in (Kind.OPTION, Kind.FUTURE_OPTION, Kind.CRYPTO):
            if self.bid == self.bid and self.ask == self.ask:
                return (Decimal(str(self.bid)) + Decimal(str(self.ask))) / 2
            price = self.mid
        else:
            price = self.last
            if self.has_quote and self.bid > price and not is_crossed:
                price = self.bid
            if self.has_quote and self.ask < price and not is_crossed:
                price = self.ask
            price = self.mid if math.isnan(price) else price
        return Decimal(0) if math.isnan(price) else Decimal(str(price))


def accumulate(book: Book, price: float, size: float, start_s: int) -> None:
    """Add a trade to the bar of its minute."""
    if not book.bars or book.bars[-1].start_s != start_s:
        book.bars.append(Bar(start_s, price, price, price, price))
    bar = book.bars[-1]
    bar.high, bar.low, bar.close = max(bar.high, price), min(bar.low, price), price
    bar.volume += size
    bar.turnover += size * price
    bar.count += 1
