"""From the SDK's events to records: the only place that knows the broker's field names; pure.

Any field but the symbol may be None; see `sdk`. What is not a number that a market can have never
reaches a viewer, and neither does a 0 in its place.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec
from tastytrade.account import AccountBalance
from tastytrade.dxfeed import Event
from tastytrade.dxfeed.event import REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP

from gateway.streams.account_records import BalanceUpdate
from gateway.streams.markets import Market, SessionState, market_of
from gateway.streams.records import (
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
from gateway.streams.topics import MAIN_LOGIN
from gateway.streams.upstream.candles import Candle, Flags, Series
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.plausibility import ValueCheck
from gateway.streams.upstream.quotes import ExtendedTrade, Quotes


class Normalizer:
    """Turns SDK events into records and merges those that make a quote.

    `refused` counts the values that were replaced by None here, `suspicious` what was passed on
    although it looks wrong. After `restart` a quote is stale until all its parts have come again.
    """

    def __init__(self) -> None:
        self.session_states: Mapping[Market, SessionState | None] = {}
        self.today: date | None = None
        """In New York: some options keep other hours on their last day."""
        """Of every market, as they are now; what is not in it is not known."""
        self._check = ValueCheck()
        self._quotes = Quotes()
        self._series: dict[str, Series] = {}
        self._stale = False

    @property
    def refused(self) -> DropStats:
        """The values that became None although something was sent, by type and reason."""
        return self._check.refused

    @property
    def suspicious(self) -> DropStats:
        """What passed although it looks wrong, by type and reason."""
        return self._check.suspicious

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what is known of these symbols."""
        symbols = list(symbols)
        self._quotes.forget(symbols)
        self._check.forget(symbols)
        for symbol in symbols:
            self._series.pop(symbol, None)

    def restart(self, *, is_tolerated: bool = False) -> None:
        """Begin a connection: what is known is old until it has come again.

        `is_tolerated` says that the break was too short to make a quote stale.
        """
        self._quotes.restart(is_tolerated=is_tolerated)

    def is_old(self, symbol: str) -> bool:
        """Whether a part of its quote has not come again in this connection."""
        return bool(self._quotes.old_parts(symbol))

    def give_up(
        self, event_type: str, symbols: Iterable[str], now_ms: int, *, stale: Collection[str]
    ) -> list[QuoteUpdate]:
        """Drop the parts of this type that have not come again; return the quotes without them.

        `stale` are the symbols whose values are not live for other reasons.
        """
        at = format_time(now_ms)
        return [
            self._quote(symbol, at, stale=symbol in stale)
            for symbol in symbols
            if self._quotes.drop_old(symbol, event_type)
        ]

    def with_session(self, quote: QuoteUpdate) -> QuoteUpdate:
        """Return a quote as it is now that its market has opened or closed."""
        state = self.session_states.get(market_of(quote.symbol, self.today))
        return self._quotes.with_session(quote, state)

    def is_loading(self, symbol: str) -> bool:
        """Whether a snapshot of candles has begun for this symbol and not ended."""
        series = self._series.get(symbol)
        return series is not None and series.is_loading

    def normalize(self, event: Event, now_ms: int, *, stale: bool = False) -> list[MarketUpdate]:
        """Return the records that an event leads to.

        `now_ms` is the receive time; `stale` says that the event does not prove its values live.
        """
        at, symbol = format_time(now_ms), event.event_symbol
        event_type, self._stale = type(event).__name__, stale
        if event_type == "Candle":
            self._check.begin(event_type, symbol)
            return self._candle(event, at)
        if (getattr(event, "event_flags", None) or 0) & REMOVE_EVENT:
            # Nothing is known any more; the zeros in such an event are no values.
            lenient: Any = type(event)
            event = lenient(event_symbol=symbol)
        if event_type == "Quote":
            self._merge_quote(symbol, event)
            return [self._quote(symbol, at, stale=stale)]
        self._check.begin(event_type, symbol)
        match event_type:
            case "Trade":
                trade = self._trade(event, at)
                self._quotes.set_trade(symbol, trade, self._rename({"price": "last"}))
                return [self._quote(symbol, at, stale=stale), trade]
            case "TradeETH":
                self._merge_extended(symbol, event)
                return [self._quote(symbol, at, stale=stale)]
            case "Summary":
                summary = self._summary(event, at)
                self._quotes.set_summary(symbol, summary, self._rename({}))
                return [self._quote(symbol, at, stale=stale), summary]
            case "Greeks":
                return [self._greeks(event, at)]
            case "TheoPrice":
                return [self._theo(event, at)]
            case "Underlying":
                return [self._underlying(event, at)]
            case other:
                raise TypeError(f"no record is made of {other}")

    def _quote(self, symbol: str, at: str, *, stale: bool) -> QuoteUpdate:
        market = self.session_states.get(market_of(symbol, self.today))
        return self._quotes.build(symbol, at, stale=stale, market=market)

    def _rename(self, names: Mapping[str, str]) -> list[str]:
        """The refused fields of the event at hand that a quote has, by their names there."""
        found = (names.get(each, each) for each in self._check.names)
        return [each for each in found if each in QuoteUpdate.__struct_fields__]

    def _refused(self) -> tuple[str, ...] | msgspec.UnsetType:
        return tuple(self._check.names) if self._check.names else msgspec.UNSET

    def _merge_quote(self, symbol: str, event: Any) -> None:
        check = self._check
        check.begin("Quote", symbol, (event.bid_size, event.ask_size))
        bid = check.price("bid", event.bid_price)
        ask = check.price("ask", event.ask_price)
        sizes = (check.amount("bid_size", event.bid_size), check.amount("ask_size", event.ask_size))
        if bid is not None and ask is not None and bid > ask:
            check.suspect("crossed")
        self._quotes.set_quote(symbol, bid, ask, sizes, check.names)

    def _merge_extended(self, symbol: str, event: Any) -> None:
        trade = ExtendedTrade(
            price=self._check.price("extended_last", event.price),
            time=self._check.time(event.time),
            is_extended=bool(event.extended_trading_hours),
        )
        self._quotes.set_extended(symbol, trade, self._check.names)

    def _trade(self, event: Any, at: str) -> TradeUpdate:
        check = self._check
        return TradeUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            price=check.price("price", event.price),
            size=check.amount("size", event.size),
            volume=check.amount("volume", event.day_volume),
            turnover=check.amount("turnover", event.day_turnover),
            time=check.time(event.time),
            tick_direction=event.tick_direction,
            extended_hours=event.extended_trading_hours,
            refused=self._refused(),
        )

    def _summary(self, event: Any, at: str) -> SummaryUpdate:
        check = self._check
        return SummaryUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            open=check.price("open", event.day_open_price),
            high=check.price("high", event.day_high_price),
            low=check.price("low", event.day_low_price),
            close=check.price("close", event.day_close_price),
            prev_close=check.price("prev_close", event.prev_day_close_price),
            prev_volume=check.amount("prev_volume", event.prev_day_volume),
            open_interest=check.count("open_interest", event.open_interest),
            refused=self._refused(),
        )

    def _greeks(self, event: Any, at: str) -> GreeksUpdate:
        check = self._check
        return GreeksUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            price=check.price("price", event.price),
            volatility=check.amount("volatility", event.volatility),
            delta=check.number("delta", event.delta),
            gamma=check.number("gamma", event.gamma),
            theta=check.number("theta", event.theta),
            rho=check.number("rho", event.rho),
            vega=check.number("vega", event.vega),
            time=check.time(event.time),
            refused=self._refused(),
        )

    def _theo(self, event: Any, at: str) -> TheoUpdate:
        check = self._check
        return TheoUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            price=check.price("price", event.price),
            underlying_price=check.number("underlying_price", event.underlying_price),
            delta=check.number("delta", event.delta),
            gamma=check.number("gamma", event.gamma),
            dividend=check.number("dividend", event.dividend),
            interest=check.number("interest", event.interest),
            time=check.time(event.time),
            refused=self._refused(),
        )

    def _underlying(self, event: Any, at: str) -> UnderlyingUpdate:
        check = self._check
        return UnderlyingUpdate(
            symbol=event.event_symbol,
            updated_at=at,
            stale=self._stale,
            volatility=check.amount("volatility", event.volatility),
            front_volatility=check.amount("front_volatility", event.front_volatility),
            back_volatility=check.amount("back_volatility", event.back_volatility),
            call_volume=check.count("call_volume", event.call_volume),
            put_volume=check.count("put_volume", event.put_volume),
            option_volume=check.count("option_volume", event.option_volume),
            put_call_ratio=check.amount("put_call_ratio", event.put_call_ratio),
            time=check.time(event.time),
            refused=self._refused(),
        )

    def _candle(self, event: Any, at: str) -> list[MarketUpdate]:
        check, symbol, flags = self._check, event.event_symbol, event.event_flags or 0
        series = self._series.get(symbol)
        if series is None:
            series = self._series[symbol] = Series()
        candle = Candle(
            time=check.time(event.time) or 0,
            open=check.price("open", event.open),
            high=check.price("high", event.high),
            low=check.price("low", event.low),
            close=check.price("close", event.close),
            volume=check.amount("volume", event.volume),
            vwap=check.price("vwap", event.vwap),
            trades=check.count("trades", event.count),
        )
        place = Flags(
            begins=bool(flags & SNAPSHOT_BEGIN),
            ends=bool(flags & (SNAPSHOT_END | SNAPSHOT_SNIP)),
            # What has no time has no place.
            removes=bool(flags & REMOVE_EVENT) or not candle.time,
        )
        change = series.apply(candle, place)
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
            is_this = newest.time == candle.time
            records.append(
                CandleUpdate(
                    symbol=symbol,
                    updated_at=at,
                    stale=self._stale,
                    refused=self._refused() if is_this else msgspec.UNSET,
                    **newest._asdict(),
                )
            )
        return records


def normalize_balance(
    balance: AccountBalance,
    source: Literal["account_stream", "rest"],
    now_ms: int,
    *,
    login: str = MAIN_LOGIN,
    stale: bool = False,
) -> BalanceUpdate | None:
    """Return the record; None without a net liquidating value, for nothing new is known then."""
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
        login=login,
        stale=stale,
    )


def _finite(value: Decimal | None) -> Decimal | None:
    return value if value is not None and value.is_finite() else None
