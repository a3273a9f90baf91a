"""dxFeed events as rows of JSON values, made from the market's books; pure.

Field names and their order are those of dxFeed's event classes (dxFeed Java API, package
`com.dxfeed.event`). A row has one value for each name in `FIELDS`; what is not known is "NaN".
"""

import math
from collections.abc import Callable

from gateway.simulator.market.book import (
    GREEKS,
    QUOTE,
    SUMMARY,
    THEO,
    TRADE,
    UNDERLYING,
    Book,
    Sale,
)
from gateway.simulator.market.pricing import RATE, find_term_volatility, years_until
from gateway.simulator.market.universe import Kind

Value = str | int | float | bool | None
Row = tuple[Value, ...]

INDEXED = ("eventSymbol", "eventTime", "eventFlags", "index", "time")
FIELDS: dict[str, tuple[str, ...]] = {
    "Quote": (
        "eventSymbol", "eventTime", "sequence", "timeNanoPart", "bidTime", "bidExchangeCode",
        "bidPrice", "bidSize", "askTime", "askExchangeCode", "askPrice", "askSize",
    ),
    "Trade": (
        "eventSymbol", "eventTime", "time", "timeNanoPart", "sequence", "exchangeCode", "price",
        "change", "size", "dayId", "dayVolume", "dayTurnover", "tickDirection",
        "extendedTradingHours",
    ),
    "Summary": (
        "eventSymbol", "eventTime", "dayId", "dayOpenPrice", "dayHighPrice", "dayLowPrice",
        "dayClosePrice", "dayClosePriceType", "prevDayId", "prevDayClosePrice",
        "prevDayClosePriceType", "prevDayVolume", "openInterest",
    ),
    "Profile": (
        "eventSymbol", "eventTime", "description", "shortSaleRestriction", "tradingStatus",
        "statusReason", "haltStartTime", "haltEndTime", "highLimitPrice", "lowLimitPrice",
        "high52WeekPrice", "low52WeekPrice", "beta", "earningsPerShare", "dividendFrequency",
        "exDividendAmount", "exDividendDayId", "shares", "freeFloat",
    ),
    "Greeks": (
        *INDEXED, "sequence", "price", "volatility", "delta", "gamma", "theta", "rho", "vega",
    ),
    "TheoPrice": (
        *INDEXED, "sequence", "price", "underlyingPrice", "delta", "gamma", "dividend", "interest",
    ),
    "Underlying": (
        *INDEXED, "sequence", "volatility", "frontVolatility", "backVolatility", "callVolume",
        "putVolume", "optionVolume", "putCallRatio",
    ),
    "TimeAndSale": (
        *INDEXED, "timeNanoPart", "sequence", "exchangeCode", "price", "size", "bidPrice",
        "askPrice", "exchangeSaleConditions", "tradeThroughExempt", "aggressorSide", "spreadLeg",
        "extendedTradingHours", "validTick", "type", "buyer", "seller",
    ),
    "Candle": (
        *INDEXED, "sequence", "count", "open", "high", "low", "close", "volume", "vwap",
        "bidVolume", "askVolume", "impVolatility", "openInterest",
    ),
}  # fmt: skip
FIELDS["TradeETH"] = FIELDS["Trade"]

# The types that carry one current value for each symbol, and the change that brings a new one.
BITS = {
    "Quote": QUOTE,
    "Trade": TRADE,
    "TradeETH": TRADE,
    "Summary": SUMMARY,
    "Profile": 0,
    "Greeks": GREEKS,
    "TheoPrice": THEO,
    "Underlying": UNDERLYING,
}

FLAG_REMOVE, FLAG_BEGIN, FLAG_END = 2, 4, 8


def clean(number: float) -> Value:
    """Return the number as JSON says it: whole numbers without a fraction, "NaN" when unknown."""
    if number != number:
        return "NaN"
    return int(number) if float(number).is_integer() else number


def make_row(event_type: str, book: Book, now: float) -> Row | None:
    """Return the current value of a type for a book, or None when it has none."""
    maker = _MAKERS.get(event_type)
    return None if maker is None else maker(book, now)


def make_sale(book: Book, sale: Sale, flags: int = 0) -> Row:
    """Return one TimeAndSale."""
    return (
        book.symbol, 0, flags, make_index(sale.time_ms, sale.sequence), sale.time_ms, 0,
        sale.sequence & 0x3FFFFF, book.exchange, clean(sale.price), clean(sale.size),
        clean(sale.bid), clean(sale.ask), "", "", "BUY" if sale.is_buy else "SELL", False, False,
        True, "NEW", None, None,
    )  # fmt: skip


