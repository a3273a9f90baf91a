"""Where prices may lie, and how big quotes, trades and days are; pure."""

from random import Random

from gateway.simulator.market.universe import Instrument, Kind, Option


def typical_volume(item: Instrument) -> float:
    """Return what is traded of an instrument on an ordinary day."""
    if item.kind is Kind.CRYPTO:
        return 5e8 / item.price
    if item.kind is Kind.FUTURE:
        return 4e5
    return item.shares * (0.06 if item.is_etf else 0.01)


def to_tick(price: float, item: Instrument) -> float:
    """Return the price on an instrument's tick that is nearest."""
    return round(round(price / item.tick) * item.tick, item.decimals)


def option_tick(option: Option, price: float) -> float:
    """Return the price on an option's tick that is nearest, one tick at least."""
    tick = option.tick if price < 3 else option.tick_above
    return round(max(round(price / tick), 1) * tick, 2)


def quote_size(random: Random, item: Instrument) -> float:
    """Return a plausible size of a quote."""
    if item.kind is Kind.CRYPTO:
        return round(random.uniform(0.01, 5.0), 4)
    if item.kind is Kind.FUTURE:
        return float(random.randrange(1, 90))
    return float(random.randrange(1, 40) * 100)


def trade_size(random: Random, item: Instrument) -> float:
    """Return a plausible size of a trade."""
    if item.kind is Kind.CRYPTO:
        return round(random.uniform(0.001, 0.8), 4)
    if item.kind is Kind.FUTURE:
        return float(random.randrange(1, 20))
    return float(random.choice((1, 5, 10, 25, 50, 100, 100, 100, 200, 300, 500, 1000)))
