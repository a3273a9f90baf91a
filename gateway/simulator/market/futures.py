"""Futures: products, the contracts that are listed on a day, and the options on them; pure.

Sources: the contract specifications of CME, NYMEX and COMEX. Index futures end on the third Friday
of their month, crude oil three business days before the 25th of the month before, gold on the third
last business day of its month.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta

from gateway.simulator.market.calendar import (
    DAY,
    instant,
    is_trading_day,
    monthly_expiry,
    previous_trading_day,
)

MONTH_CODES = "FGHJKMNQUVXZ"
CONTRACTS = 2  # listed of each product: the one in front and the next
OPTION_WEEKS = 3


@dataclass(frozen=True, slots=True)
class Product:
    """What all contracts of one root have in common."""

    root: str
    venue: str  # of the streamer's symbols
    exchange: str
    name: str
    sector: str
    price: float
    volatility: float
    tick: float
    decimals: int
    size: int  # units of the index, barrels or ounces
    months: tuple[int, ...]
    is_cash_settled: bool
    settles: time  # New York's time on the last day
    option_root: str = ""
    option_step: float = 0.0
    option_tick: float = 0.0


@dataclass(frozen=True, slots=True)
class Contract:
    """One month of a product. `symbol` has a year of two digits, `name` (the broker's) of one."""

    root: str
    year: int
    month: int
    expiry: date
    expires_s: float

    @property
    def code(self) -> str:
        """Root and month."""
        return f"/{self.root}{MONTH_CODES[self.month - 1]}"

    @property
    def symbol(self) -> str:
        """The streamer's symbol without its venue."""
        return f"{self.code}{self.year % 100:02d}"

    @property
    def name(self) -> str:
        """The broker's symbol."""
        return f"{self.code}{self.year % 10}"


QUARTERS = (3, 6, 9, 12)
ALL_MONTHS = tuple(range(1, 13))
EVEN_MONTHS = tuple(range(2, 13, 2))
INDEX = "Equity Index"
PRODUCTS = (
    Product(
        "ES", "XCME", "CME", "E-mini S&P 500", INDEX, 6021.25, 0.15, 0.25, 2, 50, QUARTERS, True,
        time(9, 30), "EW", 25.0, 0.05,
    ),
    Product(
        "NQ", "XCME", "CME", "E-mini Nasdaq 100", INDEX, 20985.50, 0.20, 0.25, 2, 20, QUARTERS,
        True, time(9, 30),
    ),
    Product(
        "RTY", "XCME", "CME", "E-mini Russell 2000", INDEX, 2409.30, 0.22, 0.10, 1, 50, QUARTERS,
        True, time(9, 30),
    ),
    Product(
        "CL", "XNYM", "CME", "Crude Oil", "Energy", 71.34, 0.32, 0.01, 2, 1000, ALL_MONTHS, False,
        time(14, 30), "LO", 1.0, 0.01,
    ),
    Product(
        "GC", "XCEC", "CME", "Gold", "Metals", 2672.40, 0.16, 0.10, 1, 100, EVEN_MONTHS, False,
        time(13, 30),
    ),
)  # fmt: skip


def find_product(root: str) -> Product | None:
    """Return a product by its root, with or without the slash."""
    return next((each for each in PRODUCTS if each.root == root.lstrip("/")), None)


def list_contracts(product: Product, today: date) -> list[Contract]:
    """Return the contracts of a product that are listed on a day, the one in front first."""
    found: list[Contract] = []
    year, month = today.year, today.month
    while len(found) < CONTRACTS:
        if month in product.months:
            last = _last_day(product, year, month)
            if _leaves_front(product, year, month, last) >= today:
                at = instant(last, product.settles)
                found.append(Contract(product.root, year, month, last, at))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


def list_option_series(product: Product, today: date) -> Iterator[tuple[str, Contract, date, bool]]:
    """Return (code, contract beneath, expiry, settled on the opening) of a product's options.

    The code is a root and a month: `EW1Z`, `ESZ`.
    """
    if not product.option_root:
        return
    contracts = list_contracts(product, today)
    if product.sector != INDEX:
        for contract in contracts:
            day = contract.expiry
            for _ in range(3):
                day = previous_trading_day(day)
            if day >= today:
                yield f"{product.option_root}{contract.code[-1]}", contract, day, False
        return
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    for n in range(OPTION_WEEKS):
        day = friday + timedelta(weeks=n)
        code = f"{product.option_root}{(day.day - 1) // 7 + 1}{MONTH_CODES[day.month - 1]}"
        if not is_trading_day(day):
            day = previous_trading_day(day)
        beneath = next((each for each in contracts if each.expiry >= day), None)
        if beneath is not None and day >= today and day != beneath.expiry:
            yield code, beneath, day, False
    for contract in contracts:
        yield contract.code[1:], contract, contract.expiry, True


def _last_day(product: Product, year: int, month: int) -> date:
    if product.sector == INDEX:
        return monthly_expiry(year, month)
    if product.root == "CL":
        before = date(year, month, 1) - DAY
        day = date(before.year, before.month, 25)
        if not is_trading_day(day):
            day = previous_trading_day(day)
        for _ in range(3):
            day = previous_trading_day(day)
        return day
    day = (date(year, month, 28) + timedelta(days=4)).replace(day=1)
    for _ in range(3):
        day = previous_trading_day(day)
    return day


def _leaves_front(product: Product, year: int, month: int, last: date) -> date:
    """The last day in front: whoever may have to deliver leaves before the month begins."""
    return date(year, month, 1) - DAY if product.root == "GC" else last