def make_index(time_ms: int, sequence: int) -> int:
    """Return dxFeed's index of a time series event: seconds, milliseconds and sequence, packed."""
    return (time_ms // 1000 << 32) | (time_ms % 1000 << 22) | (sequence & 0x3FFFFF)


def _quote(book: Book, now: float) -> Row | None:
    if not book.has_quote:
        return None
    return (
        book.symbol, 0, book.sequence & 0x3FFFFF, 0, 0, book.exchange, clean(book.bid),
        clean(book.bid_size), 0, book.exchange, clean(book.ask), clean(book.ask_size),
    )  # fmt: skip


def _trade(book: Book, now: float) -> Row | None:
    return (
        book.symbol, 0, book.time_ms, 0, book.sequence & 0x3FFFFF, book.exchange, clean(book.last),
        clean(book.change), clean(book.last_size), book.day_id, clean(book.volume),
        clean(book.turnover), book.direction, False,
    )  # fmt: skip


def _trade_eth(book: Book, now: float) -> Row | None:
    if book.kind is not Kind.EQUITY:
        return None
    row = _trade(book, now)
    return None if row is None else (*row[:-1], True)


def _summary(book: Book, now: float) -> Row | None:
    return (
        book.symbol, 0, book.day_id, clean(book.day_open), clean(book.day_high),
        clean(book.day_low), "NaN", "REGULAR", book.day_id - 1, clean(book.prev_close), "FINAL",
        clean(book.prev_volume), clean(book.open_interest),
    )  # fmt: skip


def _profile(book: Book, now: float) -> Row | None:
    item, option = book.instrument, book.option
    if item is not None:
        text, beta, shares, dividend = item.description, item.beta, item.shares, item.dividend
        high, low = round(item.price * 1.22, item.decimals), round(item.price * 0.71, item.decimals)
        if item.kind is not Kind.EQUITY:
            shares = math.nan
    elif option is not None:
        right = "Call" if option.is_call else "Put"
        text = f"{option.root} {option.expiry:%b %d %Y} {option.strike:g} {right}"
        beta = shares = high = low = math.nan
        dividend = 0.0
    else:
        return None
    pays = dividend > 0
    return (
        book.symbol, 0, text, "INACTIVE", "ACTIVE", "", 0, 0, "NaN", "NaN", clean(high), clean(low),
        clean(beta), "NaN", 4 if pays else "NaN",
        clean(round(dividend * book.last / 4, 2)) if pays else "NaN",
        book.day_id - 30 if pays else 0, clean(shares), clean(shares),
    )  # fmt: skip


def _greeks(book: Book, now: float) -> Row | None:
    theory = book.theoretical
    if theory is None:
        return None
    time_ms = round(now * 1000)
    return (
        book.symbol, 0, 0, make_index(time_ms, 0), time_ms, 0, round(theory.price, 6),
        round(book.volatility, 8), round(theory.delta, 8), round(theory.gamma, 8),
        round(theory.theta, 8), round(theory.rho, 8), round(theory.vega, 8),
    )  # fmt: skip


def _theo(book: Book, now: float) -> Row | None:
    theory, option = book.theoretical, book.option
    if theory is None or option is None:
        return None
    time_ms = round(now * 1000)
    years = years_until(option.expiry, now)
    return (
        book.symbol, 0, 0, make_index(time_ms, 0), time_ms, 0, round(theory.price, 6),
        clean(round(book.fair_spot, 6)), round(theory.delta, 8), round(theory.gamma, 8),
        round(book.dividend * years, 8), round(RATE * years, 8),
    )  # fmt: skip


def _underlying(book: Book, now: float) -> Row | None:
    if not book.call_volume:
        return None
    time_ms = round(now * 1000)
    month, front, back = (find_term_volatility(book.volatility, days / 365) for days in (30, 7, 60))
    return (
        book.symbol, 0, 0, make_index(time_ms, 0), time_ms, 0, round(month, 8),
        round(front, 8), round(back, 8), book.call_volume,
        book.put_volume, book.call_volume + book.put_volume,
        round(book.put_volume / book.call_volume, 6),
    )  # fmt: skip


_MAKERS: dict[str, Callable[[Book, float], Row | None]] = {
    "Quote": _quote,
    "Trade": _trade,
    "TradeETH": _trade_eth,
    "Summary": _summary,
    "Profile": _profile,
    "Greeks": _greeks,
    "TheoPrice": _theo,
    "Underlying": _underlying,
}
