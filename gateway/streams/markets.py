"""Which market a symbol trades in, that is whose hours it keeps; pure.

A symbol does not say whether it is an index: stocks, funds, indices and all their options keep the
hours of the stock exchange here, which none of them exceeds by much and none falls short of.
Futures say their exchange (CME Group's Globex venues, Cboe's CFE), and by their root which of its
hours: dxFeed's symbol guide, CME's product slate.
"""

import re
from functools import lru_cache
from typing import Literal, get_args

Market = Literal[
    "stocks",
    "index futures",
    "currency futures",
    "interest rate futures",
    "energy and metal futures",
    "grain futures",
    "livestock futures",
    "crypto futures",
    "volatility futures",
    "crypto",
]
"""Instruments with the same hours, in words for people."""

SessionState = Literal["open", "closed"]
"""Whether a market is in its regular hours."""

MARKETS: tuple[Market, ...] = get_args(Market)

ALWAYS_OPEN: Market = "crypto"

REMEMBERED = 32_768

_FUTURE = re.compile(r"\.?/(?P<root>[A-Z0-9]+?)(?:[FGHJKMNQUVXZ]\d{1,2}(?=[:CP]|\Z)|(?=:|\Z))")

_ROOTS: dict[str, Market] = {
    **dict.fromkeys(("ZC", "ZS", "ZW", "ZM", "ZL", "ZO", "ZR", "KE"), "grain futures"),
    **dict.fromkeys(("XC", "XK", "XW", "MZC", "MZS", "MZW", "MZM", "MZL"), "grain futures"),
    **dict.fromkeys(("LE", "HE", "GF"), "livestock futures"),
    **dict.fromkeys(("BTC", "MBT", "BFF", "ETH", "MET", "SOL", "MSL", "XRP"), "crypto futures"),
    **dict.fromkeys(("6A", "6B", "6C", "6E", "6J", "6M", "6N", "6S"), "currency futures"),
    **dict.fromkeys(("M6A", "M6B", "M6E", "MCD", "MJY", "MSF", "E7", "J7"), "currency futures"),
    **dict.fromkeys(("GE", "SR1", "SR3", "ZQ"), "interest rate futures"),
    **dict.fromkeys(("YM", "MYM"), "index futures"),
}
_VENUES: dict[str, Market] = {
    "XCBT": "interest rate futures",
    "XNYM": "energy and metal futures",
    "XCEC": "energy and metal futures",
    "XCBF": "volatility futures",
}


def future_root(symbol: str) -> str | None:
    """The product of a future, or of an option on one: `ES` of `/ESZ26:XCME`; None of others."""
    future = _FUTURE.match(symbol)
    return None if future is None else future["root"]


@lru_cache(REMEMBERED)
def market_of(symbol: str) -> Market:
    """The market whose hours decide whether this symbol, or its candles, ought to move."""
    name = symbol.partition("{")[0]
    root = future_root(name)
    if root is not None:
        return _ROOTS.get(root) or _VENUES.get(name.rpartition(":")[2], "index futures")
    return "crypto" if "/" in name[1:] and ":" in name else "stocks"
