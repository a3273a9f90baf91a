"""The watchlist panel: a row a symbol with price, change, quote, day range and volume."""

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from gateway.pages.building import plain_id
from gateway.pages.formats import (
    UNKNOWN,
    direction_of,
    format_change,
    format_number,
    format_percent,
    format_quantity,
    is_known,
)
from gateway.pages.panel import Move, TablePanel
from gateway.pages.ticks import decimals_for
from gateway.streams.events import Key, QuoteUpdate, Record

NOTES = {"live": "", "stale": "delayed", "waiting": "waiting…", "missing": "no data"}
"""What a row says of itself beside its symbol."""

DIRECTION_CLASSES = {"up": "up", "down": "down", "flat": "", "unknown": ""}

RANGE_STEPS = 97
"""The mark's place in percent when it is at the high; it is 3 % wide."""

CELLS = (
    *("last", "change", "change_pct", "bid", "ask", "bid_size", "ask_size"),
    *("low", "high", "volume"),
)
UNKNOWN_ROW: dict[str, Any] = {
    **dict.fromkeys(CELLS, UNKNOWN),
    "flash": "",
    "direction": "",
    "position": None,
    "has_range": False,
}


class WatchlistPanel(TablePanel):
    """Quotes of these symbols, in this order."""

    template: ClassVar[str] = "panels/watchlist_row.html"
    frame: ClassVar[str] = "panels/watchlist.html"
    empty: ClassVar[str] = "panels/watchlist_empty.html"
    printed: ClassVar[tuple[str, ...]] = (*CELLS, "symbol", "root", "position")

    def __init__(self, id: str, symbols: Sequence[str]) -> None:
        super().__init__(id)
        self.symbols = tuple(symbols)
        self._keys: tuple[Key, ...] = tuple(("quote_update", each) for each in self.symbols)

    @property
    def kind(self) -> Hashable:
        """Every such list shows a symbol in the same way."""
        return type(self)

    def keys(self, accounts: Sequence[str]) -> tuple[Key, ...]:
        """A quote per symbol."""
        return self._keys

    def row_id(self, key: Key) -> str:
        """The panel's id and the symbol."""
        return f"{self.id}-{plain_id(key[1])}"

    def row_value(self, record: Record | None) -> Decimal | None:
        """The last price."""
        last = record.last if isinstance(record, QuoteUpdate) else None
        return last if is_known(last) else None

    def row_context(self, key: Key, record: Record | None, move: Move) -> dict[str, Any]:
        """Every cell as text."""
        if not isinstance(record, QuoteUpdate):
            return _row(key[1], "missing" if move.is_overdue else "waiting")
        decimals = decimals_for(
            key[1], record.last, record.bid, record.ask, record.low, record.high, record.prev_close
        )
        position = range_position(record.low, record.high, record.last)
        return _row(
            key[1],
            "stale" if record.stale else "live",
            flash=move.flash,
            direction=DIRECTION_CLASSES[direction_of(record.change)],
            last=format_number(record.last, decimals),
            change=format_change(record.change, decimals),
            change_pct=format_percent(record.change_pct),
            bid=format_number(record.bid, decimals),
            ask=format_number(record.ask, decimals),
            bid_size=format_quantity(record.bid_size),
            ask_size=format_quantity(record.ask_size),
            low=format_number(record.low, decimals),
            high=format_number(record.high, decimals),
            volume=format_quantity(record.volume),
            position=position,
            has_range=position is not None,
        )


def _row(symbol: str, state: str, **cells: Any) -> dict[str, Any]:
    root, colon, exchange = symbol.partition(":")
    return {
        **UNKNOWN_ROW,
        "symbol": symbol,
        "root": root,
        "suffix": colon + exchange,
        "state": state,
        "note": NOTES[state],
        **cells,
    }


def range_position(low: Decimal | None, high: Decimal | None, last: Decimal | None) -> int | None:
    """The mark's place in percent of the day's range, 0 at the low; None if unknown."""
    if low is None or high is None or last is None:
        return None
    if not (low.is_finite() and high.is_finite() and last.is_finite()) or high <= low:
        return None
    return int(min(max((last - low) / (high - low), Decimal(0)), Decimal(1)) * RANGE_STEPS)
