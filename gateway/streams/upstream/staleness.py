"""Whether silence is a fault: of a symbol, of its market, of everything; pure.

A price that rightly does not change sends nothing, so the age of an event says little: a far option
may be quiet for an hour and be right. What counts is how the same symbol, its market and all open
markets together moved until now: a silence longer than chance explains is a fault (`arrival_rate`).
In a market with a canary no chance is given: it always moves. Before enough is learned, what is of
a kind that is never quiet for long (`liquidity`) may be so for no longer than that, and its market.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date

from gateway.streams.markets import Market, market_of
from gateway.streams.upstream.arrival_rate import MOMENT_S, ArrivalRate
from gateway.streams.upstream.liquidity import longest_silence_s

ANSWERING_S = 10.0
"""So long after connecting what answers its subscription says that its market is alive."""

OPENING_S = 60.0
"""A market that has just opened may take so long for its first quotes."""

CANARY_MARKET: Market = "stocks"
"""The market in which something is always followed that always moves while it is open."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has changed since the last check, and how things stand."""

    silenced: frozenset[str]
    """Symbols that are silent from now on."""
    recovered: frozenset[str]
    """Symbols that no longer are."""
    markets: tuple[Market, ...]
    """Open markets of which nothing comes although something ought to, while others move."""
    is_stalled: bool
    """Whether nothing comes of any open market although something ought to."""
    stalled_s: float
    """For how long that has lasted in this connection; 0 when it is not so."""
    market_silent_s: Mapping[Market, float]
    """For how long nothing has come of each of `markets` in this connection."""
    moved: frozenset[Market]
    """Markets of which live quotes have come since the last check."""


