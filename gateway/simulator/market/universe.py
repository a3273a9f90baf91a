"""The instruments that the simulated market lists on a given date, and their options; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum
from functools import lru_cache

from gateway.simulator.market.calendar import (
    OPEN,
    close_of,
    instant,
    is_trading_day,
    monthly_expiry,
    previous_trading_day,
)
from gateway.simulator.market.futures import (
    PRODUCTS,
    Contract,
    Product,
    list_contracts,
    list_option_series,
)
from gateway.simulator.market.listings import CHAINS, DAILIES, PENNY_ROOTS, STOCKS, Series

WEEKLIES = 4
MONTHLIES = 4
FUTURE_REACH = 0.08
CHAIN_REACH = 0.30  # strikes are listed this far from the reference price, so some are worthless


class Kind(StrEnum):
    """What an instrument is, in the words of the REST interface."""

    EQUITY = "Equity"
    INDEX = "Index"
    FUTURE = "Future"
    CRYPTO = "Cryptocurrency"
    OPTION = "Equity Option"
    FUTURE_OPTION = "Future Option"


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
    contract: Contract | None = None  # of a future

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
    expires_s: float  # when its value is fixed, in epoch seconds
    stops_s: float  # when its trading ends
    kind: Kind = Kind.OPTION
    multiplier: int = 100
    is_am: bool = False  # settled on the opening prices
    chain_type: str = "Standard"


@dataclass(frozen=True, slots=True)
class Chain:
    """All options of one root. `underlying` is the streamer's symbol, of a future the product."""

    underlying: str
    root: str
    options: tuple[Option, ...]

    @property
    def kind(self) -> str:
        """Standard, or Non-standard for the adjusted contracts of a corporate action."""
        return self.options[0].chain_type

    def expiries(self) -> list[date]:
        """Return the expiry dates, earliest first."""
        return sorted({option.expiry for option in self.options})


@dataclass(frozen=True, slots=True)
class Universe:
    """Everything listed on one day."""

    instruments: dict[str, Instrument]
    options: dict[str, Option]
    chains: dict[str, tuple[Chain, ...]]
    by_broker_symbol: dict[str, str] = field(default_factory=dict)
    future_options: dict[str, Option] = field(default_factory=dict)
    future_chains: dict[str, tuple[Chain, ...]] = field(default_factory=dict)
    """By the root of the product, `/ES`."""

    def options_on(self, underlying: str) -> list[Option]:
        """Return the options on a share or an index, over all roots."""
        return [option for chain in self.chains.get(underlying, ()) for option in chain.options]

    def find_option(self, symbol: str) -> Option | None:
        """Return an option by the streamer's symbol."""
        return self.options.get(symbol) or self.future_options.get(symbol)


@lru_cache(maxsize=4)  # 40 ms a day; a test run opens a hundred simulators
def list_universe(today: date) -> Universe:
    """Return the instruments and chains of a day; futures are the contracts then in front."""
    listed = {item.symbol: item for item in [*_stocks(), *_indices(), *_futures(today), *_crypto()]}
    chains: dict[str, tuple[Chain, ...]] = {}
    for series in CHAINS:
        chain = Chain(
            series.underlying,
            series.root,
            tuple(_options(listed[series.underlying], series, today)),
        )
        chains[series.underlying] = (*chains.get(series.underlying, ()), chain)
    options = {
        option.symbol: option
        for each in chains.values()
        for chain in each
        for option in chain.options
    }
    future_chains = {
        f"/{product.root}": tuple(_future_chains(product, listed, today)) for product in PRODUCTS
    }
    future_options = {
        option.symbol: option
        for each in future_chains.values()
        for chain in each
        for option in chain.options
    }
    names = {item.broker_symbol: item.symbol for item in listed.values()}
    names |= {option.occ: option.symbol for option in options.values()}
    names |= {option.occ: option.symbol for option in future_options.values()}
    return Universe(
        listed, options, chains, names, future_options,
        {root: found for root, found in future_chains.items() if found},
    )  # fmt: skip


