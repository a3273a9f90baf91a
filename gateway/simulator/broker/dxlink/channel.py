"""One FEED channel of DXLink: its configuration, its subscriptions and its unsent frames; pure.

Source: dxFeed's AsyncAPI document of DXLink, v1.0.2. TICKER conflates: the newest value
of each symbol, at most once in an aggregation period. STREAM keeps every event and sends no current
value first. AUTO is TICKER for values and STREAM for sales and candles.
"""

import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from gateway.simulator.broker.dxlink.rows import (
    BITS,
    FIELDS,
    FLAG_BEGIN,
    FLAG_END,
    Row,
    make_row,
    make_sale,
)
from gateway.simulator.broker.dxlink.series import Series, list_new_sales
from gateway.simulator.market.book import TRADE
from gateway.simulator.market.candles import parse_candle_symbol
from gateway.simulator.market.market import Market

CONTRACTS = ("AUTO", "TICKER", "HISTORY", "STREAM")
DEFAULT_PERIOD_S = 0.1
MAX_FRAME_BYTES = 60_000  # clients refuse frames over 65,536 bytes
MOST_WAITING = 200_000  # rows kept for a client that does not read; the oldest go first

Message = dict[str, Any]
_encode = msgspec.json.Encoder().encode


class BadAction(Exception):
    """A request that this channel cannot follow; the text is for the client."""


class Frame(NamedTuple):
    """One message to send, and the rows in it (none for a configuration)."""

    payload: bytes
    event_type: str = ""
    rows: tuple[Row, ...] = ()


