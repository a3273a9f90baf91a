"""The books of what has a price of its own: opened, quoted and traded; pure."""

import math
from random import Random

from gateway.simulator.market.book import (
    EXTENDED,
    SUMMARY,
    TRADE,
    Book,
    Extended,
    Sale,
    accumulate,
)
from gateway.simulator.market.ticks import quote_size, to_tick, trade_size, typical_volume
from gateway.simulator.market.universe import Instrument, Kind


def open_spot(item: Instrument, *, seed: int, now: float, day_id: int, has_options: bool) -> Book:
    """Return the book of an instrument with a quote, a day so far and a first trade."""
    random = Random(f"{seed}:{item.symbol}")
    book = Book(item.symbol, item.kind, random)
    book.instrument = item
    book.exchange = item.exchange
    book.decimals = item.decimals
    book.dividend = item.dividend
    book.volatility = item.volatility
    day = item.volatility / math.sqrt(252)
    book.prev_close = to_tick(item.price * math.exp(random.gauss(0, 0.2 * day)), item)
    book.day_open = to_tick(book.prev_close * math.exp(random.gauss(0, 0.3 * day)), item)
    book.fair = book.day_open * math.exp(random.gauss(0, 0.5 * day))
    book.last = to_tick(book.fair, item)
    spread = item.price * day * 0.25
    book.day_high = to_tick(max(book.last, book.day_open) + random.random() * spread, item)
    book.day_low = to_tick(min(book.last, book.day_open) - random.random() * spread, item)
    book.change = round(book.last - book.day_open, item.decimals)
    typical = 0.0 if item.kind is Kind.INDEX else typical_volume(item)
    book.prev_volume = float(round(typical * random.uniform(0.7, 1.4)))
    book.volume = float(round(typical * random.uniform(0.2, 0.5)))
    book.turnover = round(book.volume * book.last, 2)
    if item.kind is Kind.FUTURE:
        book.open_interest = float(round(typical * 1.5))
    elif item.kind is not Kind.INDEX:
        book.open_interest = 0.0
    if has_options:
        contracts = round(typical * 0.01) + 20_000
        book.call_volume = round(contracts * random.uniform(0.4, 0.6))
        book.put_volume = round(contracts * random.uniform(0.4, 0.7))
    book.day_id = day_id
    book.time_ms = round(now * 1000)
    book.next_s = now + random.random() / item.per_s
    book.start = (now, book.fair, book.volatility)
    book.last_size = 0.0 if item.kind is Kind.INDEX else trade_size(random, item)
    quote(book, item)
    record(book, is_buy=True)
    if item.kind is Kind.EQUITY:
        book.extended = Extended(book.day_open, 100.0, round((now - 60) * 1000))
    return book


def quote(book: Book, item: Instrument) -> None:
    """Quote around the fair price, on the ticks; nothing for what has no quote."""
    if not book.has_quote:
        return
    random = book.random
    half = item.tick * item.spread / 2 * (1 + random.random())
    low = math.floor((book.fair - half) / item.tick)
    high = max(low + 1, math.ceil((book.fair + half) / item.tick))
    book.bid = round(low * item.tick, item.decimals)
    book.ask = round(high * item.tick, item.decimals)
    book.bid_size, book.ask_size = quote_size(random, item), quote_size(random, item)
    book.sequence += 1


def trade(book: Book, price: float, size: float, is_buy: bool, now: float) -> int:
    """Trade in regular hours and return what changed, as bits."""
    previous = book.last
    if price != previous:
        book.direction = "UP" if price > previous else "DOWN"
    elif not book.direction.startswith("ZERO"):
        book.direction = "ZERO_UP" if book.direction == "UP" else "ZERO_DOWN"
    book.change = 0.0 if math.isnan(previous) else round(price - previous, book.decimals)
    book.last, book.last_size = price, size
    book.time_ms = round(now * 1000)
    book.sequence += 1
    book.volume = round(book.volume + size, 4)
    book.turnover = round(book.turnover + size * price, 2)
    record(book, is_buy)
    accumulate(book, price, size, int(now) // 60 * 60)
    bits = TRADE
    if book.extended is not None and book.extended.is_current:
        book.extended.is_current = False
        bits |= EXTENDED
    if not (book.day_low <= price <= book.day_high):
        book.day_high = price if math.isnan(book.day_high) else max(book.day_high, price)
        book.day_low = price if math.isnan(book.day_low) else min(book.day_low, price)
        bits |= SUMMARY
    if math.isnan(book.day_open):
        book.day_open = price
    return bits


def trade_extended(book: Book, price: float, size: float, now: float) -> int:
    """Trade outside regular hours and return what changed, as bits."""
    last = book.extended
    if last is None:
        return 0
    change = round(price - last.price, book.decimals)
    direction = "UP" if change > 0 else "DOWN" if change < 0 else "ZERO_UP"
    volume, turnover = last.volume + size, round(last.turnover + size * price, 2)
    at_ms = round(now * 1000)
    book.extended = Extended(price, size, at_ms, change, volume, turnover, direction, True)
    book.sequence += 1
    return EXTENDED


def record(book: Book, is_buy: bool) -> None:
    """Keep the last trade among the recent sales."""
    book.sales.append(
        Sale(book.time_ms, book.sequence, book.last, book.last_size, book.bid, book.ask, is_buy)
    )
