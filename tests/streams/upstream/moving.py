"""A market in simulated time, for tests of what its silence means."""

from collections.abc import Iterable, Mapping
from random import Random

from gateway.streams.markets import Market
from gateway.streams.upstream.arrival_rate import MOMENT_S
from gateway.streams.upstream.staleness import Staleness, Verdict

STALE_S = 4.0
FAR = ".AAPL270115C900"
FUTURE = "/ESZ26:XCME"
COIN = "BTC/USD:CXTALP"
STOCKS: frozenset[Market] = frozenset({"stocks", "crypto"})
NIGHT: frozenset[Market] = frozenset({"index futures", "crypto"})


class World:
    """A market in which each symbol moves so often a second, and what is judged of it."""

    def __init__(self, rates: Mapping[str, float], seed: int = 1) -> None:
        self.rates = dict(rates)
        self.random = Random(seed)
        self.freshness = Staleness(STALE_S)
        self.now_s = 1000.0
        self.open: frozenset[Market] = STOCKS
        self.seen: set[str] = set()
        self.stale: set[str] = set()
        self.unquoted: set[str] = set()
        self.silenced: set[str] = set()
        self.verdict: Verdict = self.look()
        self.connect()

    def look(self) -> Verdict:
        """Judge, and keep what a viewer has been told."""
        verdict = self.freshness.evaluate(set(self.rates), self.open, self.now_s)
        assert not verdict.silenced & self.stale, "told twice"
        self.stale = (self.stale | verdict.silenced) - verdict.recovered
        assert self.stale == set(self.freshness.silent)
        self.silenced |= verdict.silenced
        self.verdict = verdict
        return verdict

    def connect(self, arrived: Iterable[str] | None = None) -> None:
        """A new connection, which answers with what it has."""
        self.freshness.connect(list(self.rates), self.now_s)
        self.seen = set()
        for symbol in self.rates if arrived is None else arrived:
            self.move(symbol)

    def move(self, symbol: str) -> None:
        is_live = self.freshness.move(
            symbol,
            self.now_s,
            is_first=symbol not in self.seen,
            is_quote=symbol not in self.unquoted,
        )
        self.seen.add(symbol)
        if is_live:
            self.stale.discard(symbol)

    def pass_s(self, seconds: float, *, mute: Iterable[str] = ()) -> None:
        """Let time pass while everything moves but what is mute."""
        moving = [(symbol, rate) for symbol, rate in self.rates.items() if symbol not in mute]
        for _ in range(round(seconds / MOMENT_S)):
            for symbol, rate in moving:
                if self.random.random() < rate * MOMENT_S:
                    self.move(symbol)
            self.now_s += MOMENT_S
            self.look()


BUSY = {"SPY": 8.0, "QQQ": 8.0, "AAPL": 4.0, FAR: 0.0, FUTURE: 6.0, COIN: 6.0}