def list_expiries(today: date, daily: bool) -> list[date]:
    """Return expiries from today on: the coming weekdays if `daily`, Fridays, then monthlies.

    What would fall on a holiday expires on the trading day before.
    """
    days = {today + timedelta(days=n) for n in range(4)} if daily else set()
    days = {day for day in days if is_trading_day(day)}
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    for n in range(WEEKLIES):
        day = friday + timedelta(weeks=n)
        days.add(day if is_trading_day(day) else previous_trading_day(day))
    days |= set(list_monthlies(today))
    return sorted(day for day in days if day >= today)


def list_monthlies(today: date) -> list[date]:
    """Return the monthly expiries from today on."""
    year, month = today.year, today.month
    days = []
    for _ in range(MONTHLIES):
        days.append(monthly_expiry(year, month))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return [day for day in days if day >= today]


AM_STOP = time(16, 15)  # of the day before


def _options(item: Instrument, series: Series, today: date) -> Iterator[Option]:
    root, step = series.root, series.step
    low = int(item.price * (1 - CHAIN_REACH) / step) + 1
    high = int(item.price * (1 + CHAIN_REACH) / step)
    tick = 0.05 if item.kind is Kind.INDEX else 0.01
    above = 0.10 if item.kind is Kind.INDEX else (0.01 if root in PENNY_ROOTS else 0.05)
    monthly = series.is_am or series.chain_type != "Standard"
    expiries = list_monthlies(today) if monthly else list_expiries(today, daily=root in DAILIES)
    for expiry in expiries:
        expires_s = stops_s = close_of(expiry)
        if series.is_am:
            expires_s, stops_s = (
                instant(expiry, OPEN),
                instant(previous_trading_day(expiry), AM_STOP),
            )
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
                    expires_s=expires_s,
                    stops_s=stops_s,
                    multiplier=series.multiplier,
                    is_am=series.is_am,
                    chain_type=series.chain_type,
                )


def _future_chains(product: Product, listed: dict[str, Instrument], today: date) -> Iterator[Chain]:
    for code, contract, expiry, is_am in list_option_series(product, today):
        future = listed[f"{contract.symbol}:{product.venue}"]
        step = product.option_step
        low = int(future.price * (1 - FUTURE_REACH) / step) + 1
        high = int(future.price * (1 + FUTURE_REACH) / step)
        expires_s = instant(expiry, OPEN) if is_am else close_of(expiry)
        beneath = f".{contract.name} {code}{expiry.year % 10} "
        yield Chain(
            f"/{product.root}",
            code[:-1],
            tuple(
                Option(
                    symbol=f"./{code}{expiry.year % 100}{right}{n * step:g}:{product.venue}",
                    occ=f"{beneath}{expiry:%y%m%d}{right}{n * step:g}",
                    underlying=future.symbol,
                    root=code[:-1],
                    expiry=expiry,
                    is_call=right == "C",
                    strike=n * step,
                    tick=product.option_tick,
                    tick_above=product.option_tick,
                    expires_s=expires_s,
                    stops_s=expires_s,
                    kind=Kind.FUTURE_OPTION,
                    multiplier=product.size,
                    is_am=is_am,
                )
                for n in range(low, high + 1)
                for right in "CP"
            ),
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
    for product in PRODUCTS:
        for n, contract in enumerate(list_contracts(product, today)):
            price = product.price * (1 + 0.008 * n)  # a later month costs its carry more
            yield Instrument(
                symbol=f"{contract.symbol}:{product.venue}",
                kind=Kind.FUTURE,
                description=f"{product.name} {contract.month:02d}/{contract.year}",
                price=round(round(price / product.tick) * product.tick, 2),
                volatility=product.volatility,
                per_s=3.0 / (1 + 2 * n),
                tick=product.tick,
                decimals=product.decimals,
                exchange="G",
                name=contract.name,
                multiplier=product.size,
                contract=contract,
            )


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
