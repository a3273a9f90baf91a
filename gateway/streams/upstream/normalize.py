"""SDK event -> our event; the only place that knows the broker's field names.

Pure. Also makes the SDK let NaN through: tastytrade 13.2.3 drops a whole event when one required
field is NaN (a one-sided option quote vanishes, the last two-sided price stays on the screen), and
turns a NaN size into 0. The classes here accept None for every field but the symbol and replace the
SDK's in its table of event classes, which is read when a streamer is made.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import tastytrade.dxfeed as dx
from pydantic import ValidationError, ValidationInfo, create_model, field_validator
from tastytrade.account import AccountBalance
from tastytrade.streamer import MAP_ALERTS, MAP_EVENTS

from gateway.streams.markets import Market, SessionState, market_of
from gateway.streams.records import (
    BalanceUpdate,
    CandleHistory,
    CandleUpdate,
    GreeksUpdate,
    MarketUpdate,
    QuoteUpdate,
    SummaryUpdate,
    TheoUpdate,
    TradeUpdate,
    UnderlyingUpdate,
    format_time,
)
from gateway.streams.upstream.candles import Candle, Flags, Series
from gateway.streams.upstream.drops import DropStats

EVENT_TYPES = ("Quote", "Trade", "Summary", "Greeks", "TheoPrice", "Underlying", "Candle")

_PERCENT_DIGITS = Decimal("0.0001")


MAX_EXPONENT = 18
"""A number of 10^19 or more is none that a market has: a marker such as the largest double."""
MAX_COUNT = 2**53
"""The largest whole number that a browser reads exactly."""

_INFINITE = frozenset({"Infinity", "-Infinity"})
_NOT_NUMBERS = dx.event.NAN_VALUES

nulled: DropStats = DropStats()
"""Values that were null from the start, in all that this process has read; the SDK's table of
classes is the process's own too."""


def _lenient(cls: Any, required: str, **overrides: Any) -> Any:
    """The same model with every field but one optional; the order of the fields stays."""
    fields: dict[str, Any] = {
        name: (field.annotation | None, None)
        for name, field in cls.model_fields.items()
        if name != required
    }
    return create_model(cls.__name__, __base__=cls, **fields | overrides)


