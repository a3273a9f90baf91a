"""What futures, coins and indices exist: their exchange, their months, their option roots; pure.

A symbol of another platform often leaves out what dxFeed's needs: the exchange of a future, the
century of its year, the venue of a coin. Sources: CME Group's and Cboe's contract specifications,
dxFeed's symbology guide, Tastytrade's list of products.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

MONTH_LETTERS = "FGHJKMNQUVXZ"
"""The letter of each month, January first (CME Group)."""

QUARTERLY = "HMUZ"

MID_MONTH = 15
"""The day after which the next contract leads, roughly: enough to name an example that trades."""


@dataclass(frozen=True, slots=True)
class Product:
    """A future: its exchange (ISO 10383) and the months of its contracts.

    `leads_early` says that its lead contract changes in the month before the contract's own.
    """

    root: str
    exchange: str
    months: str = MONTH_LETTERS
    leads_early: bool = False


def _set_of(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _products(
    roots: str, exchange: str, months: str = MONTH_LETTERS, *, leads_early: bool = False
) -> Iterator[Product]:
    for root in roots.split():
        yield Product(root, exchange, months, leads_early)


def _list_products() -> Iterator[Product]:
    yield from _products("ES MES NQ MNQ RTY M2K EMD NKD NIY", "XCME", QUARTERLY)
    yield from _products("6A 6B 6C 6E 6J 6M 6N 6S E7 J7", "XCME", QUARTERLY)
    yield from _products("M6A M6B M6E MCD MJY MSF SR3 GE", "XCME", QUARTERLY)
    yield from _products("SR1 BTC MBT BFF ETH MET SOL MSL XRP MXP", "XCME")
    yield from _products("LE", "XCME", "GJMQVZ", leads_early=True)
    yield from _products("HE", "XCME", "GJKMNQVZ", leads_early=True)
    yield from _products("GF", "XCME", "FHJKQUVX")
    yield from _products("YM MYM", "XCBT", QUARTERLY)
    yield from _products("ZB UB ZN TN ZF ZT", "XCBT", QUARTERLY, leads_early=True)
    yield from _products("2YY 5YY 10Y 30Y ZQ", "XCBT")
    yield from _products("ZC ZW KE ZO MZC MZW XC XW", "XCBT", "HKNUZ", leads_early=True)
    yield from _products("ZS XK MZS", "XCBT", "FHKNQUX", leads_early=True)
    yield from _products("ZM ZL MZM MZL", "XCBT", "FHKNQUVZ", leads_early=True)
    yield from _products("ZR", "XCBT", "FHKNUX", leads_early=True)
    yield from _products("CL MCL BZ QM NG MNG QG RB HO", "XNYM", leads_early=True)
    yield from _products("PL", "XNYM", "FJNV", leads_early=True)
    yield from _products("PA", "XNYM", QUARTERLY, leads_early=True)
    yield from _products("GC MGC 1OZ QO", "XCEC", "GJMQVZ", leads_early=True)
    yield from _products("SI SIL QI HG MHG QC", "XCEC", "HKNUZ", leads_early=True)
    yield from _products("VX VXM", "XCBF")


PRODUCTS = {each.root: each for each in _list_products()}
"""By root, as `ES` of `/ESZ26:XCME`."""

_OPTION_ROOTS = (
    (r"EW\d?|E[1-5][A-E]", "ES"),
    (r"EX\d?|X[1-5][A-E]", "MES"),
    (r"QN\d|QNE|Q[1-5][A-E]", "NQ"),
    (r"RTO|RTM|R[1-5][A-E]", "RTY"),
    (r"OYM|YM[1-5]", "YM"),
    (r"O(Z[BNFT]|UB|TN)", r"\1"),
    (r"(Z[BNFT]|UB|TN)[1-5]", r"\1"),
    (r"O(Z[CSWMLOR]|KE)", r"\1"),
    (r"(Z[CSWML])[1-5]", r"\1"),
    (r"LO\d?|[MNW]L[1-5]", "CL"),
    (r"ON|LN\d?|LNE", "NG"),
    (r"OB", "RB"),
    (r"OH", "HO"),
    (r"BZO|BE", "BZ"),
    (r"OG\d?|G[1-5][MTWR]", "GC"),
    (r"SO\d?", "SI"),
    (r"HXE|H[1-5]E", "HG"),
    (r"PO", "PL"),
    (r"PAO", "PA"),
    (r"EUU|[1-5]EU", "6E"),
    (r"GBU|[1-5]BP", "6B"),
    (r"ADU|[1-5]AD", "6A"),
    (r"CAU|[1-5]CD", "6C"),
    (r"JPU|[1-5]JY", "6J"),
    (r"CHU|[1-5]SF", "6S"),
)
"""Roots of options that differ from their future's, and the future's, as a pattern gives it."""

COINS = _set_of(
    "BTC ETH SOL LTC BCH DOGE XRP ADA AVAX LINK UNI AAVE SHIB DOT MATIC POL ATOM ALGO XLM "
    "COMP MKR SUSHI YFI CRV GRT BAT FIL TRX ETC XTZ PEPE"
)
COIN_VENUE = "CXTALP"
"""Where Tastytrade's coins are priced."""

