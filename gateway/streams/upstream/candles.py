"""A series of candles: built from a snapshot and the events that follow it; pure.

The protocol is dxFeed's for indexed events (IndexedEvent, "Event flags, transactions and
snapshots"): a snapshot begins and ends with flags and comes newest first; afterwards each event
replaces the candle of its time. Nothing of a snapshot shows before its end.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, NamedTuple

MAX_CANDLES = 500
"""Of one series: what fits on a screen; the oldest are dropped."""

_PERIOD = re.compile(r"(\d*)(mo|[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400}

_CLOSED_FACTOR = 5.5
"""Regular hours are less than a fifth of a week; so much more time holds as many candles."""
_CLOSED_FACTOR_OF_DAYS = 1.5

Change = Literal["nothing", "newest", "all"]


class Candle(NamedTuple):
    """One candle; `time` is its begin, in ms since the epoch."""

    time: int
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal | None
    vwap: Decimal | None
    trades: int | None


class Flags(NamedTuple):
    """The place of an event in a snapshot."""

    begins: bool = False
    ends: bool = False
    removes: bool = False


class Series:
    """The candles of one symbol, oldest first; bounded by `MAX_CANDLES`."""

    def __init__(self) -> None:
        self._candles: dict[int, Candle] = {}
        self._pending: dict[int, Candle] | None = None

    @property
    def candles(self) -> list[Candle]:
        """All of them, oldest first."""
        return list(self._candles.values())

    @property
    def is_loading(self) -> bool:
        """Whether a snapshot has begun and not ended."""
        return self._pending is not None

    def apply(self, candle: Candle, flags: Flags) -> Change:
        """Apply an event; return what has changed for a viewer."""
        if flags.begins:
            self._pending = {}
        if self._pending is not None:
            if not flags.removes:
                self._pending[candle.time] = candle
            if not flags.ends:
                return "nothing"
            self._candles, self._pending = _order(self._pending.values()), None
            return "all"
        newest = next(reversed(self._candles), None)
        if flags.removes:
            return "all" if self._candles.pop(candle.time, None) else "nothing"
        self._candles[candle.time] = candle
        if candle.time == newest:
            return "newest"
        is_late = newest is not None and candle.time < newest
        if is_late or len(self._candles) > MAX_CANDLES:
            self._candles = _order(self._candles.values())
        return "all"


def _order(candles: Iterable[Candle]) -> dict[int, Candle]:
    newest = sorted(candles, key=lambda each: each.time)[-MAX_CANDLES:]
    return {each.time: each for each in newest}


def split_candle(symbol: str) -> tuple[str, str]:
    """Return the instrument and the attributes: `SPY{=5m,tho=true}` is `SPY` and `5m,tho=true`."""
    instrument, _, attributes = symbol.partition("{=")
    return instrument, attributes.removesuffix("}")


def period_s(symbol: str) -> int | None:
    """Return the seconds of one candle, months as 30 days; None when that is no period."""
    match = _PERIOD.match(split_candle(symbol)[1])
    return int(match[1] or 1) * _UNITS_S[match[2]] if match else None


def history_s(symbol: str) -> float:
    """Return how many seconds `MAX_CANDLES` of this symbol reach back, closed markets included."""
    seconds = period_s(symbol) or _UNITS_S["d"]
    factor = _CLOSED_FACTOR if seconds < _UNITS_S["d"] else _CLOSED_FACTOR_OF_DAYS
    return seconds * MAX_CANDLES * factor
