"""What the broker's symbols mean: which streamer symbol, which underlying, what a point is worth.

The map is filled from rows and from `/instruments`, never by taking a symbol apart: adjusted roots,
fractions of strikes and years of futures cannot be told from the text alone. Shares, futures and
coins are asked for many at once, options one by one, as the broker offers it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import Refused
from gateway.streams.symbols import parse_symbol
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.retry import TROUBLE, describe_error
from gateway.streams.upstream.rows import (
    Row,
    UnreadableRow,
    list_items,
    read_number,
    read_optional_text,
    read_rows,
    read_text,
)

logger = logging.getLogger(__name__)

LIST_PATHS = {
    "Equity": "/instruments/equities",
    "Future": "/instruments/futures",
    "Cryptocurrency": "/instruments/cryptocurrencies",
}
OPTION_PATHS = {
    "Equity Option": "/instruments/equity-options",
    "Future Option": "/instruments/future-options",
}
MAX_LISTED = 50
"""Symbols of one request."""
RETRY_S = 30.0
UNKNOWN_S = 600.0
"""Before an instrument that the broker does not know is asked for again."""
MAX_KNOWN = 50_000

UNDERLYING_TYPES = {
    "Equity": "Equity",
    "Equity Option": "Equity",
    "Future": "Future",
    "Future Option": "Future",
    "Cryptocurrency": "Cryptocurrency",
}
"""The type of what an instrument of a type is on; of itself, where it is on nothing."""

INDEX_FUND = "SPY"
"""What positions are weighed against."""


class InstrumentKey(NamedTuple):
    """What names an instrument at the broker."""

    instrument_type: str
    symbol: str


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an instrument; `streamer_symbol` is its name in the feed."""

    key: InstrumentKey
    streamer_symbol: str
    multiplier: Decimal | None = None
    """What a point of the price is worth, of futures and options on them."""
    index_equivalent: Decimal | None = None
    """How many shares of SPY a future is worth, where the broker says so."""


def read_instrument(row: Row) -> Instrument:
    """Return an instrument.

    Raises:
        UnreadableRow: when it has no name in the feed.
    """
    return Instrument(
        key=InstrumentKey(read_text(row, "instrument-type"), read_text(row, "symbol")),
        streamer_symbol=check_streamer_symbol(read_text(row, "streamer-symbol")),
        multiplier=_read_multiplier(row),
        index_equivalent=_read_equivalent(row),
    )


def check_streamer_symbol(symbol: str) -> str:
    """Return a streamer symbol that can be followed.

    Raises:
        UnreadableRow: when nothing in the feed is called so.
    """
    try:
        parse_symbol(symbol)
    except ValueError:
        raise UnreadableRow("streamer-symbol") from None
    if "{" in symbol:
        raise UnreadableRow("streamer-symbol")
    return symbol


def _read_multiplier(row: Row) -> Decimal | None:
    notional, factor = read_number(row, "notional-value"), read_number(row, "display-factor")
    if row.get("instrument-type") == "Future Option" and notional and factor:
        return notional / factor
    return read_number(row, "notional-multiplier")


def _read_equivalent(row: Row) -> Decimal | None:
    equivalent = row.get("future-etf-equivalent")
    if not isinstance(equivalent, dict):
        return None
    if read_optional_text(equivalent, "symbol") != INDEX_FUND:
        return None
    return read_number(equivalent, "share-quantity")


class Instruments:
    """The instruments that somebody needs. Bounded; what it does not know is asked for.

    `on_found` is called after instruments have become known.
    """

    def __init__(self, budget: RequestBudget, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.on_found: Callable[[], None] = lambda: None
        self._budget = budget
        self._now_s = clock.monotonic_s
        self._known: dict[InstrumentKey, Instrument] = {}
        self._wanted: dict[InstrumentKey, float] = {}
        """When each is to be asked for."""
        self._changed = asyncio.Event()

    def find(self, key: InstrumentKey) -> Instrument | None:
        """Return what is known of an instrument; what is not is asked for meanwhile."""
        found = self._known.get(key)
        if found is None and key not in self._wanted and self._can_ask(key):
            self._wanted[key] = self._now_s()
            self._changed.set()
        return found

    def learn(self, found: Iterable[Instrument]) -> None:
        """Keep what a row or a chain has told."""
        for each in found:
            self._known[each.key] = each
            self._wanted.pop(each.key, None)
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    async def run(self) -> None:
        """Ask for what is wanted until cancelled."""
        while True:
            self._changed.clear()
            now_s = self._now_s()
            due = [key for key, at_s in self._wanted.items() if at_s <= now_s]
            for batch in _make_batches(due):
                await self._ask(batch)
            if due:
                continue
            next_s = min(self._wanted.values(), default=None)
            try:
                async with asyncio.timeout(None if next_s is None else max(0.0, next_s - now_s)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _can_ask(self, key: InstrumentKey) -> bool:
        return key.instrument_type in LIST_PATHS or key.instrument_type in OPTION_PATHS

    async def _ask(self, batch: Sequence[InstrumentKey]) -> None:
        kind = batch[0].instrument_type
        again_s = UNKNOWN_S
        try:
            items = await self._fetch(kind, [key.symbol for key in batch])
        except (*TROUBLE, ValueError) as error:
            # An option that does not exist is refused, a list leaves out what does not.
            if not isinstance(error, Refused):
                again_s = RETRY_S
            logger.info("instruments are not known yet: %s", describe_error(error))
            items = []
        found, _ = read_rows(items, read_instrument)
        # Indices are shares there, under the type that was asked for.
        self.learn(msgspec.structs.replace(e, key=InstrumentKey(kind, e.key.symbol)) for e in found)
        for key in batch:
            if key not in self._known:
                self._wanted[key] = self._now_s() + again_s
        if found:
            self.on_found()

    async def _fetch(self, kind: str, symbols: Sequence[str]) -> list[Any]:
        if kind in OPTION_PATHS:
            path = f"{OPTION_PATHS[kind]}/{quote(symbols[0], safe='')}"
            return [await self._budget.get("other", path)]
        query = [("symbol[]", symbol) for symbol in symbols]
        return list_items(await self._budget.get("other", LIST_PATHS[kind], query))


def _make_batches(keys: Iterable[InstrumentKey]) -> Iterator[list[InstrumentKey]]:
    """Yield what can be asked for at once."""
    by_type: dict[str, list[InstrumentKey]] = {}
    for key in keys:
        by_type.setdefault(key.instrument_type, []).append(key)
    for kind, group in by_type.items():
        size = 1 if kind in OPTION_PATHS else MAX_LISTED
        for begin in range(0, len(group), size):
            yield group[begin : begin + size]