class Staleness:
    """Which symbols are silent although they ought to move: their values are not live.

    A symbol stays silent until there is proof: an event of its own, or of its market when all of
    that was silent. The first event since it was subscribed to proves nothing while the market is
    open, because a feed that is stuck answers a subscription with what it had.
    """

    def __init__(self, stale_s: float) -> None:
        self.today: date | None = None
        """In New York: some options keep other hours on their last day."""
        self._stale_s = stale_s
        self._connected_s = 0.0
        # Since the last check.
        self._moved: dict[str, float] = {}
        self._rates: dict[str, ArrivalRate] = {}
        self._markets: dict[Market, ArrivalRate] = {}
        self._all = ArrivalRate(0.0, stale_s)
        self._open: frozenset[Market] = frozenset()
        # Whether an event has come since that proved nothing.
        self._silent: dict[str, bool] = {}
        # Only trades come of these, as of indices: they prove nothing of the quotes of others.
        self._unquoted: set[str] = set()
        # Silent by themselves: that their market moves proves nothing of them.
        self._alone: set[str] = set()
        self._silent_markets: set[Market] = set()
        self._is_stalled = False
        self._recovered: set[str] = set()
        # Of these nothing has come in this connection.
        self._awaited: set[str] = set()
        # What has answered its subscription since the last check, and moved no further.
        self._answered: dict[str, float] = {}
        # Of these something has come, ever.
        self._heard: set[str] = set()
        # How long what is never quiet for long may be so.
        self._patience_s: dict[str, float] = {}

    @property
    def silent(self) -> Collection[str]:
        """The symbols that are silent."""
        return self._silent.keys()

    @property
    def is_suspect(self) -> bool:
        """Whether a market, or all of them, is silent."""
        return self._is_stalled or bool(self._silent_markets)

    def connect(self, symbols: Collection[str], now_s: float) -> None:
        """Begin a connection: silence counts from now, and nothing has come of these symbols."""
        self._awaited = set(symbols)
        self._connected_s = now_s
        # What came last before the break would take the clocks back to then.
        self._moved.clear()
        self._answered.clear()
        for rate in (*self._rates.values(), *self._markets.values(), self._all):
            rate.last_s = max(rate.last_s, now_s)

    def move(self, symbol: str, now_s: float, *, is_first: bool, is_quote: bool = True) -> bool:
        """Note an event of this symbol; whether it proves that its values are live.

        `is_first` says that it is the first of its kind since the symbol was subscribed to. What is
        no quote counts for its symbol alone, and should be given of those without quotes only.
        """
        if is_quote:
            self._unquoted.discard(symbol)
        else:
            self._unquoted.add(symbol)
        if self._awaited:
            self._awaited.discard(symbol)
        if symbol in self._silent:
            if is_first and self._market_of(symbol) in self._open:
                self._silent[symbol] = True
                return False
            self._on_recovered(symbol)
        self._heard.add(symbol)
        if is_first:
            self._answered[symbol] = now_s
        else:
            self._moved[symbol] = now_s
        return True

    def forget(self, symbols: Collection[str]) -> None:
        """Drop what is known of these symbols."""
        for symbol in symbols:
            for known in (
                self._moved,
                self._answered,
                self._rates,
                self._silent,
                self._patience_s,
            ):
                known.pop(symbol, None)
        for each in (self._alone, self._recovered, self._awaited, self._unquoted, self._heard):
            each.difference_update(symbols)

    def evaluate(self, symbols: Set[str], open_markets: frozenset[Market], now_s: float) -> Verdict:
        """Return which of these symbols are silent; to be called every `MOMENT_S`."""
        if open_markets != self._open:
            self._on_sessions_changed(open_markets, now_s)
        silenced, moved = self._apply(symbols, now_s)
        for market, rate in self._markets.items():
            kin = (each for each in self._patience_s if self._market_of(each) == market)
            if self._is_outlasted(rate) and self._is_silent(market, rate, kin, now_s):
                self._silent_markets.add(market)
        if self._is_silent(CANARY_MARKET, self._all, self._patience_s, now_s):
            self._is_stalled = True
        if self.is_suspect:
            silenced |= {
                each
                for each in symbols
                if self._is_suspected(each) and not self._moves_alone(each, now_s)
            }
        silenced -= self._silent.keys()
        self._silent.update(dict.fromkeys(silenced, False))
        for symbol in list(self._silent):
            if self._is_cleared(symbol):
                self._on_recovered(symbol)
        recovered, self._recovered = self._recovered - self._silent.keys(), set()
        return Verdict(
            silenced=frozenset(silenced),
            recovered=frozenset(recovered),
            markets=tuple(sorted(self._silent_markets)),
            is_stalled=self._is_stalled,
            stalled_s=now_s - self._all.last_s if self._is_stalled else 0.0,
            market_silent_s={
                each: now_s - self._markets[each].last_s for each in self._silent_markets
            },
            moved=moved,
        )

    def _on_sessions_changed(self, open_markets: frozenset[Market], now_s: float) -> None:
        """Start over for the markets that have opened or closed."""
        changed = open_markets ^ self._open
        self._open = open_markets
        self._all = ArrivalRate(now_s, self._stale_s)
        for market in changed:
            self._markets.pop(market, None)
            if market in open_markets:
                self._markets[market] = ArrivalRate(now_s, self._stale_s)
        for symbol in [each for each in self._rates if self._market_of(each) in changed]:
            self._rates[symbol] = ArrivalRate(now_s, self._stale_s)
        self._silent_markets &= open_markets
        self._is_stalled = self._is_stalled and bool(open_markets)
        for symbol, has_come in list(self._silent.items()):
            # Nothing more will come to prove it, and it is what the market closed with.
            if has_come and self._market_of(symbol) not in open_markets:
                self._on_recovered(symbol)

    def _apply(self, symbols: Set[str], now_s: float) -> tuple[set[str], frozenset[Market]]:
        """Learn from what has moved; return the symbols that are silent by themselves, and the
        markets that moved."""
        for symbol in symbols - self._rates.keys():
            self._rates[symbol] = ArrivalRate(now_s - MOMENT_S, self._stale_s)
            patience_s = longest_silence_s(symbol, self.today)
            if patience_s < float("inf"):
                self._patience_s[symbol] = patience_s
        self._apply_answers(symbols)
        newest: dict[Market, float] = {}
        moved, self._moved = self._moved, {}
        for symbol, at_s in moved.items():
            market = self._market_of(symbol)
            if market not in self._open or symbol not in symbols:
                continue
            self._rates[symbol].move(at_s)
            if symbol not in self._unquoted:
                newest[market] = max(newest.get(market, 0.0), at_s)
        for market, at_s in newest.items():
            self._markets[market].move(at_s)
        self._silent_markets -= newest.keys()
        if newest:
            self._all.move(max(newest.values()))
            self._is_stalled = False
        silent = {
            symbol
            for symbol, rate in self._rates.items()
            if rate.is_silent(now_s) and self._is_outlasted(rate)
        }
        silent |= {
            symbol
            for symbol in self._patience_s
            if self._is_mute(rate := self._rates[symbol], (symbol,), now_s)
            and self._is_outlasted(rate)
        }
        self._alone |= silent
        return silent, frozenset(newest)

    def _apply_answers(self, symbols: Set[str]) -> None:
        """Count silences from the answers to subscriptions, which are no movements."""
        answered, self._answered = self._answered, {}
        for symbol, at_s in answered.items():
            market = self._market_of(symbol)
            if market not in self._open or symbol not in symbols:
                continue
            rates = [self._rates[symbol]]
            is_timely = at_s - self._connected_s <= ANSWERING_S
            if is_timely and symbol not in self._unquoted and not self._is_suspected(symbol):
                rates += [self._markets[market], self._all]
            for rate in rates:
                rate.answer(at_s)

    def _is_mute(self, rate: ArrivalRate, symbols: Iterable[str], now_s: float) -> bool:
        """Whether what moves with these symbols is silent for longer than their kinds ever are."""
        if rate.is_learned:
            return False
        return any(now_s - rate.last_s > self._early_limit_s(symbol) for symbol in symbols)

    def _early_limit_s(self, symbol: str) -> float:
        """How long this symbol may be quiet by what its kind says; infinity when it may be."""
        if self._market_of(symbol) not in self._open or symbol not in self._heard:
            return float("inf")
        patience_s = self._patience_s[symbol]
        return patience_s if self._rates[symbol].has_come else max(patience_s, OPENING_S)

    def _is_outlasted(self, rate: ArrivalRate) -> bool:
        """Whether others have moved for long since; if not, all may be falling silent."""
        return self._all.last_s - rate.last_s >= self._stale_s

    def _is_silent(
        self, market: Market, rate: ArrivalRate, symbols: Iterable[str], now_s: float
    ) -> bool:
        if market == CANARY_MARKET and market in self._open:
            return now_s - rate.last_s > self._stale_s
        return rate.is_silent(now_s) or self._is_mute(rate, symbols, now_s)

    def _is_suspected(self, symbol: str) -> bool:
        market = self._market_of(symbol)
        return market in self._open and (self._is_stalled or market in self._silent_markets)

    def _moves_alone(self, symbol: str, now_s: float) -> bool:
        """Whether it goes on without quotes, as an index does when the quotes of all are lost."""
        rate = self._rates.get(symbol) if symbol in self._unquoted else None
        return rate is not None and now_s - rate.last_s <= self._stale_s

    def _is_cleared(self, symbol: str) -> bool:
        """Whether its market moves again, and with it what rightly does not change."""
        return (
            self._market_of(symbol) in self._open
            and symbol not in self._alone
            and symbol not in self._awaited
            and not self._is_suspected(symbol)
        )

    def _on_recovered(self, symbol: str) -> None:
        del self._silent[symbol]
        self._alone.discard(symbol)
        self._recovered.add(symbol)

    def _market_of(self, symbol: str) -> Market:
        return market_of(symbol, self.today)
