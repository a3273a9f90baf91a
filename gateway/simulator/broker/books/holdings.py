"""Positions as rows of REST and of the pushes, and the first row of a symbol; pure."""

from datetime import date
from typing import Any

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.amounts import ZERO, effect, money, plain, signed
from gateway.simulator.broker.books.positions import Position
from gateway.simulator.broker.catalogue.naming import (
    broker_symbol,
    iso,
    today,
    underlying_symbol,
)
from gateway.simulator.market.book import Book
from gateway.simulator.market.market import Market

Body = dict[str, Any]


def describe_position(market: Market, number: str, held: Position, *, with_marks: bool) -> Body:
    """Return the body of REST and of the pushes; marks only where they were asked for."""
    book = market.find(held.symbol)
    if book is None:
        raise KeyError(held.symbol)
    mark = book.mark
    direction = "Zero" if not held.quantity else "Long" if held.quantity > 0 else "Short"
    realized_on = (held.realized_on or today(market)).isoformat()
    count = abs(held.quantity)
    body: Body = {
        "account-number": number,
        "symbol": broker_symbol(market, held.symbol),
        "instrument-type": book.kind.value,
        "underlying-symbol": underlying_symbol(market, held.symbol),
        "quantity": plain(count),
        "quantity-direction": direction,
        "close-price": money(held.close_price),
        "average-open-price": money(held.average_open),
        "average-yearly-market-close-price": money(held.average_yearly),
        "average-daily-market-close-price": money(held.average_daily),
        "multiplier": held.multiplier,
        # Of closing the position, not of having it.
        "cost-effect": {"Long": "Credit", "Short": "Debit"}.get(direction, "None"),
        "is-suppressed": False,
        "is-frozen": held.is_frozen,
        "restricted-quantity": "0.0",
        "realized-day-gain": money(abs(held.realized_day)),
        "realized-day-gain-effect": effect(held.realized_day),
        "realized-day-gain-date": realized_on,
        "realized-today": money(abs(held.realized_today)),
        "realized-today-effect": effect(held.realized_today),
        "realized-today-date": realized_on,
        "streamer-symbol": held.symbol,
        "created-at": iso(held.opened_at),
        "updated-at": iso(market.now),
    }
    if book.option is not None:
        body["expires-at"] = iso(book.option.expires_s)
        if book.option.chain_type != "Standard":
            body["deliverable-type"] = "Physical Delivery"
    elif book.instrument is not None and book.instrument.contract is not None:
        body["expires-at"] = iso(book.instrument.contract.expires_s)
    if with_marks:
        body["mark"] = money(mark * count * held.multiplier)
        body["mark-price"] = money(mark)
    return body


def describe_year(account: Account, underlying: str, kind: str, today: date) -> Body:
    """Return what was realized of an underlying this year, with commissions and fees."""
    traded = [t for t in account.transactions if t.underlying == underlying]
    commissions = sum((t.charges.commission for t in traded), ZERO)
    fees = sum((t.charges.clearing + t.charges.regulatory for t in traded), ZERO)
    gained = account.gains.get(underlying, ZERO)
    body: Body = {
        "year": today.year,
        "account-number": account.number,
        "symbol": underlying,
        "instrument-type": kind,
    }
    body |= signed("fees", -fees) | signed("commissions", -commissions)
    return body | signed("yearly-realized-gain", gained) | signed("realized-lot-gain", gained)


def new_position(book: Book, at: float) -> Position:
    """Return a holding of nothing yet."""
    if book.option is not None:
        return Position(book.symbol, book.kind, book.option.multiplier, at)
    multiplier = book.instrument.multiplier if book.instrument is not None else 1
    return Position(book.symbol, book.kind, multiplier, at)
