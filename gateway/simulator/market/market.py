"""The simulated market: quotes, trades, day ranges and greeks that agree with each other; pure.

`Market.advance(now)` is the only thing that moves a price. The same universe, seed and sequence of
instants give the same market. `now` is in epoch seconds. Prices are floats that lie on their tick
and print without noise (450.25, never 450.24999999); a side that is not quoted is NaN.
"""

import math
from collections.abc import Iterable
from decimal import Decimal
from random import Random

from gateway.simulator.market.book import (
    GREEKS,
    NAN,
    QUOTE,
    SUMMARY,
    THEO,
    TRADE,
    UNDERLYING,
    Book,
    Sale,
    accumulate,
)
from gateway.simulator.market.pricing import (
    Theoretical,
    find_term_volatility,
    find_volatility,
    price_option,
    years_until,
)
from gateway.simulator.market.ticks import (
    option_tick,
    quote_size,
    to_tick,
    trade_size,
    typical_volume,
)
from gateway.simulator.market.universe import Instrument, Kind, Option, Universe

TRADING_S = 252 * 23_400.0  # seconds of trading a year: volatility is spent over these
TRADE_CHANCE = 0.45  # of a beat, for an instrument
OPTION_CHANCE = 0.5  # that a watched option's quote follows a beat of its underlying
OPTION_TRADE_CHANCE = 0.05
MODEL_PERIOD_S = 1.0  # greeks and theoretical prices are published this often at rate 1
MOST_BEATS = 2_000  # caught up with in one step after a pause of the process
DAY_OFFSET_S = 5 * 3600.0  # a trading day begins at 05:00 UTC
MARKET = "SPY"
MARKET_VOLATILITY = 0.15
LEADERS = {"SPX": MARKET, "NDX": "QQQ", "RUT": "IWM", "/ES": "SPX", "/NQ": "NDX", "/RTY": "RUT"}


