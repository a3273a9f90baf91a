"""The merged quote of a symbol: what Quote, Trade, TradeETH and Summary say of it; pure.

Each part is cleaned once, when it comes, and stays until another of its kind replaces it. After a
new connection a part is old until it has come again, and so is the quote.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from gateway.streams.markets import SessionState
from gateway.streams.records import QuoteUpdate, SummaryUpdate, TradeUpdate
from gateway.streams.upstream.plausibility import MAX_EXPONENT

_PERCENT_DIGITS = Decimal("0.0001")


@dataclass(slots=True)
class ExtendedTrade:
    """The last trade outside regular hours; `time` in ms since the epoch."""

    price: Decimal | None
    time: int | None
    is_extended: bool
    """Whether it was outside regular hours: within them upstream repeats the last one."""


@dataclass(slots=True)
class _Parts:
    """What is known of one symbol."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    trade: TradeUpdate | None = None
    extended: ExtendedTrade | None = None
    summary: SummaryUpdate | None = None
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By event type, the fields of the quote that were refused."""
    known: set[str] = field(default_factory=set)
    """The event types that have come."""
    old: set[str] = field(default_factory=set)
    """Those of them that have not come again in this connection."""


class Quotes:
    """The parts of every symbol's quote; `build` makes the record of them."""

    def __init__(self) -> None:
        self._parts: dict[str, _Parts] = {}
        self._is_tolerated = False

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of these symbols."""
        for symbol in symbols:
            self._parts.pop(symbol, None)

    def restart(self, *, is_tolerated: bool = False) -> None:
        """Begin a connection: what is known is old until it has come again.

        `is_tolerated` says that the break was too short to make a quote stale.
        """
        self._is_tolerated = is_tolerated
        for parts in self._parts.values():
            parts.old = set(parts.known)

    def old_parts(self, symbol: str) -> Collection[str]:
        """Return the event types of a symbol that make it stale: they have not come again."""
        parts = self._parts.get(symbol)
        return frozenset() if parts is None or self._is_tolerated else parts.old

    def set_quote(
        self,
        symbol: str,
        bid: Decimal | None,
        ask: Decimal | None,
        sizes: tuple[Decimal | None, Decimal | None],
        refused: Collection[str],
    ) -> None:
        """Replace bid and ask with their sizes."""
        parts = self._renew(symbol, "Quote", refused)
        parts.bid, parts.ask = bid, ask
        parts.bid_size, parts.ask_size = sizes

    def set_trade(self, symbol: str, trade: TradeUpdate, refused: Collection[str]) -> None:
        """Replace the last trade of regular hours."""
        self._renew(symbol, "Trade", refused).trade = trade

    def set_extended(self, symbol: str, trade: ExtendedTrade, refused: Collection[str]) -> None:
        """Replace the last trade of extended hours."""
        self._renew(symbol, "TradeETH", refused).extended = trade

    def set_summary(self, symbol: str, summary: SummaryUpdate, refused: Collection[str]) -> None:
        """Replace the figures of the day."""
        self._renew(symbol, "Summary", refused).summary = summary

    def drop_old(self, symbol: str, event_type: str) -> bool:
        """Drop a part that has not come again; whether there was one."""
        parts = self._parts.get(symbol)
        if parts is None or event_type not in parts.old:
            return False
        parts.old.discard(event_type)
        parts.known.discard(event_type)
        parts.refused.pop(event_type, None)
        match event_type:
            case "Quote":
                parts.bid = parts.ask = parts.bid_size = parts.ask_size = None
            case "Trade":
                parts.trade = None
            case "TradeETH":
                parts.extended = None
            case "Summary":
                parts.summary = None
        return True

    def build(
        self, symbol: str, at: str, *, stale: bool, market: SessionState | None
    ) -> QuoteUpdate:
        """Return the record of a symbol of which a part has come."""
        parts = self._parts[symbol]
        trade, summary = parts.trade, parts.summary
        last = trade.price if trade else None
        prev_close = summary.prev_close if summary else None
        change = change_pct = None
        if last is not None and prev_close is not None:
            change = last - prev_close
            if prev_close:
                percent = change / abs(prev_close) * 100
                if percent.adjusted() <= MAX_EXPONENT:  # `quantize` raises past 28 digits
                    change_pct = percent.quantize(_PERCENT_DIGITS)
        extended = _find_extended(parts, market)
        return QuoteUpdate(
            symbol=symbol,
            updated_at=at,
            stale=stale or (bool(parts.old) and not self._is_tolerated),
            refused=_list_refused(parts),
            last=last,
            bid=parts.bid,
            ask=parts.ask,
            bid_size=parts.bid_size,
            ask_size=parts.ask_size,
            change=change,
            change_pct=change_pct,
            open=summary.open if summary else None,
            high=summary.high if summary else None,
            low=summary.low if summary else None,
            prev_close=prev_close,
            volume=trade.volume if trade else None,
            market=market,
            extended_last=extended,
            extended_change=None if extended is None or last is None else extended - last,
            last_at="extended" if extended is not None else "regular" if trade else None,
        )

    def with_session(self, quote: QuoteUpdate, market: SessionState | None) -> QuoteUpdate:
        """Return the quote as it is when its market has opened or closed."""
        parts = self._parts.get(quote.symbol)
        extended = None if parts is None else _find_extended(parts, market)
        return msgspec.structs.replace(
            quote,
            market=market,
            extended_last=extended,
            extended_change=(
                None if extended is None or quote.last is None else extended - quote.last
            ),
            last_at="extended" if extended is not None else quote.last_at and "regular",
        )

    def _renew(self, symbol: str, event_type: str, refused: Collection[str]) -> _Parts:
        """Note that a part has come; return all of them."""
        parts = self._parts.get(symbol)
        if parts is None:
            parts = self._parts[symbol] = _Parts()
        parts.known.add(event_type)
        if parts.old:
            parts.old.discard(event_type)
        if refused:
            parts.refused[event_type] = tuple(refused)
        elif parts.refused:
            parts.refused.pop(event_type, None)
        return parts


def _find_extended(parts: _Parts, market: SessionState | None) -> Decimal | None:
    """The price of the newest trade if that was outside regular hours."""
    extended, trade = parts.extended, parts.trade
    if extended is None or not extended.is_extended or market == "open":
        return None
    if trade and trade.time and extended.time and extended.time <= trade.time:
        return None
    return extended.price


def _list_refused(parts: _Parts) -> tuple[str, ...] | msgspec.UnsetType:
    if not parts.refused:
        return msgspec.UNSET
    return tuple(dict.fromkeys(name for names in parts.refused.values() for name in names))
