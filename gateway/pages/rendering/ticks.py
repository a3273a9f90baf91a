"""How many decimals an instrument's prices have, from its tick; pure.

Stocks move by cents, below a dollar by a hundredth of one (Regulation NMS, rule 612); options by
cents or five of them; futures by what their exchange says (CME Group's and Cboe's contract
specifications), bonds by parts of 1/32, shown as decimals. The broker tells ticks too, of one
instrument for each request: a table needs none, and what is not in it is shown by its own digits.
"""

from decimal import Decimal
from functools import lru_cache

from gateway.pages.rendering.formats import MIN_DECIMALS, decimals_of
from gateway.streams.markets import ALWAYS_OPEN, future_root, market_of

REMEMBERED = 32_768

ONE = Decimal(1)
BELOW_ONE = 4
"""Decimals of a price below one."""
TINY = Decimal("0.01")
BELOW_TINY = 8
"""Of coins that cost less than a cent."""

FUTURES: dict[str, str] = {
    # Stock indices, volatility.
    **dict.fromkeys(("ES", "MES", "NQ", "MNQ", "EMD"), "0.25"),
    **dict.fromkeys(("RTY", "M2K"), "0.10"),
    **dict.fromkeys(("YM", "MYM"), "1"),
    **dict.fromkeys(("NKD", "NIY"), "5"),
    **dict.fromkeys(("VX", "VXM"), "0.01"),
    # Treasuries: 1/32 and its parts.
    **dict.fromkeys(("ZB", "UB"), "0.03125"),
    **dict.fromkeys(("ZN", "TN"), "0.015625"),
    "ZF": "0.0078125",
    "ZT": "0.00390625",
    **dict.fromkeys(("2YY", "5YY", "10Y", "30Y"), "0.001"),
    **dict.fromkeys(("SR1", "SR3", "ZQ", "GE"), "0.0025"),
    # Currencies.
    **dict.fromkeys(("6A", "6B", "6C", "6E", "6N", "6S"), "0.00005"),
    "6J": "0.0000005",
    "6M": "0.00001",
    **dict.fromkeys(("M6A", "M6B", "M6E"), "0.0001"),
    # Energy and metals.
    **dict.fromkeys(("CL", "MCL", "BZ"), "0.01"),
    "QM": "0.025",
    **dict.fromkeys(("NG", "MNG"), "0.001"),
    "QG": "0.005",
    **dict.fromkeys(("RB", "HO"), "0.0001"),
    **dict.fromkeys(("GC", "MGC"), "0.10"),
    **dict.fromkeys(("SI", "SIL"), "0.005"),
    **dict.fromkeys(("HG", "MHG"), "0.0005"),
    **dict.fromkeys(("PL", "PA"), "0.10"),
    # Grains and livestock.
    **dict.fromkeys(("ZC", "ZS", "ZW", "KE", "ZO"), "0.25"),
    **dict.fromkeys(("XC", "XK", "XW"), "0.125"),
    "ZM": "0.10",
    "ZL": "0.01",
    **dict.fromkeys(("LE", "HE", "GF"), "0.025"),
    # Crypto.
    **dict.fromkeys(("BTC", "MBT"), "5"),
    **dict.fromkeys(("ETH", "MET"), "0.50"),
}
"""The outright tick by product."""


def decimals_for(symbol: str, *prices: Decimal | None) -> int:
    """How many decimals show prices of this instrument.

    At least those of its tick, so that a cell keeps its width from one price to the next; and as
    many as the prices have, so that nothing is rounded away that lies between two ticks.
    """
    decimals = max(_decimals_of_tick(symbol), decimals_of(*prices))
    if symbol.startswith((".", "/")):
        return decimals
    magnitudes = [abs(each) for each in prices if each is not None and each.is_finite() and each]
    smallest = min(magnitudes, default=ONE)
    if smallest >= ONE:
        return decimals
    is_tiny = smallest < TINY and market_of(symbol) == ALWAYS_OPEN
    return max(decimals, BELOW_TINY if is_tiny else BELOW_ONE)


@lru_cache(REMEMBERED)
def _decimals_of_tick(symbol: str) -> int:
    tick = FUTURES.get(future_root(symbol.partition("{")[0]) or "")
    return MIN_DECIMALS if tick is None else max(MIN_DECIMALS, len(tick.partition(".")[2]))
