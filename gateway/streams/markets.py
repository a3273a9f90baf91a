"""Which market a symbol trades in, that is whose hours it keeps; pure.

A derivative keeps the hours of what it is on. Options say their root, futures and options on them
their root and venue. Options on futures have roots of their own, one for each series: quarterly,
weekly (`EW4`, `ZN1`), of each weekday (`E1A`), at the end of a month; the patterns below have those
of CME Group's product slate. A root that is in no pattern belongs to "other futures", of which
nothing sure is known, unless the broker's chain has said what it is on (`learn_underlying`).

Sources: dxFeed's symbol guide; CME Group's product slate and option codes; for options until 16:15
what brokers publish of them, which agrees but for a few funds.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Literal, get_args

Market = Literal[
    "stocks",
    "index options",
    "index futures",
    "currency futures",
    "interest rate futures",
    "energy and metal futures",
    "grain futures",
    "livestock futures",
    "crypto futures",
    "volatility futures",
    "other futures",
    "crypto",
]
"""Instruments with the same hours, in words for people."""

SessionState = Literal["open", "closed"]
"""Whether a market is in its regular hours."""

MARKETS: tuple[Market, ...] = get_args(Market)

ALWAYS_OPEN: Market = "crypto"

REMEMBERED = 32_768

MAX_LEARNED = 4_096
"""Roots learned from chains; there are some hundreds."""

_INDEX_ROOTS = r"SPX(?:W|PM)?|XSP|NANOS|VIXW?|M?RUT|RUTW|NDXP?|XND|NQX|DJX|OEX|XEO"
"""Roots of options on broad indices, which trade to 16:15."""

_SETTLED_AT_CLOSE = re.compile(r"(?:SPXW|SPXPM|XSP|NANOS|RUTW|MRUT|NDXP|XND|NQX|OEX|XEO)\Z")
"""Of these an option stops at 16:00 on its last day, because it settles at the close."""

_FUND_ROOTS = (
    r"SPY|QQQ|IWM|DIA|DB[ABCO]|EEM|EFA|GLD|IW[NOV]|KBE|KRE|MDY|MOO|OEF|SLX|SVXY|SVIX"
    r"|UNG|UUP|UVIX|UVXY|VIXM|VIXY|VXX|VXZ|XHB|XL[BCEFIKPUVY]|XLRE|XME|XRT"
)
"""Funds whose options trade to 16:15; the funds themselves close at 16:00."""

_INDICES_TO_QUARTER_PAST = re.compile(r"\$?(?:VIX(?:1D|9D|3M|6M)?|VVIX)\Z")
"""Indices that Cboe computes from options until these close."""

_TO_QUARTER_PAST = re.compile(rf"(?:{_INDEX_ROOTS}|{_FUND_ROOTS})\Z")

_FUTURE = re.compile(r"\.?/(?P<root>[A-Z0-9]+?)(?:[FGHJKMNQUVXZ]\d{1,2}(?=[:CP]|\Z)|(?=:|\Z))")
_OPTION = re.compile(r"\.(?P<root>[A-Z][A-Z0-9]*?)(?P<expiry>\d{6})[CP][\d.]+\Z")

_ROOTS: tuple[tuple[Market, str], ...] = (
    (
        "index futures",
        # S&P 500, Nasdaq-100, Russell 2000, S&P 400, Dow, Nikkei; sectors; micros; quarterly, by
        # week and weekday (A is Monday), end of month.
        (
            r"M?ES|EW[1-5]?|E[1-5][A-E]|EX[1-5]?|X[1-5][A-E]|QES"
            r"|M?NQ|QN[1-5E]|Q[1-5][A-E]|MQ[1-5E]|D[1-5][A-E]|QNQ"
            r"|RTY|M2K|RT[OME]|R[1-5][A-E]|RM[1-5E]|QRTY"
            r"|EMD|SMC|M?YM[1-5]?|OYM|OMYM|QDOW|NKD|NIY|MNK|MNI"
            r"|XA[BEFIKPRUVYZ]|SD[AI]"
        ),
    ),
    (
        "currency futures",
        # Quarterly and monthly (`EUU`), Friday (`1EU`), Wednesday (`WE1`), and the other weekdays.
        (
            r"6[ABCEJLMNRSZ]|M6[ABCEJNS]|M(?:CD|JY|SF|IR|NH)|E7|J7|R[FPY]|PJY|PSF"
            r"|(?:AD|GB|CA|EU|JP|CH|MP|NE)U|[1-5](?:AD|BP|CD|EU|JY|SF|MP|NE)"
            r"|W[AGDEJS][1-5]|(?:MO|TU|SU)[1-5]|[MTS][AGDJS][1-5]"
        ),
    ),
    (
        "interest rate futures",
        (
            r"ZQ|Z3N|Z[BNFT][1-5]?|UB[1-5]?|TN[1-5]?|2YY|5YY|10Y|30Y|GE|SR[13]|M(?:TN|WN|T[NB])"
            r"|O(?:ZB|ZN|ZF|ZT|UB|TN)|[WVGH][BYFTUX][1-5]|S[0-5]R?|[0-5]?TE"
        ),
    ),
    (
        "grain futures",
        # Futures, minis and micros; monthly (`OZC`, `OKE`), weekly (`ZC1`, `KW1`), new crop.
        (
            r"Z[CSWMLOR][1-5]?|KE[1-5]?|KW[1-5]|X[CKWB]|MZ[CSWMLO]|MKE"
            r"|O(?:Z[CSWMLOR]|KE|CD|SD|WD|KD)|RR[1-5]"
        ),
    ),
    ("livestock futures", r"(?:LE|HE|GF)[1-5]?"),
    (
        "crypto futures",
        r"BTC|MBT|BFF|BFC|QBTC|ETH|MET|EBE|QETH|SOL|MSL|QSOL|XRP|MXP|QXRP|ADA|MDA|LNK|MLK|XLM|MXL",
    ),
    ("volatility futures", r"VX[M]?|VX\d\d"),
)
_PATTERNS = tuple((market, re.compile(rf"(?:{roots})\Z")) for market, roots in _ROOTS)

_VENUES: dict[str, Market] = {
    # All that these two list keeps the same hours.
    "XNYM": "energy and metal futures",
    "XCEC": "energy and metal futures",
}
_ENERGY_AND_METALS = re.compile(
    r"(?:M?CL|QM|BZ|M?NG|QG|RB|M?HO|GC|MGC|1OZ|QO|SI|SIL|QI|HG|MHG|QC|PL|PA|ALI"
    r"|LO[1-5]?|MCO|LN[1-5]?|ON|OB|OH|BZO|OG[1-5]?|SO[1-5]?|HXE?|H[1-5]E|PO|PAO)\Z"
)

_learned: dict[str, str] = {}


def future_root(symbol: str) -> str | None:
    """Return the product of a future, or of an option on one: `ES` of `/ESZ26:XCME`."""
    future = _FUTURE.match(symbol)
    return None if future is None else future["root"]


def learn_underlying(option: str, future: str) -> None:
    """Note that options with the root of `option` are on `future`; both as dxFeed writes them.

    Instruments data know this, and count more than the patterns. What is no option on a future is
    ignored, and so is what comes after `MAX_LEARNED` roots.
    """
    root = future_root(option) if option.startswith("./") else None
    if root is None or not future.startswith("/") or future_root(future) is None:
        return
    if _learned.get(root) == future or (root not in _learned and len(_learned) >= MAX_LEARNED):
        return
    _learned[root] = future
    _market_of.cache_clear()


def market_of(symbol: str, on: date | None = None) -> Market:
    """Return the market whose hours decide whether this symbol, or its candles, ought to move.

    With the date in New York: options that settle at the close keep the hours of stocks on their
    last day.
    """
    market = _market_of(symbol)
    if on is not None and market == "index options" and is_last_day(symbol, on):
        return "stocks"
    return market


def is_last_day(symbol: str, on: date) -> bool:
    """Return whether this is an option that settles at the close of that day."""
    option = _OPTION.match(symbol.partition("{")[0])
    return (
        option is not None
        and _SETTLED_AT_CLOSE.match(option["root"]) is not None
        and option["expiry"] == on.strftime("%y%m%d")
    )


@lru_cache(REMEMBERED)
def _market_of(symbol: str) -> Market:
    name = symbol.partition("{")[0]
    root = future_root(name)
    if root is not None:
        return _market_of_future(name, root)
    if name.startswith("."):
        option = _OPTION.match(name)
        to_quarter_past = option is not None and _TO_QUARTER_PAST.match(option["root"])
        return "index options" if to_quarter_past else "stocks"
    if _INDICES_TO_QUARTER_PAST.match(name):
        return "index options"
    return "crypto" if "/" in name[1:] and ":" in name else "stocks"


def _market_of_future(name: str, root: str) -> Market:
    venue = name.rpartition(":")[2]
    if name.startswith("./") and (learned := _learned.get(root)) is not None:
        return _market_of_future(learned, future_root(learned) or "")
    if venue in _VENUES:
        return _VENUES[venue]
    for market, pattern in _PATTERNS:
        if pattern.match(root):
            return market
    return "energy and metal futures" if _ENERGY_AND_METALS.match(root) else "other futures"