def _read_or_null(cls: Any, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
    """None for what is not a number or cannot be read: one bad field must not hide the others."""
    try:
        if value in _NOT_NUMBERS:
            nulled[cls.__name__, "not finite" if value in _INFINITE else "unknown"] += 1
            value = None
        return handler(value)
    except (ValidationError, TypeError):
        if info.field_name == "event_symbol":
            raise
        nulled[cls.__name__, "unreadable"] += 1
        return None


# Under the name of the SDK's own validator, whose place it takes. Sizes of crypto trades are
# fractions, and tastytrade 13.2.3 takes only whole numbers there: their prices would never arrive.
_VALIDATORS = {"change_nan_to_none": field_validator("*", mode="wrap")(_read_or_null)}
_UNKNOWN = (Decimal | None, None)
_OVERRIDES: dict[str, dict[str, Any]] = {
    "Trade": {"size": _UNKNOWN},
    # Where the SDK writes 0 for a price that is not known.
    "Candle": dict.fromkeys(("open", "high", "low", "close"), _UNKNOWN),
}

EVENT_CLASSES: Mapping[str, type[dx.Event]] = {
    name: _lenient(
        getattr(dx, name),
        "event_symbol",
        __validators__=_VALIDATORS,
        **_OVERRIDES.get(name, {}),
    )
    for name in EVENT_TYPES
}
LenientBalance: type[AccountBalance] = _lenient(AccountBalance, "account_number")


def install_lenient_classes() -> None:
    """Put the lenient classes where the SDK's streamers look for theirs; may be called again."""
    MAP_EVENTS.update(EVENT_CLASSES)
    MAP_ALERTS["AccountBalance"] = LenientBalance


def wire_fields(event_type: str) -> list[str]:
    """The field names in the order in which the SDK asks for them and reads them."""
    return list(EVENT_CLASSES[event_type].model_json_schema()["properties"])


@dataclass(slots=True)
class _Merged:
    """What is known of one symbol from three event types, each cleaned once, when it comes."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    trade: TradeUpdate | None = None
    summary: SummaryUpdate | None = None
    known: set[str] = field(default_factory=set)
    """The event types that have come."""
    old: set[str] = field(default_factory=set)
    """Those of them that have not come again in this connection."""


class Normalizer:
    """Turns SDK events into records and merges Quote, Trade and Summary per symbol.

    What is not a number a price can be never reaches a viewer, and neither does a 0 in its place:
    `refused` counts the values that were replaced by null here, `suspicious` what was passed on
    although it looks wrong. After `restart` a quote is stale until all its parts have come again.
    """

    def __init__(self) -> None:
        self.refused: DropStats = DropStats()
        self.suspicious: DropStats = DropStats()
        self.session_states: Mapping[Market, SessionState | None] = {}
        """Of every market, as they are now; what is not in it is not known."""
        self._type = ""
        self._stale = False
        self._merged: dict[str, _Merged] = {}
        self._series: dict[str, Series] = {}

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of these symbols."""
        for symbol in symbols:
            self._merged.pop(symbol, None)
            self._series.pop(symbol, None)

    def restart(self) -> None:
        """Begin a connection: what is known is old until it has come again."""
        for merged in self._merged.values():
            merged.old = set(merged.known)

    def is_old(self, symbol: str) -> bool:
        """Whether a part of its quote has not come again in this connection."""
        merged = self._merged.get(symbol)
        return merged is not None and bool(merged.old)

    def give_up(
        self, event_type: str, symbols: Iterable[str], now_ms: int, *, stale: Collection[str]
    ) -> list[QuoteUpdate]:
        """Quotes without the parts of this type that have not come again: these are unknown now.

        `stale` are the symbols whose values are not live for other reasons.
        """
        records: list[QuoteUpdate] = []
        for symbol in symbols:
            merged = self._merged.get(symbol)
            if merged is None or event_type not in merged.old:
                continue
            merged.old.discard(event_type)
            merged.known.discard(event_type)
            match event_type:
                case "Quote":
                    merged.bid = merged.ask = merged.bid_size = merged.ask_size = None
                case "Trade":
                    merged.trade = None
                case "Summary":
                    merged.summary = None
            self._stale = symbol in stale
            records.append(self._quote(symbol, format_time(now_ms)))
        return records

    def is_loading(self, symbol: str) -> bool:
        """Whether a snapshot of candles has begun for this symbol and not ended."""
        series = self._series.get(symbol)
        return series is not None and series.is_loading

    def normalize(self, event: dx.Event, now_ms: int, *, stale: bool = False) -> list[MarketUpdate]:
        """The records that an event leads to.

        `now_ms` is the receive time; `stale` says that the event does not prove its values live.
        """
        at, symbol = format_time(now_ms), event.event_symbol
        self._type, self._stale = type(event).__name__, stale
        if self._type == "Candle":
            return self._candle(event, at)
        if (getattr(event, "event_flags", None) or 0) & dx.event.REMOVE_EVENT:
            # Nothing is known any more; the zeros in such an event are no values.
            lenient: Any = type(event)
            event = lenient(event_symbol=symbol)
        match self._type:
            case "Quote":
                self._merge_quote(symbol, event)
                return [self._quote(symbol, at)]
            case "Trade":
                trade = self._trade(event, at)
                self._part(symbol).trade = trade
                return [self._quote(symbol, at), trade]
            case "Summary":
                summary = self._summary(event, at)
                self._part(symbol).summary = summary
                return [self._quote(symbol, at), summary]
            case "Greeks":
                return [self._greeks(event, at)]
            case "TheoPrice":
                return [self._theo(event, at)]
            case "Underlying":
                return [self._underlying(event, at)]
            case other:
                raise TypeError(f"no record is made of {other}")

    def _part(self, symbol: str) -> _Merged:
        """What is known of the symbol; the part of the event's type has come."""
        merged = self._merged.get(symbol)
        if merged is None:
            merged = self._merged[symbol] = _Merged()
        merged.known.add(self._type)
        if merged.old:
            merged.old.discard(self._type)
        return merged

    def _refuse(self, reason: str) -> None:
        self.refused[self._type, reason] += 1

    def _price(self, symbol: str, value: Decimal | None) -> Decimal | None:
        """A price, or None; only futures and spreads trade below zero."""
        value = self._number(value)
        if value is not None and value < 0 and "/" not in symbol[:2]:
            self._refuse("negative price")
            return None
        return value

    def _amount(self, value: Decimal | None) -> Decimal | None:
        """A size or volume, or None; never below zero."""
        value = self._number(value)
        if value is not None and value < 0:
            self._refuse("negative size")
            return None
        return value

    def _count(self, value: int | None) -> int | None:
        if value is not None and value < 0:
            self._refuse("negative size")
            return None
        if value is not None and value > MAX_COUNT:
            self._refuse("too large")
            return None
        return value

    def _time(self, value: int | None) -> int | None:
        """Milliseconds since the epoch, or None; dxFeed writes 0 for an unknown one."""
        return value if value is not None and 0 < value <= MAX_COUNT else None

    def _number(self, value: Decimal | None) -> Decimal | None:
        """Any finite number, or None."""
        if value is None:
            return None
        if not value.is_finite():
            self._refuse("not finite")
            return None
        if value.adjusted() > MAX_EXPONENT:
            self._refuse("too large")
            return None
        return value

    def _merge_quote(self, symbol: str, event: Any) -> None:
        merged = self._part(symbol)
        bid = merged.bid = self._price(symbol, event.bid_price)
        ask = merged.ask = self._price(symbol, event.ask_price)
        merged.bid_size = self._amount(event.bid_size)
        merged.ask_size = self._amount(event.ask_size)
        if bid is not None and ask is not None and bid > ask:
            self.suspicious[self._type, "crossed"] += 1

    def _quote(self, symbol: str, at: str) -> QuoteUpdate:
        merged = self._merged[symbol]
        trade, summary = merged.trade, merged.summary
        last = trade.price if trade else None
        prev_close = summary.prev_close if summary else None
        change = change_pct = None
        if last is not None and prev_close is not None:
            change = last - prev_close
            if prev_close:
                percent = change / abs(prev_close) * 100
                if percent.adjusted() <= MAX_EXPONENT:  # `quantize` raises past 28 digits
                    change_pct = percent.quantize(_PERCENT_DIGITS)
        return QuoteUpdate(
            symbol=symbol,
            updated_at=at,
            stale=self._stale or bool(merged.old),
            last=last,
            bid=merged.bid,
            ask=merged.ask,
            bid_size=merged.bid_size,
            ask_size=merged.ask_size,
            change=change,
            change_pct=change_pct,
            open=summary.open if summary else None,
            high=summary.high if summary else None,
            low=summary.low if summary else None,
            prev_close=prev_close,
            volume=trade.volume if trade else None,
            market=self.session_states.get(market_of(symbol)),
        )

    def _trade(self, event: Any, at: str) -> TradeUpdate:
        return TradeUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            price=self._price(event.event_symbol, event.price),
            size=self._amount(event.size),
            volume=self._amount(event.day_volume),
            turnover=self._amount(event.day_turnover),
            time=self._time(event.time),
            tick_direction=event.tick_direction,
            extended_hours=event.extended_trading_hours,
        )

    def _summary(self, event: Any, at: str) -> SummaryUpdate:
        symbol = event.event_symbol
        return SummaryUpdate(
            symbol=symbol,
            updated_at=at,
            stale=self._stale,
            open=self._price(symbol, event.day_open_price),
            high=self._price(symbol, event.day_high_price),
            low=self._price(symbol, event.day_low_price),
            close=self._price(symbol, event.day_close_price),
            prev_close=self._price(symbol, event.prev_day_close_price),
            prev_volume=self._amount(event.prev_day_volume),
            open_interest=self._count(event.open_interest),
        )

    def _greeks(self, event: Any, at: str) -> GreeksUpdate:
        return GreeksUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            price=self._price(event.event_symbol, event.price),
            volatility=self._amount(event.volatility),
            delta=self._number(event.delta),
            gamma=self._number(event.gamma),
            theta=self._number(event.theta),
            rho=self._number(event.rho),
            vega=self._number(event.vega),
            time=self._time(event.time),
        )

    def _theo(self, event: Any, at: str) -> TheoUpdate:
        return TheoUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            price=self._price(event.event_symbol, event.price),
            underlying_price=self._number(event.underlying_price),
            delta=self._number(event.delta),
            gamma=self._number(event.gamma),
            dividend=self._number(event.dividend),
            interest=self._number(event.interest),
            time=self._time(event.time),
        )

    def _underlying(self, event: Any, at: str) -> UnderlyingUpdate:
        return UnderlyingUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            volatility=self._amount(event.volatility),
            front_volatility=self._amount(event.front_volatility),
            back_volatility=self._amount(event.back_volatility),
            call_volume=self._count(event.call_volume),
            put_volume=self._count(event.put_volume),
            option_volume=self._count(event.option_volume),
            put_call_ratio=self._amount(event.put_call_ratio),
            time=self._time(event.time),
        )

    def _candle(self, event: Any, at: str) -> list[MarketUpdate]:
        symbol, flags = event.event_symbol, event.event_flags or 0
        series = self._series.get(symbol)
        if series is None:
            series = self._series[symbol] = Series()
        candle = Candle(
            time=self._time(event.time) or 0,
            open=self._price(symbol, event.open),
            high=self._price(symbol, event.high),
            low=self._price(symbol, event.low),
            close=self._price(symbol, event.close),
            volume=self._amount(event.volume),
            vwap=self._price(symbol, event.vwap),
            trades=self._count(event.count),
        )
        place = Flags(
            begins=bool(flags & dx.event.SNAPSHOT_BEGIN),
            ends=bool(flags & (dx.event.SNAPSHOT_END | dx.event.SNAPSHOT_SNIP)),
            # What has no time has no place.
            removes=bool(flags & dx.event.REMOVE_EVENT) or not candle.time,
        )
        change = series.take(candle, place)
        if change == "nothing":
            return []
        candles = series.candles
        before, newest = candles[:-1], candles[-1] if candles else None
        records: list[MarketUpdate] = []
        if change == "all":
            records.append(
                CandleHistory(
                    symbol=symbol,
                    updated_at=at,
                    stale=self._stale,
                    time=tuple([each.time for each in before]),
                    open=tuple([each.open for each in before]),
                    high=tuple([each.high for each in before]),
                    low=tuple([each.low for each in before]),
                    close=tuple([each.close for each in before]),
                    volume=tuple([each.volume for each in before]),
                )
            )
        if newest is not None:
            records.append(
                CandleUpdate(symbol=symbol, updated_at=at, stale=self._stale, **newest._asdict())
            )
        return records


def parse_balance(data: Any) -> AccountBalance | None:
    """The broker's balance object with None for what is missing; None when it is not one."""
    try:
        return LenientBalance.model_validate(data)
    except (ValidationError, KeyError, TypeError, ArithmeticError):
        # KeyError: tastytrade 13.2.3 reads an amount whose "-effect" is Debit without looking
        # whether it is there.
        return None


def normalize_balance(balance: AccountBalance, source: Any, now_ms: int) -> BalanceUpdate | None:
    """The record, or None when the net liquidating value is missing: nothing new is known then."""
    net: Decimal | None = balance.net_liquidating_value
    if net is None or not net.is_finite():
        return None
    return BalanceUpdate(
        account=balance.account_number,
        balance=net,
        buying_power=_finite(balance.derivative_buying_power),
        equity_buying_power=_finite(balance.equity_buying_power),
        cash=_finite(balance.cash_balance),
        currency="USD",
        timestamp=now_ms,
        source=source,
    )


def _finite(value: Decimal | None) -> Decimal | None:
    return value if value is not None and value.is_finite() else None
