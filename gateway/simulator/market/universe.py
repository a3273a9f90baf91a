"""The instruments that the simulated market lists on a given date, and their options; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

MONTH_CODES = "FGHJKMNQUVXZ"
WEEKLIES = 4
MONTHLIES = 4
CHAIN_REACH = 0.30  # strikes are listed this far from the reference price, so some are worthless


class Kind(StrEnum):
    """What an instrument is, in the words of the REST interface."""

    EQUITY = "Equity"
    INDEX = "Index"
    FUTURE = "Future"
    CRYPTO = "Cryptocurrency"
    OPTION = "Equity Option"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A thing with a price of its own: starts at `price`, moves `per_s` times a second."""

    symbol: str
    kind: Kind
    description: str
    price: float
    volatility: float
    per_s: float = 1.0
    spread: int = 1
    tick: float = 0.01
    decimals: int = 2
    beta: float = 1.0
    dividend: float = 0.0
    shares: float = 1e9
    is_etf: bool = False
    exchange: str = "Q"
    name: str = ""  # what REST calls it, when that differs from the streamer's symbol
    multiplier: int = 1

    @property
    def broker_symbol(self) -> str:
        """The REST symbol."""
        return self.name or self.symbol


@dataclass(frozen=True, slots=True)
class Option:
    """One listed option. `symbol` is dxFeed's, `occ` the REST symbol."""

    symbol: str
    occ: str
    underlying: str
    root: str
    expiry: date
    is_call: bool
    strike: float
    tick: float
    tick_above: float  # from a price of 3.00 on


@dataclass(frozen=True, slots=True)
class Chain:
    """All options of one root."""

    underlying: str
    root: str
    options: tuple[Option, ...]

    def expiries(self) -> list[date]:
        """Return the expiry dates, earliest first."""
        return sorted({option.expiry for option in self.options})


@dataclass(frozen=True, slots=True)
class Universe:
    """Everything listed on one day."""

    instruments: dict[str, Instrument]
    options: dict[str, Option]
    chains: dict[str, Chain]
    by_broker_symbol: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=4)  # 40 ms a day; a test run opens a hundred simulators
def list_universe(today: date) -> Universe:
    """Return the instruments and chains of a day; futures are the contracts then in front."""
    listed = {item.symbol: item for item in [*_stocks(), *_indices(), *_futures(today), *_crypto()]}
    chains = {
        underlying: Chain(underlying, root, tuple(_options(listed[underlying], root, step, today)))
        for underlying, root, step in CHAINS
    }
    options = {option.symbol: option for chain in chains.values() for option in chain.options}
    names = {item.broker_symbol: item.symbol for item in listed.values()}
    names |= {option.occ: option.symbol for option in options.values()}
    return Universe(listed, options, chains, names)


def third_friday(year: int, month: int) -> date:
    """Return the day on which monthly options expire."""
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def list_expiries(today: date, daily: bool) -> list[date]:
    """Return expiries from today on: the coming weekdays if `daily`, Fridays, then monthlies."""
    days = {today + timedelta(days=n) for n in range(4)} if daily else set()
    days = {day for day in days if day.weekday() < 5}
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    days |= {friday + timedelta(weeks=n) for n in range(WEEKLIES)}
    year, month = today.year, today.month
    for _ in range(MONTHLIES):
        if third_friday(year, month) >= today:
            days.add(third_friday(year, month))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return sorted(days)


CHAINS = (
    ("SPY", "SPY", 5.0),
    ("QQQ", "QQQ", 5.0),
    ("IWM", "IWM", 2.5),
    ("AAPL", "AAPL", 2.5),
    ("NVDA", "NVDA", 2.5),
    ("TSLA", "TSLA", 5.0),
    ("SPX", "SPXW", 25.0),
)
DAILIES = {"SPY", "QQQ", "SPXW"}
PENNY_ROOTS = {"SPY", "QQQ", "IWM"}