class Market:
    """All books. Options are priced when looked at, and kept moving while watched."""

    def __init__(
        self, universe: Universe, *, seed: int, now: float, rate: float = 1.0, is_open: bool = True
    ) -> None:
        self.universe = universe
        self.seed = seed
        self.now = now
        self.rate = rate
        self.flood_per_s = 0.0
        self.is_open = is_open
        self._books: dict[str, Book] = {}
        self._moving: list[Book] = []
        self._watched: dict[str, dict[str, int]] = {}
        for item in universe.instruments.values():
            self._moving.append(self._open_book(item))
        self._lead()

    # --- looking -------------------------------------------------------------------------------

    def find(self, symbol: str) -> Book | None:
        """Return the book of a listed symbol, up to date, or None."""
        book = self._books.get(symbol)
        if book is None:
            option = self.universe.options.get(symbol)
            return None if option is None else self._open_option(option)
        if book.option is not None and not book.is_frozen:
            self._reprice(book)
        return book

    def mark(self, symbol: str) -> Decimal:
        """Return what one unit is worth now. Raises: KeyError for an unknown symbol."""
        book = self.find(symbol)
        if book is None:
            raise KeyError(symbol)
        return book.mark

    @property
    def period_s(self) -> float:
        """The shortest time between two moves of one symbol."""
        if self.flood_per_s > 0:
            return 1.0 / self.flood_per_s
        return 0.125 / self.rate if self.rate > 0 else 1.0

    # --- moving --------------------------------------------------------------------------------

    def advance(self, now: float) -> dict[str, int]:
        """Move the market to `now` and return what changed: bits by symbol.

        A caller that must see every move steps no further than `period_s` at a time.
        """
        changed: dict[str, int] = {}
        if not self.is_open or now <= self.now:
            return changed
        self.now = now
        if self._day_id() != self._moving[0].day_id:
            for book in list(self._books.values()):
                self._begin_day(book)
                changed[book.symbol] = SUMMARY
        if self.rate <= 0 and self.flood_per_s <= 0:
            return changed
        for book in self._moving:
            if book.next_s > now:
                continue
            period = self._period(book)
            if now - book.next_s > MOST_BEATS * period:
                book.next_s = now - MOST_BEATS * period
            bits = 0
            while book.next_s <= now:
                bits |= self._beat(book, period)
                jitter = 1.0 if self.flood_per_s > 0 else 0.5 + book.random.random()
                book.next_s += period * jitter
            if bits:
                changed[book.symbol] = changed.get(book.symbol, 0) | bits
            watched = self._watched.get(book.symbol)
            if watched:
                self._follow(watched, changed)
        return changed

    def watch(self, symbol: str) -> None:
        """Keep an option moving with its underlying until as many `unwatch` calls."""
        option = self.universe.options.get(symbol)
        if option is not None:
            self.find(symbol)
            counts = self._watched.setdefault(option.underlying, {})
            counts[symbol] = counts.get(symbol, 0) + 1

    def unwatch(self, symbol: str) -> None:
        """Undo one `watch`."""
        option = self.universe.options.get(symbol)
        counts = self._watched.get(option.underlying, {}) if option is not None else {}
        if symbol in counts:
            counts[symbol] -= 1
            if counts[symbol] <= 0:
                del counts[symbol]

    # --- by hand -------------------------------------------------------------------------------

    def set_pace(self, *, rate: float | None = None, flood_per_s: float | None = None) -> None:
        """Change how often symbols move; a flood moves every symbol exactly so often."""
        if rate is not None:
            self.rate = rate
        if flood_per_s is not None:
            self.flood_per_s = flood_per_s
        for book in self._moving:
            book.next_s = self.now + self._period(book) * book.random.random()

    def set_quote(
        self,
        symbol: str,
        *,
        bid: float,
        ask: float,
        bid_size: float = 100.0,
        ask_size: float = 100.0,
        last: float | None = None,
    ) -> int:
        """Put a quote (NaN for a missing side) into a book, freeze it, and return what changed.

        Raises: KeyError for an unknown symbol.
        """
        book = self.find(symbol)
        if book is None:
            raise KeyError(symbol)
        book.is_frozen = book.has_quote = True
        book.bid, book.ask = bid, ask
        book.bid_size = NAN if math.isnan(bid) else bid_size
        book.ask_size = NAN if math.isnan(ask) else ask_size
        book.sequence += 1
        bits = QUOTE
        if last is not None:
            bits |= self._trade(book, last, 1.0, is_buy=True, now=self.now)
        return bits

    def set_frozen(self, symbols: Iterable[str], is_frozen: bool) -> None:
        """Stop or restart the moves of some symbols. Raises: KeyError for an unknown one."""
        for symbol in symbols:
            book = self.find(symbol)
            if book is None:
                raise KeyError(symbol)
            book.is_frozen = is_frozen
            book.has_quote = book.kind is not Kind.INDEX or is_frozen

    def release(self) -> None:
        """Let frozen symbols move again, at the usual pace."""
        self.set_frozen(
            [book.symbol for book in self._books.values() if book.is_frozen], is_frozen=False
        )
        if self.flood_per_s > 0:
            self.set_pace(flood_per_s=0)

    def set_open(self, is_open: bool, now: float) -> None:
        """Open or close the market; while closed nothing moves, the clock of the model included."""
        if is_open and not self.is_open:
            for book in self._moving:
                book.next_s = now + self._period(book) * book.random.random()
            self.now = now
        self.is_open = is_open

    # --- instruments ---------------------------------------------------------------------------

    def _open_book(self, item: Instrument) -> Book:
        random = Random(f"{self.seed}:{item.symbol}")
        book = Book(item.symbol, item.kind, random)
        self._books[item.symbol] = book
        book.instrument = item
        book.exchange = item.exchange
        book.decimals = item.decimals
        book.dividend = item.dividend
        book.volatility = item.volatility
        day = item.volatility / math.sqrt(252)
        book.prev_close = to_tick(item.price * math.exp(random.gauss(0, 0.2 * day)), item)
        book.day_open = to_tick(book.prev_close * math.exp(random.gauss(0, 0.3 * day)), item)
        book.fair = book.day_open * math.exp(random.gauss(0, 0.5 * day))
        book.last = to_tick(book.fair, item)
        spread = item.price * day * 0.25
        book.day_high = to_tick(max(book.last, book.day_open) + random.random() * spread, item)
        book.day_low = to_tick(min(book.last, book.day_open) - random.random() * spread, item)
        book.change = round(book.last - book.day_open, item.decimals)
        typical = 0.0 if item.kind is Kind.INDEX else typical_volume(item)
        book.prev_volume = float(round(typical * random.uniform(0.7, 1.4)))
        book.volume = float(round(typical * random.uniform(0.2, 0.5)))
        book.turnover = round(book.volume * book.last, 2)
        if item.kind is Kind.FUTURE:
            book.open_interest = float(round(typical * 1.5))
        elif item.kind is not Kind.INDEX:
            book.open_interest = 0.0
        if item.symbol in self.universe.chains:
            contracts = round(typical * 0.01) + 20_000
            book.call_volume = round(contracts * random.uniform(0.4, 0.6))
            book.put_volume = round(contracts * random.uniform(0.4, 0.7))
        book.day_id = self._day_id()
        book.time_ms = round(self.now * 1000)
        book.next_s = self.now + random.random() / item.per_s
        book.start = (self.now, book.fair, book.volatility)
        book.last_size = 0.0 if item.kind is Kind.INDEX else trade_size(random, item)
        self._quote(book, item)
        self._record(book, is_buy=True)
        return book

    def _lead(self) -> None:
        """Tie indices and index futures to what they follow: they rise and fall together."""
        for book in self._moving:
            leader = self._leader(book)
            book.ratio = book.fair / leader.fair if leader is not None else 1.0
            book.seen = math.log(self._books[MARKET].fair)

    def _leader(self, book: Book) -> Book | None:
        root = book.symbol.split(":")[0][:-3] if book.kind is Kind.FUTURE else book.symbol
        name = LEADERS.get(root)
        return self._books[name] if name is not None else None

    def _period(self, book: Book) -> float:
        if self.flood_per_s > 0:
            return 1.0 / self.flood_per_s
        item = book.instrument
        per_s = (item.per_s if item is not None else 1.0) * self.rate
        return 1.0 / per_s if per_s > 0 else 3600.0

    def _beat(self, book: Book, period: float) -> int:
        item = book.instrument
        if book.is_frozen or item is None:
            return 0
        random = book.random
        leader = self._leader(book)
        if leader is not None:
            book.fair = leader.fair * book.ratio
        else:
            market = math.log(self._books[MARKET].fair)
            common = 0.0 if book.symbol == MARKET else item.beta * (market - book.seen)
            book.seen = market
            own = item.volatility**2 - (item.beta * MARKET_VOLATILITY) ** 2
            own = (
                item.volatility**2 if book.symbol == MARKET else max(own, 0.3 * item.volatility**2)
            )
            home = 0.000_05 * math.log(item.price / book.fair)
            book.fair *= math.exp(
                common + home + random.gauss(0, math.sqrt(own * period / TRADING_S))
            )
        wander = random.gauss(0, 0.0004) + 0.0005 * math.log(item.volatility / book.volatility)
        book.volatility *= math.exp(wander)
        bits = 0
        if book.has_quote:
            self._quote(book, item)
            bits = QUOTE
            if random.random() < TRADE_CHANCE:
                is_buy = random.random() < 0.5
                price = book.ask if is_buy else book.bid
                bits |= self._trade(book, price, trade_size(random, item), is_buy, book.next_s)
        else:
            price = to_tick(book.fair, item)
            bits |= self._trade(book, price, 0.0, price >= book.last, book.next_s)
        if item.symbol in self.universe.chains:
            book.call_volume += random.randrange(40)
            book.put_volume += random.randrange(40)
            if book.next_s >= book.model_s:
                book.model_s = book.next_s + self._model_period()
                bits |= UNDERLYING
        return bits

    def _quote(self, book: Book, item: Instrument) -> None:
        if not book.has_quote:
            return
        random = book.random
        half = item.tick * item.spread / 2 * (1 + random.random())
        low = math.floor((book.fair - half) / item.tick)
        high = max(low + 1, math.ceil((book.fair + half) / item.tick))
        book.bid = round(low * item.tick, item.decimals)
        book.ask = round(high * item.tick, item.decimals)
        book.bid_size, book.ask_size = quote_size(random, item), quote_size(random, item)
        book.sequence += 1

    def _trade(self, book: Book, price: float, size: float, is_buy: bool, now: float) -> int:
        previous = book.last
        if price != previous:
            book.direction = "UP" if price > previous else "DOWN"
        elif not book.direction.startswith("ZERO"):
            book.direction = "ZERO_UP" if book.direction == "UP" else "ZERO_DOWN"
        book.change = 0.0 if math.isnan(previous) else round(price - previous, book.decimals)
        book.last, book.last_size = price, size
        book.time_ms = round(now * 1000)
        book.sequence += 1
        book.volume = round(book.volume + size, 4)
        book.turnover = round(book.turnover + size * price, 2)
        self._record(book, is_buy)
        accumulate(book, price, size, int(now) // 60 * 60)
        bits = TRADE
        if not (book.day_low <= price <= book.day_high):
            book.day_high = price if math.isnan(book.day_high) else max(book.day_high, price)
            book.day_low = price if math.isnan(book.day_low) else min(book.day_low, price)
            bits |= SUMMARY
        if math.isnan(book.day_open):
            book.day_open = price
        return bits

    def _record(self, book: Book, is_buy: bool) -> None:
        book.sales.append(
            Sale(book.time_ms, book.sequence, book.last, book.last_size, book.bid, book.ask, is_buy)
        )

    def _begin_day(self, book: Book) -> None:
        book.day_id = self._day_id()
        book.prev_close, book.prev_volume = book.last, book.volume
        book.day_open = book.day_high = book.day_low = book.last
        book.volume = book.turnover = 0.0
        book.call_volume = book.put_volume = 0

    def _day_id(self) -> int:
        return int((self.now - DAY_OFFSET_S) // 86_400)

    # --- options -------------------------------------------------------------------------------

    def _model_period(self) -> float:
        if self.flood_per_s > 0:
            return 1.0 / self.flood_per_s
        return MODEL_PERIOD_S / max(self.rate, 1e-9)

    def _follow(self, watched: dict[str, int], changed: dict[str, int]) -> None:
        flooding = self.flood_per_s > 0
        for symbol in watched:
            book = self._books[symbol]
            if book.is_frozen or not (flooding or book.random.random() < OPTION_CHANCE):
                continue
            bits = self._reprice(book, resize=True)
            if self.now >= book.model_s:
                book.model_s = self.now + self._model_period()
                bits |= GREEKS | THEO
            if book.random.random() < OPTION_TRADE_CHANCE:
                is_buy = math.isnan(book.bid) or book.random.random() < 0.5
                size = float(book.random.choice((1, 1, 2, 3, 5, 10)))
                price = book.ask if is_buy else book.bid
                bits |= self._trade(book, price, size, is_buy, self.now)
            if bits:
                changed[symbol] = changed.get(symbol, 0) | bits

    def _open_option(self, option: Option) -> Book:
        random = Random(f"{self.seed}:{option.symbol}")
        book = Book(option.symbol, Kind.OPTION, random)
        self._books[option.symbol] = book
        book.option = option
        book.exchange = "Z"
        book.time_ms = round(self.now * 1000)
        book.day_id = self._day_id()
        book.model_s = self.now + random.random() * self._model_period()
        self._reprice(book)
        spot = self._books[option.underlying]
        before = self._value(option, spot, spot.prev_close, self.now - 86_400)[1].price
        book.prev_close = option_tick(option, before)
        book.open_interest = float(random.randrange(50, 20_000))
        book.prev_volume = float(random.randrange(0, 4_000))
        fair = option_tick(option, book.fair)
        book.last = book.ask if math.isnan(book.bid) else fair
        book.last_size = 1.0
        book.volume = float(random.randrange(1, 1_500))
        book.turnover = round(book.volume * book.last, 2)
        book.day_open = book.prev_close if book.prev_close > 0 else book.last
        book.day_high = max(book.day_open, book.last)
        book.day_low = min(book.day_open, book.last)
        book.change = 0.0
        book.start = (self.now, book.last, book.volatility)
        self._record(book, is_buy=True)
        return book

    def _value(
        self, option: Option, spot: Book, price: float, now: float
    ) -> tuple[float, Theoretical]:
        years = years_until(option.expiry, now)
        volatility = find_volatility(
            find_term_volatility(spot.volatility, years), price, option.strike, years
        )
        return volatility, price_option(
            option.is_call, price, option.strike, years, volatility, spot.dividend
        )

    def _reprice(self, book: Book, *, resize: bool = False) -> int:
        """Price an option from its underlying now; the bits say whether its quote moved."""
        option = book.option
        if option is None:
            return 0
        spot = self._books[option.underlying]
        price = float(spot.mark)
        if not resize and book.fair_spot == price and book.seen == self.now:
            return 0
        book.fair_spot, book.seen = price, self.now
        book.volatility, book.theoretical = self._value(option, spot, price, self.now)
        book.fair = book.theoretical.price
        tick = option.tick if book.fair < 3 else option.tick_above
        half = max(tick * 0.5, book.fair * 0.004)
        low = math.floor((book.fair - half) / tick + 1e-9)
        high = max(low + 1, math.ceil((book.fair + half) / tick - 1e-9), 1)
        bid = round(low * tick, 2) if low > 0 else NAN
        ask = round(high * tick, 2)
        moved = ask != book.ask or (bid != book.bid and not (bid != bid and book.bid != book.bid))
        if not (moved or resize):
            return 0
        random = book.random
        book.bid, book.ask = bid, ask
        book.bid_size = NAN if low <= 0 else float(random.randrange(1, 400))
        book.ask_size = float(random.randrange(1, 400))
        book.sequence += 1
        return QUOTE