class FeedChannel:
    """Subscriptions and unsent events of one channel.

    Ordered within a type. TICKER drops all but the newest value of a symbol; STREAM drops the
    oldest rows beyond 200,000. Nothing survives the channel.
    """

    def __init__(self, number: int, contract: str, market: Market) -> None:
        self.number = number
        self.contract = contract
        self.is_compact = False
        self.period_s = DEFAULT_PERIOD_S
        self.due_s = math.inf
        self._market = market
        self._flushed_s = -math.inf
        self._fields: dict[str, tuple[str, ...]] = {}
        self._announced: set[str] = set()
        self._pickers: dict[str, Callable[[Row], Any]] = {}
        self._held: dict[str, dict[str, int]] = {}  # symbol -> type -> bits that renew it
        self._series: dict[str, dict[str, Series]] = {}  # base symbol -> asked symbol -> series
        self._sold: dict[str, int] = {}  # TimeAndSale: symbol -> last sequence sent
        self._dirty: dict[str, dict[str, None]] = {}
        self._rows: dict[str, list[Row]] = {}

    # --- what the client says ------------------------------------------------------------------

    def setup(self, message: Message) -> Message:
        """Apply FEED_SETUP and return the FEED_CONFIG that answers it. Raises: BadAction."""
        period = message.get("acceptAggregationPeriod")
        if period is not None:
            if isinstance(period, bool) or not isinstance(period, int | float) or period < 0:
                raise BadAction("acceptAggregationPeriod is a number of seconds, 0 or more")
            self.period_s = float(period)
        wanted = message.get("acceptDataFormat")
        if wanted is not None:
            if wanted not in ("FULL", "COMPACT"):
                raise BadAction("acceptDataFormat is FULL or COMPACT")
            self.is_compact = wanted == "COMPACT"
            self._pickers.clear()
        accepted = message.get("acceptEventFields") or {}
        if not isinstance(accepted, dict):
            raise BadAction("acceptEventFields is an object of arrays")
        for event_type, names in accepted.items():
            if event_type in FIELDS and isinstance(names, list):
                self._choose(event_type, names)
        self._announced |= self._fields.keys()
        return self.describe(self._fields)

    def add(self, event_type: str, symbol: str, from_ms: float | None, now: float) -> None:
        """Subscribe; the current value or the snapshot follows at once. Raises: BadAction."""
        if event_type == "Candle":
            self._add_candle(symbol, from_ms, now)
        elif event_type == "TimeAndSale":
            self._add_sales(symbol, from_ms)
        elif event_type in BITS:
            held = self._held.setdefault(symbol, {})
            if event_type not in held:
                held[event_type] = BITS[event_type]
                self._market.watch(symbol)
            if self.contract != "STREAM":
                self._dirty.setdefault(event_type, {})[symbol] = None
        else:
            raise BadAction(f"Unknown event type {event_type}")
        self.due_s = min(self.due_s, now)

    def remove(self, event_type: str, symbol: str) -> None:
        """Unsubscribe; nothing more of this symbol is sent."""
        if event_type == "Candle":
            parsed = parse_candle_symbol(symbol)
            if (
                parsed is not None
                and self._series.get(parsed.base, {}).pop(parsed.text, None) is not None
            ):
                self._market.unwatch(parsed.base)
        elif event_type == "TimeAndSale":
            if self._sold.pop(symbol, None) is not None:
                self._market.unwatch(symbol)
        elif self._held.get(symbol, {}).pop(event_type, None) is not None:
            self._market.unwatch(symbol)
            self._dirty.get(event_type, {}).pop(symbol, None)
            if not self._held[symbol]:
                del self._held[symbol]

    def reset(self) -> None:
        """Drop every subscription and everything unsent."""
        for event_type, symbol in self.list_subscriptions():
            self.remove(event_type, symbol)
        self._dirty.clear()
        self._rows.clear()

    def list_subscriptions(self) -> list[tuple[str, str]]:
        """Return (type, symbol) of everything subscribed."""
        pairs = [(kind, symbol) for symbol, held in self._held.items() for kind in held]
        pairs += [("TimeAndSale", symbol) for symbol in self._sold]
        pairs += [("Candle", text) for series in self._series.values() for text in series]
        return pairs

    # --- what the market says ------------------------------------------------------------------

    def note_changes(self, changed: dict[str, int], now: float) -> None:
        """Note what changed; what must not be conflated becomes rows at once."""
        held, keeps_all = self._held, self.contract == "STREAM" or self.period_s == 0
        touched = False
        for symbol, bits in changed.items():
            kinds = held.get(symbol)
            if kinds is not None:
                for event_type, bit in kinds.items():
                    if bits & bit:
                        touched = True
                        if keeps_all:
                            self._keep(event_type, symbol, now)
                        else:
                            self._dirty.setdefault(event_type, {})[symbol] = None
            if bits & TRADE and (symbol in self._sold or symbol in self._series):
                touched = True
                self._trade(symbol)
        if touched and self.due_s == math.inf:
            self.due_s = max(now, self._flushed_s + self.period_s)

    def take(self, now: float) -> list[Frame]:
        """Return the unsent frames and forget them. `now` is on the clock of `due_s`."""
        self.due_s = math.inf
        self._flushed_s = now
        for event_type, symbols in self._dirty.items():
            for symbol in symbols:
                self._keep(event_type, symbol, now)
        self._dirty.clear()
        frames: list[Frame] = []
        unknown = {kind: self._names(kind) for kind in self._rows if kind not in self._announced}
        if unknown:
            self._announced |= unknown.keys()
            frames.append(Frame(_encode(self.describe(unknown))))
        for event_type, rows in self._rows.items():
            frames += self._pack(event_type, rows)
        self._rows = {}
        return frames

    def describe(self, fields: dict[str, tuple[str, ...]]) -> Message:
        """Return a FEED_CONFIG that announces some types."""
        message: Message = {
            "type": "FEED_CONFIG",
            "channel": self.number,
            "aggregationPeriod": self.period_s,
            "dataFormat": "COMPACT" if self.is_compact else "FULL",
        }
        if fields:
            message["eventFields"] = fields
        return message

    # --- inside --------------------------------------------------------------------------------

    def _keep(self, event_type: str, symbol: str, now: float) -> None:
        book = self._market.find(symbol)
        row = None if book is None else make_row(event_type, book, self._market.now)
        if row is not None:
            self._append(event_type, [row])

    def _append(self, event_type: str, rows: list[Row]) -> None:
        waiting = self._rows.setdefault(event_type, [])
        waiting += rows
        if len(waiting) > MOST_WAITING:
            del waiting[: len(waiting) - MOST_WAITING]

    def _add_candle(self, symbol: str, from_ms: float | None, now: float) -> None:
        parsed = parse_candle_symbol(symbol)
        if parsed is None:
            raise BadAction(f"Not a candle symbol: {symbol}")
        book = self._market.find(parsed.base)
        series = Series(parsed, book, self._market.seed)
        held = self._series.setdefault(parsed.base, {})
        if parsed.text not in held:
            self._market.watch(parsed.base)
        held[parsed.text] = series
        # Without fromTime there is no history, only the current candle, and no flags.
        rows = series.snapshot((from_ms or 0) / 1000, self._market.now)
        if from_ms is None:
            rows = [] if book is None else [(*rows[0][:2], 0, *rows[0][3:])]
        self._append("Candle", rows)

    def _add_sales(self, symbol: str, from_ms: float | None) -> None:
        if symbol not in self._sold:
            self._market.watch(symbol)
        book = self._market.find(symbol)
        self._sold[symbol] = book.sales[-1].sequence if book is not None else 0
        if book is None or self.contract == "STREAM":
            return
        sales = list(book.sales)[::-1]
        if from_ms is None:
            self._append("TimeAndSale", [make_sale(book, sales[0])])
            return
        sales = [sale for sale in sales if sale.time_ms >= from_ms] or sales[:1]
        end = len(sales) - 1
        self._append(
            "TimeAndSale",
            [
                make_sale(book, sale, (FLAG_BEGIN if n == 0 else 0) | (FLAG_END if n == end else 0))
                for n, sale in enumerate(sales)
            ],
        )

    def _trade(self, symbol: str) -> None:
        book = self._market.find(symbol)
        if book is None:
            return
        if symbol in self._sold:
            sales = list_new_sales(book, self._sold[symbol])
            if sales:
                self._sold[symbol] = sales[-1].sequence
                self._append("TimeAndSale", [make_sale(book, sale) for sale in sales])
        for series in self._series.get(symbol, {}).values():
            waiting = self._rows.setdefault("Candle", [])
            for row in series.update():
                # The growing candle replaces its unsent self, so a flood of trades stays small.
                if waiting and waiting[-1][:4] == row[:4]:
                    waiting.pop()
                waiting.append(row)

    def _choose(self, event_type: str, names: list[Any]) -> None:
        known = {"eventType", *FIELDS[event_type]}
        chosen = tuple(name for name in names if name in known) or FIELDS[event_type]
        self._fields[event_type] = chosen
        self._pickers.pop(event_type, None)

    def _names(self, event_type: str) -> tuple[str, ...]:
        return self._fields.get(event_type, FIELDS[event_type])

    def _picker(self, event_type: str) -> Callable[[Row], Any]:
        picker = self._pickers.get(event_type)
        if picker is None:
            picker = self._make_picker(event_type, self._names(event_type), FIELDS[event_type])
            self._pickers[event_type] = picker
        return picker

    def _make_picker(
        self, event_type: str, names: tuple[str, ...], order: tuple[str, ...]
    ) -> Callable[[Row], Any]:
        # A row gets its type appended, so that a client which asks for `eventType` finds it there.
        where = {name: n for n, name in enumerate((*order, "eventType"))}
        tail = (event_type,)
        if self.is_compact:
            if len(names) == 1:
                only = where[names[0]]
                return lambda row: ((*row, event_type)[only],)
            pick = itemgetter(*(where[name] for name in names))
            return pick if "eventType" not in names else lambda row: pick(row + tail)
        always = [name for name in ("eventType", "eventSymbol") if name not in names]
        shown = (*always, *names)
        places = [where[name] for name in shown]
        return lambda row: dict(zip(shown, map((row + tail).__getitem__, places), strict=True))

    def _pack(self, event_type: str, rows: list[Row]) -> list[Frame]:
        if self.is_compact:
            head = b'{"type":"FEED_DATA","channel":%d,"data":["%s",[' % (
                self.number, event_type.encode(),
            )  # fmt: skip
            tail = b"]]}"
        else:
            head, tail = b'{"type":"FEED_DATA","channel":%d,"data":[' % self.number, b"]}"
        pick = self._picker(event_type)
        frames: list[Frame] = []
        parts: list[bytes] = []
        first = size = 0
        for n, row in enumerate(rows):
            part = _encode(pick(row))
            if self.is_compact:
                part = part[1:-1]
            if parts and size + len(part) > MAX_FRAME_BYTES:
                payload = head + b",".join(parts) + tail
                frames.append(Frame(payload, event_type, tuple(rows[first:n])))
                parts, first, size = [], n, 0
            parts.append(part)
            size += len(part) + 1
        if parts:
            frames.append(Frame(head + b",".join(parts) + tail, event_type, tuple(rows[first:])))
        return frames