def _options(item: Instrument, root: str, step: float, today: date) -> Iterator[Option]:
    low = int(item.price * (1 - CHAIN_REACH) / step) + 1
    high = int(item.price * (1 + CHAIN_REACH) / step)
    tick = 0.05 if item.kind is Kind.INDEX else 0.01
    above = 0.10 if item.kind is Kind.INDEX else (0.01 if root in PENNY_ROOTS else 0.05)
    for expiry in list_expiries(today, daily=root in DAILIES):
        for n in range(low, high + 1):
            strike = n * step
            for right in "CP":
                day = expiry.strftime("%y%m%d")
                yield Option(
                    symbol=f".{root}{day}{right}{strike:g}",
                    occ=f"{root:<6}{day}{right}{round(strike * 1000):08d}",
                    underlying=item.symbol,
                    root=root,
                    expiry=expiry,
                    is_call=right == "C",
                    strike=strike,
                    tick=tick,
                    tick_above=above,
                )


def _stocks() -> Iterator[Instrument]:
    for line in STOCKS.strip().splitlines():
        symbol, price, volatility, beta, shares, yield_, per_s, etf, description = line.split(
            maxsplit=8
        )
        reference = float(price)
        yield Instrument(
            symbol=symbol,
            kind=Kind.EQUITY,
            description=description,
            price=reference,
            volatility=float(volatility),
            per_s=float(per_s),
            spread=1 if reference < 300 else 2,
            beta=float(beta),
            dividend=float(yield_),
            shares=float(shares) * 1e6,
            is_etf=etf == "etf",
            exchange="P" if etf == "etf" else "Q",
        )


def _indices() -> Iterator[Instrument]:
    for symbol, price, volatility, beta, description in (
        ("SPX", 6004.60, 0.15, 1.0, "S&P 500 Index"),
        ("NDX", 20910.00, 0.20, 1.2, "Nasdaq 100 Index"),
        ("RUT", 2402.00, 0.22, 1.1, "Russell 2000 Index"),
        ("VIX", 16.40, 0.90, -4.0, "Cboe Volatility Index"),
    ):
        yield Instrument(symbol, Kind.INDEX, description, price, volatility, beta=beta, exchange="")


