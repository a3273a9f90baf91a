"""The quotes that every server sends, as a pure function of their sequence; pure.

A record says of itself when and as which it was published: its `updated_at`, as long as a real
time, is `@`, 13 digits of microseconds and 10 digits of the sequence. No other byte of a frame is
an `@`, so a client counts records and finds their stamps without parsing. Which symbol and which
prices a sequence has is fixed, so a client knows what must have come without being told.
"""

import json
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate

import msgspec

from gateway.streams.records import QuoteUpdate

PERIOD = 4096
"""Which symbol is next repeats after so many records."""

STAMP_BYTES = 24
STAMP = re.compile(rb"@(\d{13})(\d{10})")

_CLOCK_US = 10**13

_CENTS = [Decimal(10_000 + step) / 100 for step in range(2_000)]
_CHANGES = [Decimal(step - 500) / 100 for step in range(1_000)]
_PERCENTS = [Decimal((step - 500) * 37) / 10_000 for step in range(1_000)]
_SIZES = [Decimal(step) for step in range(1, 101)]
_VOLUME = 10_000_000


def stamp(at_ns: int, seq: int) -> str:
    """Publish time (CLOCK_MONOTONIC, one for all processes of a machine) and sequence."""
    return f"@{at_ns // 1000 % _CLOCK_US:013d}{seq:010d}"


class Tape:
    """An endless run of quotes over `count` symbols, some quoted more often than others."""

    def __init__(self, count: int) -> None:
        if not 1 <= count <= PERIOD // 4:
            raise ValueError(f"between 1 and {PERIOD // 4} symbols")
        chance = random.Random(20_261_120)
        self.symbols = tuple(f"S{index:03d}" for index in range(count))
        weights = [1 / (index + 5) ** 0.5 for index in range(count)]
        once = list(range(count))
        again = chance.choices(once, weights, k=PERIOD - count)
        self.order = once + again
        chance.shuffle(self.order)

    def symbol(self, seq: int) -> str:
        """Whose quote this is."""
        return self.symbols[self.order[seq % PERIOD]]

    def quote(self, seq: int, at_ns: int) -> QuoteUpdate:
        """The record with this sequence, published at this time."""
        step = seq * 7 % 1_000
        return QuoteUpdate(
            symbol=self.symbols[self.order[seq % PERIOD]],
            updated_at=stamp(at_ns, seq),
            last=_CENTS[step + 1],
            bid=_CENTS[step],
            ask=_CENTS[step + 2],
            bid_size=_SIZES[seq % 100],
            ask_size=_SIZES[seq % 97],
            change=_CHANGES[step],
            change_pct=_PERCENTS[step],
            open=_CENTS[500],
            high=_CENTS[1_900],
            low=_CENTS[0],
            prev_close=_CENTS[700],
            volume=Decimal(_VOLUME + seq),
        )

    def is_true_to(self, seq: int, text: bytes) -> bool:
        """Whether this JSON object is the record with this sequence, time apart."""
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        wanted = self.quote(seq, 0)
        return all(
            found.get(name, msgspec.UNSET) == getattr(wanted, name)
            for name in wanted.__struct_fields__
            if name != "updated_at"
        )


class Expectation:
    """What a stream that follows some of a tape's symbols must carry; None means all."""

    def __init__(self, tape: Tape, symbols: Iterable[str] | None = None) -> None:
        self.tape = tape
        self.symbols = tape.symbols if symbols is None else tuple(sorted(symbols))
        wanted = set(self.symbols)
        self._offsets = [
            offset for offset, index in enumerate(tape.order) if tape.symbols[index] in wanted
        ]
        self.is_all = len(self._offsets) == PERIOD
        held = set(self._offsets)
        # How many of the wanted lie before each offset of a period.
        self._before = [0, *accumulate(int(offset in held) for offset in range(PERIOD))]

    def count(self, after: int, to: int) -> int:
        """How many wanted records there are with `after` < sequence <= `to`."""
        return to - after if self.is_all else self._up_to(to) - self._up_to(after)

    def next(self, after: int) -> int:
        """The first wanted sequence behind this one."""
        if self.is_all:
            return after + 1
        turn, offset = divmod(after, PERIOD)
        place = bisect_right(self._offsets, offset)
        if place < len(self._offsets):
            return turn * PERIOD + self._offsets[place]
        return (turn + 1) * PERIOD + self._offsets[0]

    def previous(self, before: int) -> int:
        """The last wanted sequence in front of this one."""
        turn, offset = divmod(before, PERIOD)
        place = bisect_left(self._offsets, offset) - 1
        if place >= 0:
            return turn * PERIOD + self._offsets[place]
        return (turn - 1) * PERIOD + self._offsets[-1]

    def between(self, after: int, before: int) -> Iterable[int]:
        """The wanted sequences with `after` < sequence < `before`."""
        seq = self.next(after)
        while seq < before:
            yield seq
            seq = self.next(seq)

    def newest(self, up_to: int) -> dict[str, int]:
        """The last sequence of each wanted symbol, those that have none by then left out."""
        missing, found = set(self.symbols), dict[str, int]()
        seq = up_to
        while missing and seq > 0 and seq > up_to - PERIOD:
            symbol = self.tape.symbol(seq)
            if symbol in missing:
                missing.discard(symbol)
                found[symbol] = seq
            seq -= 1
        return found

    def _up_to(self, seq: int) -> int:
        turn, offset = divmod(seq, PERIOD)
        return turn * len(self._offsets) + self._before[offset + 1]