INDICES = _set_of(
    "SPX XSP NDX XND RUT MRUT VIX DJX OEX XEO VVIX VXN RVX VIX9D VIX3M VIX6M VIX1D SKEW"
)
"""Cboe's and Nasdaq's, which are written without a sign in front."""

ALIASES = {
    "GSPC": "SPX",
    "INX": "SPX",
    "DJI": "$DJI",
    "DJIA": "$DJI",
    "IXIC": "$COMP",
    "BRKA": "BRK/A",
    "BRKB": "BRK/B",
    "BFA": "BF/A",
    "BFB": "BF/B",
}
"""What other platforms call an index or a class of shares, where nothing else has that name."""

INTERNALS = _set_of("TICK TRIN ADD ADSPD VOLD ADVN DECN UVOL DVOL TIKSP TIKND TICKI COMP")
"""Figures of whole exchanges, which dxFeed writes with a `$` in front."""

SHARE_CLASSES = frozenset(
    (root, letter) for root in ("BRK", "BF", "MOG", "CRD", "LGF", "JW", "AKO") for letter in "AB"
)
"""Shares whose root is no symbol by itself, so that `BRK B` can mean nothing else."""

COMPANIES = {
    "APPLE": "AAPL",
    "MICROSOFT": "MSFT",
    "GOOGLE": "GOOGL",
    "ALPHABET": "GOOGL",
    "AMAZON": "AMZN",
    "TESLA": "TSLA",
    "NVIDIA": "NVDA",
    "FACEBOOK": "META",
    "FB": "META",
    "NETFLIX": "NFLX",
    "BERKSHIRE": "BRK/B",
    "SP500": "SPX",
    "NASDAQ": "QQQ",
    "NASDAQ100": "NDX",
    "RUSSELL": "RUT",
    "BITCOIN": f"BTC/USD:{COIN_VENUE}",
    "ETHEREUM": f"ETH/USD:{COIN_VENUE}",
}
"""Names that people type in place of symbols."""


def find_product(option_root: str) -> Product | None:
    """Return the future under options of this root; None when it is not in the table."""
    if option_root in PRODUCTS:
        return PRODUCTS[option_root]
    for pattern, product in _OPTION_ROOTS:
        if found := re.fullmatch(pattern, option_root):
            return PRODUCTS[found.expand(product)]
    return None


def find_lead(product: Product, today: date) -> str:
    """Return the symbol of the contract that leads about now: `/ESZ26:XCME`."""
    for year, month in _months_from(today):
        if MONTH_LETTERS[month - 1] not in product.months:
            continue
        last_year, last_month = (year, month) if not product.leads_early else _before(year, month)
        if today <= date(last_year, last_month, MID_MONTH):
            return format_future(product, MONTH_LETTERS[month - 1], year)
    raise AssertionError("every product has a contract within two years")


def format_future(product: Product, letter: str, year: int) -> str:
    """Return the symbol of a contract: `/ESZ26:XCME`."""
    return f"/{product.root}{letter}{year % 100:02d}:{product.exchange}"


def is_over(letter: str, year: int, today: date) -> bool:
    """Return whether a contract of this month has surely ended."""
    return (year, MONTH_LETTERS.index(letter) + 1) < (today.year, today.month)


def complete_year(digit: int, years: Iterable[int]) -> int:
    """Return the year among `years` that ends in this digit."""
    return next(year for year in years if year % 10 == digit)


def _months_from(today: date) -> Iterator[tuple[int, int]]:
    for offset in range(25):
        years, month = divmod(today.month - 1 + offset, 12)
        yield today.year + years, month + 1


def _before(year: int, month: int) -> tuple[int, int]:
    return (year - 1, 12) if month == 1 else (year, month - 1)