def _futures(today: date) -> Iterator[Instrument]:
    quarter_year, quarter = today.year, -(-today.month // 3) * 3
    if third_friday(quarter_year, quarter) < today:
        quarter_year, quarter = _add_months(quarter_year, quarter, 3)
    # Crude oil of the next month stops trading around the 20th of this one.
    oil = _add_months(today.year, today.month, 1 if today.day <= 18 else 2)
    # Gold trades in even months; the front one is left about five weeks before its delivery ends.
    metal = _add_months(today.year, today.month, 2 + today.month % 2)
    for root, venue, (year, month), price, volatility, tick, digits, size, description in (
        ("ES", "XCME", (quarter_year, quarter), 6021.25, 0.15, 0.25, 2, 50, "E-mini S&P 500"),
        ("NQ", "XCME", (quarter_year, quarter), 20985.50, 0.20, 0.25, 2, 20, "E-mini Nasdaq 100"),
        ("RTY", "XCME", (quarter_year, quarter), 2409.30, 0.22, 0.10, 1, 50, "E-mini Russell 2000"),
        ("CL", "XNYM", oil, 71.34, 0.32, 0.01, 2, 1000, "Crude Oil"),
        ("GC", "XCEC", metal, 2672.40, 0.16, 0.10, 1, 100, "Gold"),
    ):
        code = f"/{root}{MONTH_CODES[month - 1]}"
        yield Instrument(
            symbol=f"{code}{year % 100}:{venue}",
            kind=Kind.FUTURE,
            description=f"{description} {month:02d}/{year}",
            price=price,
            volatility=volatility,
            per_s=3.0,
            tick=tick,
            decimals=digits,
            exchange="G",
            name=f"{code}{year % 10}",
            multiplier=size,
        )


def _add_months(year: int, month: int, count: int) -> tuple[int, int]:
    months = year * 12 + month - 1 + count
    return months // 12, months % 12 + 1


def _crypto() -> Iterator[Instrument]:
    for coin, price, volatility, description in (
        ("BTC", 98250.0, 0.55, "Bitcoin"),
        ("ETH", 3410.0, 0.70, "Ethereum"),
        ("SOL", 236.0, 0.85, "Solana"),
    ):
        yield Instrument(
            symbol=f"{coin}/USD:CXTALP",
            kind=Kind.CRYPTO,
            description=description,
            price=price,
            volatility=volatility,
            per_s=2.0,
            spread=8,
            exchange="",
            name=f"{coin}/USD",
        )


# symbol, price, volatility, beta, shares (millions), dividend yield, moves per second, kind, name
STOCKS = """
SPY 600.25 0.15 1.00 950 0.012 4 etf SPDR S&P 500 ETF Trust
QQQ 510.40 0.20 1.18 620 0.006 4 etf Invesco QQQ Trust
IWM 238.10 0.22 1.12 280 0.011 3 etf iShares Russell 2000 ETF
DIA 440.60 0.14 0.90 80 0.016 2 etf SPDR Dow Jones Industrial Average ETF
TLT 90.85 0.15 -0.10 560 0.039 2 etf iShares 20+ Year Treasury Bond ETF
GLD 246.30 0.15 0.05 300 0.000 2 etf SPDR Gold Shares
SLV 28.45 0.28 0.15 470 0.000 1 etf iShares Silver Trust
XLE 95.20 0.24 0.85 370 0.031 1 etf Energy Select Sector SPDR Fund
XLF 50.60 0.18 1.02 940 0.014 1 etf Financial Select Sector SPDR Fund
XLK 235.70 0.23 1.20 300 0.007 1 etf Technology Select Sector SPDR Fund
SMH 247.90 0.34 1.45 90 0.004 1 etf VanEck Semiconductor ETF
EEM 43.60 0.18 0.75 400 0.024 1 etf iShares MSCI Emerging Markets ETF
HYG 79.40 0.06 0.35 200 0.058 1 etf iShares iBoxx High Yield Corporate Bond ETF
AAPL 229.85 0.24 1.15 15100 0.004 3 stock Apple Inc.
MSFT 417.00 0.22 0.95 7430 0.007 3 stock Microsoft Corporation
NVDA 141.95 0.45 1.85 24500 0.001 4 stock NVIDIA Corporation
TSLA 352.55 0.58 2.10 3210 0.000 4 stock Tesla, Inc.
AMD 138.35 0.44 1.75 1620 0.000 3 stock Advanced Micro Devices, Inc.
AMZN 197.10 0.30 1.20 10500 0.000 3 stock Amazon.com, Inc.
GOOGL 164.75 0.28 1.05 5860 0.005 3 stock Alphabet Inc.
META 559.15 0.33 1.22 2180 0.003 2 stock Meta Platforms, Inc.
NFLX 897.80 0.34 1.25 427 0.000 2 stock Netflix, Inc.
AVGO 164.20 0.42 1.30 4670 0.013 2 stock Broadcom Inc.
INTC 24.50 0.46 1.05 4310 0.000 2 stock Intel Corporation
MU 102.75 0.46 1.40 1110 0.004 2 stock Micron Technology, Inc.
PLTR 64.35 0.62 2.20 2250 0.000 2 stock Palantir Technologies Inc.
COIN 304.65 0.80 3.10 200 0.000 2 stock Coinbase Global, Inc.
MSTR 421.90 1.00 3.20 200 0.000 2 stock MicroStrategy Incorporated
JPM 248.55 0.22 1.10 2810 0.020 1 stock JPMorgan Chase & Co.
BAC 47.00 0.25 1.30 7670 0.022 1 stock Bank of America Corporation
GS 602.80 0.26 1.35 314 0.020 1 stock The Goldman Sachs Group, Inc.
XOM 121.80 0.21 0.85 4390 0.032 1 stock Exxon Mobil Corporation
CVX 162.35 0.20 0.90 1800 0.040 1 stock Chevron Corporation
WMT 90.45 0.18 0.55 8030 0.009 1 stock Walmart Inc.
COST 964.00 0.20 0.80 443 0.005 1 stock Costco Wholesale Corporation
DIS 115.65 0.26 1.25 1810 0.008 1 stock The Walt Disney Company
BA 149.30 0.33 1.50 748 0.000 1 stock The Boeing Company
UNH 590.90 0.24 0.60 920 0.014 1 stock UnitedHealth Group Incorporated
JNJ 155.15 0.15 0.50 2410 0.032 1 stock Johnson & Johnson
V 309.90 0.17 0.95 1950 0.007 1 stock Visa Inc.
KO 63.90 0.14 0.55 4310 0.030 1 stock The Coca-Cola Company
F 11.18 0.34 1.45 3970 0.054 1 stock Ford Motor Company
"""
