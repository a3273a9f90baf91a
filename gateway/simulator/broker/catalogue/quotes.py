"""Market data as REST gives it: `/market-data/by-type`; pure."""

from gateway.simulator.broker.catalogue.naming import Body, find_book, iso, text, today
from gateway.simulator.market.book import Book
from gateway.simulator.market.calendar import Phase, previous_trading_day
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Kind

TYPES = {
    "index": Kind.INDEX,
    "equity": Kind.EQUITY,
    "equity-option": Kind.OPTION,
    "future": Kind.FUTURE,
    "future-option": Kind.FUTURE_OPTION,
    "cryptocurrency": Kind.CRYPTO,
}


def market_data(market: Market, name: str, kind: str | None = None) -> Body | None:
    """Return the market data of a REST symbol, or None if there is none of that type."""
    book = find_book(market, name)
    if book is None or (kind is not None and TYPES.get(kind) is not book.kind):
        return None
    day = today(market)
    body: Body = {
        "symbol": name,
        "instrument-type": book.kind.value,
        "updated-at": iso(market.now),
        "close-price-type": "Regular",
        "prev-close-price-type": "Final",
        "summary-date": day.isoformat(),
        "prev-close-date": previous_trading_day(day).isoformat(),
        "halt-start-time": -1,
        "halt-end-time": -1,
        "is-trading-halted": False,
        "bid-size": text(book.bid_size) or "0",
        "ask-size": text(book.ask_size) or "0",
        "mark": f"{book.mark.normalize():f}",
        "last-trade-time": book.time_ms,
    }
    prices = {
        "bid": book.bid,
        "ask": book.ask,
        "mid": round(book.mid, book.decimals + 1),
        "last": book.last,
        "last-mkt": book.last,
        "open": book.day_open,
        "day-high-price": book.day_high,
        "day-low-price": book.day_low,
        "prev-close": book.prev_close,
        "volume": book.volume,
    }
    if market.phase(book.kind) is not Phase.OPEN:
        # Between two sessions `close` is that of the day that is over.
        prices["close"] = book.last
    if book.extended is not None:
        prices["last-ext"] = book.extended.price
    body |= {key: shown for key, price in prices.items() if (shown := text(price)) is not None}
    return body | (_of_option(book) if book.option is not None else _of_instrument(book))


def _of_instrument(book: Book) -> Body:
    item = book.instrument
    if item is None:
        return {}
    body: Body = {
        "beta": str(item.beta),
        "year-low-price": str(round(item.price * 0.71, item.decimals)),
        "year-high-price": str(round(item.price * 1.22, item.decimals)),
    }
    if item.kind is Kind.FUTURE:
        body["open-interest"] = int(book.open_interest)
        body["low-limit-price"] = str(round(book.prev_close * 0.93, item.decimals))
        body["high-limit-price"] = str(round(book.prev_close * 1.07, item.decimals))
    if item.dividend > 0:
        body["dividend-amount"] = f"{item.dividend * item.price / 4:.2f}"
        body["dividend-frequency"] = "4.0"
    return body


def _of_option(book: Book) -> Body:
    theory = book.theoretical
    if theory is None or book.option is None:
        return {}
    tick = book.option.tick if book.fair < 3 else book.option.tick_above
    greeks = {
        "volatility": book.volatility,
        "delta": theory.delta,
        "gamma": theory.gamma,
        "theta": theory.theta,
        "rho": theory.rho,
        "vega": theory.vega,
        "theo-price": theory.price,
    }
    return {name: f"{value:.9f}" for name, value in greeks.items()} | {
        "dx-mark": f"{theory.price:.2f}",
        "tick-size": str(tick),
        "open-interest": int(book.open_interest),
    }
