"""One position that is held: its row, its instrument, and the prices that it was valued with.

What it is worth is computed in `gateway.portfolio`; here is what that is given.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import msgspec

from gateway.portfolio.holding import OPTIONS, Holding
from gateway.portfolio.marks import Prices, find_mark
from gateway.portfolio.valuation import Greeks, Reference, Valuation, value_holding
from gateway.streams.account_records import PositionUpdate
from gateway.streams.records import GreeksUpdate, MetricsUpdate, QuoteUpdate, Record, TheoUpdate
from gateway.streams.topics import Topic, market_topic
from gateway.streams.upstream.account_updates import describe_instrument, to_text
from gateway.streams.upstream.instruments import (
    INDEX_FUND,
    UNDERLYING_TYPES,
    Instrument,
    InstrumentKey,
    Instruments,
    check_streamer_symbol,
)
from gateway.streams.upstream.rows import PositionRow, UnreadableRow

Latest = Callable[[Topic], Record | None]
SPY_QUOTE = market_topic("quote_update", INDEX_FUND)
NO_PRICES = Prices()


class HeldPosition:
    """One position: its row, what its instrument is, the prices that it was last valued with."""

    __slots__ = (
        "beneath",
        "beneath_topic",
        "description",
        "expires_at",
        "greeks",
        "greeks_topic",
        "holding",
        "index_equivalent",
        "is_dirty",
        "metrics",
        "metrics_topic",
        "quote",
        "quote_topic",
        "record",
        "reference",
        "row",
        "spy",
        "symbol",
        "theo",
        "theo_topic",
        "underlying",
        "unit_greeks",
        "worth",
    )

    def __init__(self, row: PositionRow) -> None:
        self.row = row
        self.holding = row.holding
        self.symbol: str | None = None
        self.index_equivalent: Decimal | None = None
        self.underlying: str | None = None
        self.description = ""
        self.expires_at: str | None = None
        self.unit_greeks: Greeks | None = None
        self.quote_topic: Topic | None = None
        self.greeks_topic: Topic | None = None
        self.theo_topic: Topic | None = None
        self.beneath_topic: Topic | None = None
        self.metrics_topic: Topic | None = None
        self.quote: Record | None = None
        self.greeks: Record | None = None
        self.theo: Record | None = None
        self.beneath: Record | None = None
        self.metrics: Record | None = None
        self.spy: Record | None = None
        self.is_dirty = True
        self.reference: Reference | None = None
        self.worth: Valuation | None = None
        self.record: PositionUpdate | None = None

    def take(self, row: PositionRow, instruments: Instruments) -> None:
        """Take a row, and what is known of its instrument now."""
        held = row.holding
        self.row, self.is_dirty, self.reference = row, True, None
        key = InstrumentKey(held.instrument_type, held.broker_symbol)
        beneath = InstrumentKey(
            UNDERLYING_TYPES.get(held.instrument_type, held.instrument_type), held.underlying
        )
        self.symbol = _read_symbol(row)
        is_option = held.instrument_type in OPTIONS
        # An option's symbol is all that is needed of it, and its row may say it.
        is_needed = self.symbol is None or not is_option or held.multiplier == 1
        instrument = instruments.find(key) if is_needed else None
        if self.symbol is None and instrument is not None:
            self.symbol = instrument.streamer_symbol
        under = instrument if beneath == key else instruments.find(beneath)
        self.underlying = under.streamer_symbol if under is not None else None
        if self.underlying is None and beneath == key:
            self.underlying = self.symbol
        self.index_equivalent = under.index_equivalent if under is not None else None
        self.holding = _correct_multiplier(held, instrument)
        self.description = describe_instrument(held.instrument_type, held.broker_symbol)
        self.expires_at = None if row.expires_at is None else to_text(row.expires_at.timestamp())
        self._set_topics(is_option)

    def _set_topics(self, is_option: bool) -> None:
        symbol, beneath = self.symbol, self.underlying
        self.quote_topic = market_topic("quote_update", symbol) if symbol else None
        self.greeks_topic = market_topic("greeks_update", symbol) if symbol and is_option else None
        self.theo_topic = market_topic("theo_update", symbol) if symbol and is_option else None
        self.beneath_topic = market_topic("quote_update", beneath) if beneath else None
        self.metrics_topic = market_topic("metrics_update", beneath) if beneath else None

    def look(self, latest: Latest, *, is_slow: bool) -> bool:
        """Look whether something that it is valued with has changed."""
        changed, self.is_dirty = self.is_dirty, False
        is_slow = is_slow or changed
        if self.quote_topic is not None and (found := latest(self.quote_topic)) is not self.quote:
            self.quote, changed = found, True
        if self.greeks_topic is not None and self.theo_topic is not None:
            if (found := latest(self.greeks_topic)) is not self.greeks:
                self.greeks, changed = found, True
                self.unit_greeks = read_greeks(found)
            if (found := latest(self.theo_topic)) is not self.theo:
                self.theo, changed = found, True
        if is_slow and self._look_beneath(latest):
            self.reference = self._make_reference()
            changed = True
        return changed

    def _look_beneath(self, latest: Latest) -> bool:
        """Look at what it is weighed against."""
        changed = self.reference is None
        if self.beneath_topic is not None:
            found = latest(self.beneath_topic)
            if found is not self.beneath:
                self.beneath, changed = found, True
        if self.metrics_topic is not None:
            found = latest(self.metrics_topic)
            if found is not self.metrics:
                self.metrics, changed = found, True
        if (found := latest(SPY_QUOTE)) is not self.spy:
            self.spy, changed = found, True
        return changed

    def value(self, today: date) -> Valuation:
        """Return what it is worth with what was looked at last."""
        return value_holding(
            self.holding,
            read_prices(self.quote, self.greeks, self.theo),
            today,
            greeks=self.unit_greeks,
            reference=self.reference,
        )

    def _make_reference(self) -> Reference:
        metrics = self.metrics
        return Reference(
            underlying_price=find_price(self.beneath),
            beta=metrics.beta if isinstance(metrics, MetricsUpdate) else None,
            index_price=find_price(self.spy),
            index_equivalent=self.index_equivalent,
        )


def read_prices(quote: Record | None, greeks: Record | None, theo: Record | None) -> Prices:
    """Return what the feed's newest records say of a price."""
    theoretical = theo.price if isinstance(theo, TheoUpdate) else None
    if theoretical is None and isinstance(greeks, GreeksUpdate):
        theoretical = greeks.price
    if not isinstance(quote, QuoteUpdate):
        return NO_PRICES if theoretical is None else Prices(theo=theoretical)
    return Prices(
        last=quote.last,
        bid=quote.bid,
        ask=quote.ask,
        bid_size=quote.bid_size,
        ask_size=quote.ask_size,
        theo=theoretical,
        is_stale=quote.stale,
    )


def read_greeks(record: Record | None) -> Greeks | None:
    """Return the sensitivities of one unit."""
    if not isinstance(record, GreeksUpdate):
        return None
    return Greeks(delta=record.delta, gamma=record.gamma, theta=record.theta, vega=record.vega)


def find_price(quote: Record | None) -> Decimal | None:
    """Return the mark of a share, an index or a future."""
    if not isinstance(quote, QuoteUpdate):
        return None
    return find_mark("Equity", read_prices(quote, None, None)).price


def _read_symbol(row: PositionRow) -> str | None:
    """Return the streamer symbol that a row says, if it can be one."""
    if row.streamer_symbol is None:
        return None
    try:
        return check_streamer_symbol(row.streamer_symbol)
    except UnreadableRow:
        return None


def _correct_multiplier(held: Holding, instrument: Instrument | None) -> Holding:
    """Return a future, or an option on one, with what a point is worth where its row says 1."""
    if instrument is None or instrument.multiplier is None or held.multiplier != 1:
        return held
    if held.instrument_type not in ("Future", "Future Option"):
        return held
    return msgspec.structs.replace(held, multiplier=instrument.multiplier)
