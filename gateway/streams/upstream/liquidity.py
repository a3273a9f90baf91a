"""How long an instrument may be quiet in its open market before anything of it is learned; pure.

Only what its kind alone says is used: the near contracts of the busiest futures and the two largest
coins are quoted several times a second all session, other near futures and coins every minute.
Stocks and options differ too much among themselves: nothing is said of them here.
"""

import re
from datetime import date

from gateway.streams.markets import future_root

BUSY_S = 15.0
"""The longest silence of what is quoted all the time."""

STEADY_S = 120.0
"""The longest silence of other near futures and coins."""

BUSY_MONTHS, STEADY_MONTHS = 3, 6
"""A contract that expires in so many months is near."""

_BUSY_ROOTS = re.compile(
    r"(?:M?ES|M?NQ|RTY|M2K|M?YM|M?CL|NG|M?GC|SI|HG|M?6E|6[ABJ]|Z[BCFNSTW]|TN|UB|BTC|MBT)\Z"
)
"""Products of futures whose near contracts never rest."""

BUSY_COINS = frozenset({"BTC/USD", "ETH/USD"})

MONTHS = "FGHJKMNQUVXZ"
"""Letters of the months of futures, January first."""

_CONTRACT = re.compile(rf"/[A-Z0-9]+?(?P<month>[{MONTHS}])(?P<year>\d{{1,2}})(?::|\Z)")


def longest_silence_s(symbol: str, on: date | None) -> float:
    """Return how long this symbol may be quiet while its market is open; infinity when unknown.

    With the date in New York, without which nothing is known of futures.
    """
    if symbol.startswith("/"):
        ahead = None if on is None else _months_ahead(symbol, on)
        if ahead is None or not 0 <= ahead <= STEADY_MONTHS:
            return float("inf")
        is_busy = ahead <= BUSY_MONTHS and _BUSY_ROOTS.match(future_root(symbol) or "")
        return BUSY_S if is_busy else STEADY_S
    pair, is_coin, _ = symbol.partition(":")
    if not is_coin or "/" not in pair or symbol.startswith("."):
        return float("inf")
    return BUSY_S if pair in BUSY_COINS else STEADY_S


def _months_ahead(symbol: str, on: date) -> int | None:
    contract = _CONTRACT.match(symbol)
    if contract is None:
        return None
    digits: str = contract["year"]
    span: int = 10 ** len(digits)
    years = (int(digits) - on.year) % span
    if years > span - 2:  # of last year, not of the next decade or century
        years -= span
    month: str = contract["month"]
    return years * 12 + MONTHS.index(month) + 1 - on.month
