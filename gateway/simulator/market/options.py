"""The books of options: opened and repriced from the book of their underlying; pure."""

import math
from random import Random

from gateway.simulator.market.book import NAN, QUOTE, Book, Sale
from gateway.simulator.market.calendar import local_day
from gateway.simulator.market.corporate import next_earnings
from gateway.simulator.market.pricing import (
    RATE,
    Theoretical,
    find_term_volatility,
    find_volatility,
    price_option,
    years_until,
)
from gateway.simulator.market.ticks import option_tick
from gateway.simulator.market.universe import Kind, Option


def find_expiry_volatility(spot: Book, expires_s: float, now: float) -> float:
    """Return the at-the-money volatility of an expiry: earnings before it make it dearer."""
    item = spot.instrument
    years = years_until(expires_s, now)
    has_report = False
    if item is not None:
        report = next_earnings(item, local_day(now))
        has_report = report is not None and report.day < local_day(expires_s)
    return find_term_volatility(spot.volatility, years, has_report=has_report)


def value_option(option: Option, spot: Book, price: float, now: float) -> tuple[float, Theoretical]:
    """Return volatility, price and greeks of an option when its underlying costs `price`."""
    years = years_until(option.expires_s, now)
    at_the_money = find_expiry_volatility(spot, option.expires_s, now)
    volatility = find_volatility(at_the_money, price, option.strike, years)
    # A future has its carry in its price: what it yields is the riskless rate.
    carry = RATE if option.kind is Kind.FUTURE_OPTION else spot.dividend
    return volatility, price_option(option.is_call, price, option.strike, years, volatility, carry)


def open_book(option: Option, spot: Book, seed: int, now: float, day_id: int) -> Book:
    """Return a new book with a quote, a past and a first trade."""
    random = Random(f"{seed}:{option.symbol}")
    book = Book(option.symbol, option.kind, random)
    book.option = option
    book.exchange = "Z" if option.kind is Kind.OPTION else "G"
    book.time_ms = round(now * 1000)
    book.day_id = day_id
    book.model_s = now + random.random()
    reprice(book, spot, now)
    before = value_option(option, spot, spot.prev_close, now - 86_400)[1].price
    book.prev_close = option_tick(option, before)
    book.open_interest = float(random.randrange(50, 20_000))
    book.prev_volume = float(random.randrange(0, 4_000))
    fair = option_tick(option, book.fair)
    book.last = book.ask if math.isnan(book.bid) else fair
    book.last_size = 1.0
    book.volume = float(random.randrange(1, 1_500))
    book.turnover = round(book.volume * book.last, 2)
    book.day_open = book.prev_close if book.prev_close > 0 else book.last
    book.day_high = max(book.day_open, book.last)
    book.day_low = min(book.day_open, book.last)
    book.change = 0.0
    book.start = (now, book.last, book.volatility)
    book.sales.append(
        Sale(book.time_ms, book.sequence, book.last, book.last_size, book.bid, book.ask, True)
    )
    return book


def reprice(book: Book, spot: Book, now: float, *, resize: bool = False) -> int:
    """Price an option from its underlying now; the bits say whether its quote moved."""
    option = book.option
    if option is None:
        return 0
    price = spot.mid
    if not resize and book.fair_spot == price and book.seen == now:
        return 0
    book.fair_spot, book.seen = price, now
    book.volatility, book.theoretical = value_option(option, spot, price, now)
    book.fair = book.theoretical.price
    tick = option.tick if book.fair < 3 else option.tick_above
    half = max(tick * 0.5, book.fair * 0.004)
    low = math.floor((book.fair - half) / tick + 1e-9)
    high = max(low + 1, math.ceil((book.fair + half) / tick - 1e-9), 1)
    bid = round(low * tick, 2) if low > 0 else NAN
    ask = round(high * tick, 2)
    moved = ask != book.ask or (bid != book.bid and not (bid != bid and book.bid != book.bid))
    if not (moved or resize):
        return 0
    random = book.random
    book.bid, book.ask = bid, ask
    book.bid_size = NAN if low <= 0 else float(random.randrange(1, 400))
    book.ask_size = float(random.randrange(1, 400))
    book.sequence += 1
    return QUOTE
