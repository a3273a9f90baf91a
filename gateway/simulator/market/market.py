"""The simulated market: quotes, trades, day ranges and greeks that agree with each other; pure.

`Market.advance(now)` is the only thing that moves a price. The same universe, seed and sequence of
instants give the same market. `now` is in epoch seconds. Prices are floats that lie on their tick
and print without noise (450.25, never 450.24999999); a side that is not quoted is NaN.
"""

import math
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from gateway.simulator.market.book import (
    GREEKS,
    NAN,
    QUOTE,
    SUMMARY,
    THEO,
    UNDERLYING,
    Book,
)
from gateway.simulator.market.calendar import Phase, find_phase, local_day
from gateway.simulator.market.options import open_book, reprice
from gateway.simulator.market.spots import open_spot, quote, trade, trade_extended
from gateway.simulator.market.ticks import to_tick, trade_size
from gateway.simulator.market.universe import Kind, Universe

TRADING_S = 252 * 23_400.0  # seconds of trading a year: volatility is spent over these
TRADE_CHANCE = 0.45  # of a beat, for an instrument
OPTION_CHANCE = 0.5  # that a watched option's quote follows a beat of its underlying
OPTION_TRADE_CHANCE = 0.05
MODEL_PERIOD_S = 1.0  # greeks and theoretical prices are published this often at rate 1
MOST_BEATS = 2_000  # caught up with in one step after a pause of the process
EPOCH = date(1970, 1, 1)  # days are counted from here, and begin at midnight in New York
MODES = {
    "open": Phase.OPEN,
    "closed": Phase.CLOSED,
    "pre-market": Phase.PRE,
    "extended": Phase.EXTENDED,
    "auto": Phase.OPEN,
}
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
        self.mode = "open" if is_open else "closed"
        self._books: dict[str, Book] = {}
        self._moving: list[Book] = []
        self._watched: dict[str, dict[str, int]] = {}
        self.relist(universe, now)

    def relist(self, universe: Universe, now: float) -> None:
        """Begin again with what is listed on another day; what was watched is forgotten."""
        self.universe, self.now = universe, now
        self._books.clear()
        self._watched.clear()
        self._moving = [
            open_spot(
                item,
                seed=self.seed,
                now=now,
                day_id=self._day_id(),
                has_options=item.symbol in universe.chains,
            )
            for item in universe.instruments.values()
        ]
        self._books.update((book.symbol, book) for book in self._moving)
        self._lead()

    # --- looking -------------------------------------------------------------------------------

    def find(self, symbol: str) -> Book | None:
        """Return the book of a listed symbol, up to date, or None."""
        book = self._books.get(symbol)
        if book is None:
            option = self.universe.find_option(symbol)
            if option is None:
                return None
            spot = self._books[option.underlying]
            book = open_book(option, spot, self.seed, self.now, self._day_id())
            self._books[symbol] = book
        elif book.option is not None and not book.is_frozen:
            reprice(book, self._books[book.option.underlying], self.now)
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
        if self.mode == "closed" or now <= self.now:
            return changed
        self.now = now
        phases = {kind: self.phase(kind) for kind in Kind}
        if self._day_id() != self._moving[0].day_id:
            for book in list(self._books.values()):
                self._begin_day(book)
                changed[book.symbol] = SUMMARY
        if self.rate <= 0 and self.flood_per_s <= 0:
            return changed
        for book in self._moving:
            if book.next_s > now:
                continue
            phase = phases[book.kind]
            if phase is Phase.CLOSED:
                book.next_s = now + self._period(book)
                continue
            period = self._period(book)
            if now - book.next_s > MOST_BEATS * period:
                book.next_s = now - MOST_BEATS * period
            bits = 0
            while book.next_s <= now:
                bits |= self._beat(book, period, phase)
                jitter = 1.0 if self.flood_per_s > 0 else 0.5 + book.random.random()
                book.next_s += period * jitter
            if bits:
                changed[book.symbol] = changed.get(book.symbol, 0) | bits
            watched = self._watched.get(book.symbol)
            if watched and phase is Phase.OPEN:
                self._follow(book, watched, changed)
        return changed

    def watch(self, symbol: str) -> None:
        """Keep an option moving with its underlying until as many `unwatch` calls."""
        option = self.universe.find_option(symbol)
        if option is not None:
            self.find(symbol)
            counts = self._watched.setdefault(option.underlying, {})
            counts[symbol] = counts.get(symbol, 0) + 1

    def unwatch(self, symbol: str) -> None:
        """Undo one `watch`."""
        option = self.universe.find_option(symbol)
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
            bits |= trade(book, last, 1.0, is_buy=True, now=self.now)
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

    def set_mode(self, mode: str, now: float) -> None:
        """Open or close the market, or let the calendar do it ("auto").

        "pre-market" and "extended" are hours in which only shares, futures and coins trade. While
        "closed" nothing moves, the clock of the model included. Raises: ValueError.
        """
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        if self.mode == "closed" and mode != "closed":
            self.move_to(now)
        self.mode = mode

    def move_to(self, now: float) -> dict[str, int]:
        """Go on from another instant, without what would have happened between; what changed."""
        changed: dict[str, int] = {}
        self.now = now
        for book in self._books.values():
            book.next_s = now + self._period(book) * book.random.random()
            book.model_s = now
            if book.day_id != self._day_id():
                self._begin_day(book)
                changed[book.symbol] = SUMMARY
        return changed

    def phase(self, kind: Kind) -> Phase:
        """Return what the market for a kind of instrument does now."""
        if self.mode in ("open", "closed"):
            return Phase.OPEN if self.mode == "open" else Phase.CLOSED
        if kind is Kind.CRYPTO:
            return Phase.OPEN
        is_future = kind in (Kind.FUTURE, Kind.FUTURE_OPTION)
        if self.mode == "auto":
            phase = find_phase("CME" if is_future else "Equity", self.now)
        else:
            phase = Phase.OPEN if is_future else MODES[self.mode]
        if kind is not Kind.EQUITY and phase is not Phase.OPEN:
            return Phase.CLOSED
        return phase

    @property
    def is_open(self) -> bool:
        """Whether regular trading in shares goes on."""
        return self.phase(Kind.EQUITY) is Phase.OPEN

    # --- instruments ---------------------------------------------------------------------------

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

    def _beat(self, book: Book, period: float, phase: Phase) -> int:
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
            quote(book, item)
            bits = QUOTE
            if random.random() < TRADE_CHANCE:
                is_buy = random.random() < 0.5
                price = book.ask if is_buy else book.bid
                size = trade_size(random, item)
                if phase is Phase.OPEN:
                    bits |= trade(book, price, size, is_buy, book.next_s)
                else:
                    bits |= trade_extended(book, price, size, book.next_s)
        else:
            price = to_tick(book.fair, item)
            bits |= trade(book, price, 0.0, price >= book.last, book.next_s)
        if item.symbol in self.universe.chains:
            book.call_volume += random.randrange(40)
            book.put_volume += random.randrange(40)
            if book.next_s >= book.model_s:
                book.model_s = book.next_s + self._model_period()
                bits |= UNDERLYING
        return bits

    def _begin_day(self, book: Book) -> None:
        book.day_id = self._day_id()
        book.prev_close, book.prev_volume = book.last, book.volume
        book.day_open = book.day_high = book.day_low = book.last
        book.volume = book.turnover = 0.0
        book.call_volume = book.put_volume = 0

    def _day_id(self) -> int:
        return (local_day(self.now) - EPOCH).days

    # --- options -------------------------------------------------------------------------------

    def _model_period(self) -> float:
        if self.flood_per_s > 0:
            return 1.0 / self.flood_per_s
        return MODEL_PERIOD_S / max(self.rate, 1e-9)

    def _follow(self, spot: Book, watched: dict[str, int], changed: dict[str, int]) -> None:
        flooding = self.flood_per_s > 0
        for symbol in watched:
            book = self._books[symbol]
            if book.is_frozen or not (flooding or book.random.random() < OPTION_CHANCE):
                continue
            bits = reprice(book, spot, self.now, resize=True)
            if self.now >= book.model_s:
                book.model_s = self.now + self._model_period()
                bits |= GREEKS | THEO
            if book.random.random() < OPTION_TRADE_CHANCE:
                is_buy = math.isnan(book.bid) or book.random.random() < 0.5
                size = float(book.random.choice((1, 1, 2, 3, 5, 10)))
                price = book.ask if is_buy else book.bid
                bits |= trade(book, price, size, is_buy, self.now)
            if bits:
                changed[symbol] = changed.get(symbol, 0) | bits
