"""Names, days and figures as REST writes them; pure."""

from datetime import UTC, date, datetime
from typing import Any

from gateway.simulator.market.book import Book
from gateway.simulator.market.calendar import local_day
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Option

Body = dict[str, Any]


def find_book(market: Market, name: str) -> Book | None:
    """Return the book of a REST symbol (the streamer's is taken too), or None."""
    return market.find(market.universe.by_broker_symbol.get(name, name))


def today(market: Market) -> date:
    """Return New York's date on the market's clock."""
    return local_day(market.now)


def iso(at_s: float) -> str:
    """Return an instant (epoch seconds) in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def text(number: float) -> str | None:
    """Return a figure as text without noise, or None for NaN."""
    return None if number != number else str(number)


def broker_symbol(market: Market, symbol: str) -> str:
    """Return the REST symbol of a streamer's symbol."""
    book = market.find(symbol)
    if book is None:
        return symbol
    if book.option is not None:
        return book.option.occ
    return book.instrument.broker_symbol if book.instrument is not None else symbol


def underlying_symbol(market: Market, symbol: str) -> str:
    """Return the REST symbol of what a streamer's symbol depends on: itself unless an option."""
    book = market.find(symbol)
    if book is not None and book.option is not None:
        return broker_symbol(market, book.option.underlying)
    return broker_symbol(market, symbol)


def tick_sizes(option: Option) -> list[Body]:
    """Return the ticks of an option's prices; the last one has no threshold."""
    ticks: list[Body] = []
    if option.tick != option.tick_above:
        ticks.append({"value": str(option.tick), "threshold": "3.0"})
    return [*ticks, {"value": str(option.tick_above)}]


def number_of(symbol: str) -> int:
    """Return a stable id for a symbol."""
    return int.from_bytes(symbol.encode()[:4], "big") % 100_000
