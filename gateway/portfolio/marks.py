"""The mark of an instrument: what one unit is valued at, and where that comes from; pure.

The broker's rule, read from its own rows: equities and futures are marked at the last trade,
clamped into bid and ask; options and cryptocurrencies at the middle; an option that nobody quotes
(closed market, sizes 0) at its theoretical price. A mark that is not known is not known: never 0,
and never silently the previous close.
"""

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from gateway.portfolio.holding import OPTIONS, QUOTED_BY_MID

MarkSource = Literal["last", "mid", "theo", "rest"]


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed knows of an instrument; None where unknown.

    A bid of 0 is known: nobody bids.
    """

    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    theo: Decimal | None = None
    is_stale: bool = False


class Mark(NamedTuple):
    """A price per unit, and what it was taken from; both None when there is none."""

    price: Decimal | None
    source: MarkSource | None


UNKNOWN = Mark(None, None)


def find_mark(instrument_type: str, prices: Prices, broker_mark: Decimal | None = None) -> Mark:
    """Return the mark by the broker's rule for this type of instrument.

    `broker_mark` is the mark of the broker's last row, for what the feed cannot tell.
    """
    found = (
        _mark_by_mid(prices, is_option=instrument_type in OPTIONS)
        if instrument_type in QUOTED_BY_MID
        else _mark_by_last(prices)
    )
    if found.price is None and broker_mark is not None:
        return Mark(broker_mark, "rest")
    return found


def _mark_by_last(prices: Prices) -> Mark:
    last, bid, ask = prices.last, prices.bid, prices.ask
    is_two_sided = bid is not None and ask is not None and bid <= ask
    if last is None:
        return _middle(bid, ask) if is_two_sided else UNKNOWN
    if bid is not None and last < bid and (is_two_sided or ask is None):
        return Mark(bid, "last")
    if ask is not None and last > ask and (is_two_sided or bid is None):
        return Mark(ask, "last")
    return Mark(last, "last")


def _mark_by_mid(prices: Prices, *, is_option: bool) -> Mark:
    bid, ask = prices.bid, prices.ask
    theo = Mark(prices.theo, "theo") if prices.theo is not None else UNKNOWN
    if bid is not None and ask is not None:
        is_dead = is_option and prices.bid_size == 0 and prices.ask_size == 0
        return theo if is_dead and theo.price is not None else _middle(bid, ask)
    if theo.price is not None:
        return theo
    if bid is not None:  # nobody offers: it is worth what is bid, or what was paid last
        return Mark(bid, "mid") if prices.last is None else _higher(bid, prices.last)
    return UNKNOWN


def _middle(bid: Decimal | None, ask: Decimal | None) -> Mark:
    assert bid is not None
    assert ask is not None
    return Mark((bid + ask) / 2, "mid")


def _higher(bid: Decimal, last: Decimal) -> Mark:
    return Mark(last, "last") if last > bid else Mark(bid, "mid")
