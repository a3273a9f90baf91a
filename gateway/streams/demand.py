"""Which symbols are wanted, and by whom: reference counts, fair shares, limits, lingering; pure.

A symbol that nobody holds any more stays for `linger_s`, so that a page reload does not
unsubscribe and subscribe again. `now_s` is any rising clock.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice

from gateway.streams.symbols import is_candle

MAX_CANDLES = 90
"""Series of candles at once. Real accounts are reported to be refused beyond 100."""

RESERVE = 0.1
"""The part of each limit that nobody but the owner may fill."""

UNKNOWN_S = 10.0
"""A symbol without a record after so long is known to nobody: it gives its place to one that
somebody asks for. A feed that knows a symbol sends its last values at once, in closed markets too.
"""


class TooManySymbols(ValueError):
    """A limit on symbols is reached; the message says which and is for people."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """How many symbols of a kind may be followed at once, and how many of them for one viewer."""

    applies: Callable[[str], bool]
    total: int
    per_viewer: int
    noun: str
    setting: str

    @property
    def reserve(self) -> int:
        return int(self.total * RESERVE)

    def refuse_viewer(self) -> TooManySymbols:
        return TooManySymbols(
            f"one viewer follows at most {self.per_viewer} {self.noun} at once{self.setting}"
        )

    def refuse(self) -> TooManySymbols:
        return TooManySymbols(f"this gateway follows at most {self.total} {self.noun} at once")


@dataclass(slots=True)
class _Holding:
    """A symbol that somebody holds: how often each viewer does, and since when it is followed."""

    since_s: float
    counts: dict[str | None, int] = field(default_factory=dict)


class Demand:
    """Counts who wants what. All `listeners` are called after each change of the wanted set.

    Bounded by `max_symbols` and MAX_CANDLES. The owner (None) may fill all of it, and a tenth is
    kept free for him; everybody else has a share of `max_symbols_per_viewer`. Where room is
    needed, lingering symbols give way first, then those that nobody knows: `is_known` says which
    have data. Who holds such a symbol goes on holding it, and it is followed again as soon as
    there is room. What the owner holds gives way to nobody else.
    """

    def __init__(
        self,
        always: Iterable[str] = (),
        *,
        max_symbols: int = 5000,
        max_symbols_per_viewer: int = 1000,
        linger_s: float = 30.0,
        now_s: Callable[[], float],
    ) -> None:
        self.always = frozenset(always)
        self.max_symbols = max_symbols
        self.linger_s = linger_s
        self.listeners: list[Callable[[], None]] = []
        self.is_known: Callable[[str], bool] = lambda symbol: True
        self._now_s = now_s
        self._limits = (
            _Limit(
                lambda symbol: True,
                max_symbols,
                min(max_symbols_per_viewer, max_symbols),
                "symbols",
                " (GATEWAY_MAX_SYMBOLS_PER_VIEWER)",
            ),
            _Limit(is_candle, MAX_CANDLES, MAX_CANDLES // 2, "series of candles", ""),
        )
        self._held: dict[str, _Holding] = {}
        self._waiting: dict[str, None] = {}
        self._lingering: dict[str, float] = {}

    @property
    def wanted(self) -> frozenset[str]:
        """What upstream should be subscribed to now, lingering symbols included."""
        return self.always | (self._held.keys() - self._waiting.keys()) | self._lingering.keys()

    @property
    def waiting(self) -> frozenset[str]:
        """What is held and not followed: nobody knew it, and its place was needed."""
        return frozenset(self._waiting)

    def count(self, symbol: str) -> int:
        """Return how many hold this symbol."""
        held = self._held.get(symbol)
        return sum(held.counts.values()) if held else 0

    @contextmanager
    def acquire(self, symbols: Iterable[str], viewer: str | None = None) -> Iterator[None]:
        """Want these symbols for as long as the block runs; `viewer` None is the owner.

        Raises:
            TooManySymbols: when a limit would be passed; nothing is held then.
        """
        held = frozenset(symbols)
        self._add(held, viewer)
        try:
            yield
        finally:
            self._remove(held, viewer)

    def _add(self, symbols: frozenset[str], viewer: str | None) -> None:
        before = self.wanted
        leaving: set[str] = set()
        for limit in self._limits:
            leaving |= self._make_room(limit, symbols, viewer, before - leaving)
        now_s = self._now_s()
        for symbol in leaving:
            if self._lingering.pop(symbol, None) is None:
                self._waiting[symbol] = None
        for symbol in symbols:
            held = self._held.setdefault(symbol, _Holding(now_s))
            held.counts[viewer] = held.counts.get(viewer, 0) + 1
            if symbol in self._waiting:
                del self._waiting[symbol]
                held.since_s = now_s
            self._lingering.pop(symbol, None)
        if self.wanted != before:
            self._notify()

    def _make_room(
        self, limit: _Limit, symbols: frozenset[str], viewer: str | None, wanted: frozenset[str]
    ) -> set[str]:
        """Return what has to leave for these symbols.

        Raises:
            TooManySymbols: when too little can.
        """
        new = {each for each in symbols - wanted if limit.applies(each)}
        if not new:
            # What is followed anyway costs nothing, so it counts in nobody's share.
            return set()
        leaving: set[str] = set()
        if viewer is not None:
            own = {each for each in self._placed_for(viewer) if limit.applies(each)} | new
            if (excess := len(own) - limit.per_viewer) > 0:
                leaving.update(islice(self._list_unknown(own - symbols, viewer), excess))
                if len(leaving) < excess:
                    raise limit.refuse_viewer()
        counted = {each for each in wanted - leaving if limit.applies(each)}
        excess = len(counted) + len(new) - self._room(limit, viewer)
        if excess > 0:
            # Lingering symbols are a courtesy; they give way to a viewer who is here.
            others = counted - symbols
            lingering = (each for each in self._lingering if each in others)
            able = list(islice(chain(lingering, self._list_unknown(others, viewer)), excess))
            if len(able) < excess:
                raise limit.refuse()
            leaving.update(able)
        return leaving

    def _room(self, limit: _Limit, viewer: str | None) -> int:
        """Return how many this viewer may fill up to: all but what is kept free for the owner."""
        if viewer is None:
            return limit.total
        own = self.always.union(
            symbol for symbol, held in self._held.items() if None in held.counts
        )
        return limit.total - max(0, limit.reserve - sum(map(limit.applies, own)))

    def _placed_for(self, viewer: str | None) -> set[str]:
        """Return what is followed because this viewer holds it, and would not be anyway."""
        return {
            symbol
            for symbol, held in self._held.items()
            if viewer in held.counts
            and None not in held.counts
            and symbol not in self._waiting
            and symbol not in self.always
        }

    def _list_unknown(self, symbols: Collection[str], viewer: str | None) -> Iterator[str]:
        """Yield those of these symbols that nobody knows and that may give way to this viewer."""
        before_s = self._now_s() - UNKNOWN_S
        for symbol, held in self._held.items():
            if (
                symbol in symbols
                and held.since_s <= before_s
                and symbol not in self.always
                and symbol not in self._waiting
                and (viewer is None or None not in held.counts)
                and not self.is_known(symbol)
            ):
                yield symbol

    def _remove(self, symbols: frozenset[str], viewer: str | None) -> None:
        before = self.wanted
        for symbol in symbols:
            held = self._held[symbol]
            held.counts[viewer] -= 1
            if held.counts[viewer]:
                continue
            del held.counts[viewer]
            if held.counts:
                continue
            del self._held[symbol]
            if symbol in self._waiting:
                del self._waiting[symbol]
            elif symbol not in self.always:
                self._lingering[symbol] = self._now_s() + self.linger_s
        self._restore()
        # A symbol that begins to linger is no change, but whoever expires it needs to know when.
        if self.wanted != before or not self._lingering.keys().isdisjoint(symbols):
            self._notify()

    def _notify(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _restore(self) -> None:
        """Follow what waits again, as far as there is room that nobody has to leave."""
        if not self._waiting:
            return
        wanted = self.wanted
        counts = {limit: sum(map(limit.applies, wanted)) for limit in self._limits}
        shares: dict[tuple[_Limit, str | None], int] = {}
        for symbol in list(self._waiting):
            held = self._held[symbol]
            limits = [limit for limit in self._limits if limit.applies(symbol)]
            for key in ((limit, viewer) for limit in limits for viewer in held.counts):
                if key not in shares:
                    room = self._room(*key) - counts[key[0]]
                    if key[1] is not None:
                        placed = sum(map(key[0].applies, self._placed_for(key[1])))
                        room = min(room, key[0].per_viewer - placed)
                    shares[key] = room
            has_room = any(
                all(shares[limit, viewer] > 0 for limit in limits) for viewer in held.counts
            )
            if not has_room:
                continue
            del self._waiting[symbol]
            held.since_s = self._now_s()
            for key in shares:
                if key[0] in limits:
                    shares[key] -= 1
            for limit in limits:
                counts[limit] += 1

    def fit(self, symbols: Iterable[str]) -> frozenset[str]:
        """Return as many of these symbols, the first ones, as the owner could acquire now."""
        room = {limit: limit.total - sum(map(limit.applies, self.always)) for limit in self._limits}
        for limit in self._limits:
            room[limit] -= sum(map(limit.applies, self._held.keys() - self.always))
        fitting = set()
        for symbol in symbols:
            limits = [limit for limit in self._limits if limit.applies(symbol)]
            is_new = symbol not in self.always and symbol not in self._held
            if is_new and not all(room[limit] > 0 for limit in limits):
                continue
            fitting.add(symbol)
            for limit in limits if is_new else ():
                room[limit] -= 1
        return frozenset(fitting)

    def expire(self) -> frozenset[str]:
        """Forget the symbols whose linger time is over, and return them."""
        now_s = self._now_s()
        over = frozenset(each for each, until_s in self._lingering.items() if until_s <= now_s)
        for symbol in over:
            del self._lingering[symbol]
        if over:
            self._restore()
        return over

    def next_expiry_s(self) -> float | None:
        """Return when `expire` has something to do next, on the same clock; None if never."""
        return min(self._lingering.values(), default=None)
