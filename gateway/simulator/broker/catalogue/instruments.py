"""Instruments as REST gives them: shares, options, futures, coins, warrants; pure."""

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal

from gateway.simulator.broker.catalogue.naming import (
    Body,
    broker_symbol,
    find_book,
    iso,
    number_of,
    tick_sizes,
    today,
)
from gateway.simulator.broker.catalogue.products import (
    EXERCISE,
    future_option_product,
    future_product,
)
from gateway.simulator.market.book import Book
from gateway.simulator.market.calendar import monthly_expiry
from gateway.simulator.market.futures import find_product
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Instrument, Kind, Option

KINDS = {
    "equities": (Kind.EQUITY, Kind.INDEX),
    "equity-options": (Kind.OPTION,),
    "futures": (Kind.FUTURE,),
    "future-options": (Kind.FUTURE_OPTION,),
    "cryptocurrencies": (Kind.CRYPTO,),
}
ETF_EQUIVALENTS = {"ES": ("SPY", 506), "NQ": ("QQQ", 820), "RTY": ("IWM", 505)}
EUROPEAN = {"SPX", "SPXW"}
WARRANTS = [
    {
        "symbol": "SIMWW",
        "instrument-type": "Warrant",
        "listed-market": "XNAS",
        "description": "Simulated Holdings Warrant",
        "is-closing-only": False,
        "active": True,
    }
]
PRECISIONS = [
    {"instrument-type": "Cryptocurrency", "symbol": "BTC/USD", "value": 8,
     "minimum-increment-precision": 8},
    {"instrument-type": "Cryptocurrency", "value": 5, "minimum-increment-precision": 5},
    {"instrument-type": "Equity", "value": 5, "minimum-increment-precision": 0},
    {"instrument-type": "Equity Option", "value": 0, "minimum-increment-precision": 0},
    {"instrument-type": "Future", "value": 0, "minimum-increment-precision": 0},
    {"instrument-type": "Future Option", "value": 0, "minimum-increment-precision": 0},
]  # fmt: skip


def list_instruments(
    market: Market,
    kind: str,
    names: Collection[str] | None = None,
    *,
    products: Collection[str] = (),
    exchanges: Collection[str] = (),
    is_etf: bool | None = None,
    is_index: bool | None = None,
) -> list[Body] | None:
    """Return the instruments of a kind (all if `names` is None), or None for an unknown kind.

    Options are listed by name only. `products` keeps the futures of those codes, `exchanges` those
    that trade there.
    """
    kinds = KINDS.get(kind)
    if kinds is None:
        return None
    if names is not None:
        return _find_named(market, names, kinds)
    found = [item for item in market.universe.instruments.values() if item.kind in kinds]
    if products:
        roots = {code.lstrip("/") for code in products}
        found = [each for each in found if each.contract and each.contract.root in roots]
    if exchanges:
        found = [each for each in found if _exchange(each) in exchanges]
    if is_etf is not None:
        found = [item for item in found if item.is_etf is is_etf]
    if is_index is not None:
        found = [item for item in found if (item.kind is Kind.INDEX) is is_index]
    return [describe(market, item) for item in found]


def _exchange(item: Instrument) -> str:
    product = find_product(item.contract.root) if item.contract is not None else None
    return product.exchange if product is not None else ""


def _find_named(market: Market, names: Collection[str], kinds: tuple[Kind, ...]) -> list[Body]:
    bodies = []
    for name in dict.fromkeys(names):
        book = _find_loosely(market, name)
        if book is not None and book.kind in kinds:
            found = book.instrument or book.option
            if found is not None:
                bodies.append(describe(market, found))
    return bodies


def list_future_options(
    market: Market,
    *,
    roots: Collection[str] = (),
    expiries: Collection[str] = (),
    strikes: Collection[Decimal] = (),
    sides: Collection[str] = (),
) -> list[Body]:
    """Return the options on futures that pass every filter given; `sides` are C and P."""
    return [
        describe(market, option)
        for option in market.universe.future_options.values()
        if (not roots or option.root in roots)
        and (not expiries or option.expiry.isoformat() in expiries)
        and (not strikes or Decimal(str(option.strike)) in strikes)
        and (not sides or ("C" if option.is_call else "P") in sides)
    ]


def _find_loosely(market: Market, name: str) -> Book | None:
    """A future is found without its slash, an option on one without `./`: paths lose them."""
    names = (name, f"/{name}", f"./{name}")
    return next((book for each in names if (book := find_book(market, each))), None)


def describe(market: Market, found: Instrument | Option) -> Body:
    """Return the body of an instrument of any kind."""
    if isinstance(found, Option):
        is_future = found.kind is Kind.FUTURE_OPTION
        return _future_option(market, found) if is_future else _equity_option(market, found)
    if found.kind is Kind.FUTURE:
        return _future(market, found)
    return _crypto(found) if found.kind is Kind.CRYPTO else _equity(market, found)


def future_summary(market: Market, item: Instrument) -> Body:
    """Return a future as a chain of its options names it."""
    contract = item.contract
    if contract is None:
        raise ValueError(f"{item.symbol} is no future")
    is_front = _front_names(market, contract.root)[0] == contract.name
    return {
        "symbol": item.broker_symbol,
        "root-symbol": f"/{contract.root}",
        "maturity-date": contract.expiry.isoformat(),
        "expiration-date": contract.expiry.isoformat(),
        "days-to-expiration": (contract.expiry - today(market)).days,
        "active-month": is_front,
        "next-active-month": not is_front,
        "stops-trading-at": iso(contract.expires_s),
        "expires-at": iso(contract.expires_s),
    }


def settlement(option: Option) -> str:
    """Return AM or PM."""
    return "AM" if option.is_am else "PM"


def expiration_type(option: Option) -> str:
    """Return what REST calls an expiration by its day."""
    expiry = option.expiry
    if option.is_am or expiry == monthly_expiry(expiry.year, expiry.month):
        return "Regular"
    if (expiry + timedelta(days=1)).month != expiry.month:
        return "End-Of-Month"
    return "Weekly"


def _equity(market: Market, item: Instrument) -> Body:
    options = market.universe.options_on(item.symbol)
    return {
        "id": number_of(item.symbol),
        "symbol": item.symbol,
        "instrument-type": "Equity",
        "short-description": item.description.upper()[:20],
        "description": item.description,
        "is-index": item.kind is Kind.INDEX,
        "is-etf": item.is_etf,
        "listed-market": "XNAS" if item.exchange == "Q" else "ARCX",
        "lendability": "Easy To Borrow",
        "borrow-rate": "0.0",
        "market-time-instrument-collection": "Equity",
        "is-closing-only": False,
        "is-options-closing-only": False,
        "is-fractional-quantity-eligible": True,
        "is-illiquid": False,
        "active": True,
        "streamer-symbol": item.symbol,
        "tick-sizes": [{"value": "0.0001", "threshold": "1.0"}, {"value": "0.01"}],
        "option-tick-sizes": tick_sizes(options[0]) if options else [],
    }


def _equity_option(market: Market, option: Option) -> Body:
    return {
        "symbol": option.occ,
        "instrument-type": "Equity Option",
        "active": True,
        "strike-price": str(option.strike),
        "root-symbol": option.root,
        "underlying-symbol": option.underlying,
        "expiration-date": option.expiry.isoformat(),
        "exercise-style": "European" if option.root in EUROPEAN else "American",
        "shares-per-contract": option.multiplier,
        "option-type": "C" if option.is_call else "P",
        "option-chain-type": option.chain_type,
        "expiration-type": expiration_type(option),
        "settlement-type": settlement(option),
        "stops-trading-at": iso(option.stops_s),
        "expires-at": iso(option.expires_s),
        "market-time-instrument-collection": "Equity Option",
        "days-to-expiration": (option.expiry - today(market)).days,
        "is-closing-only": False,
        "streamer-symbol": option.symbol,
    }


def _future_option(market: Market, option: Option) -> Body:
    root = option.underlying.split(":")[0][:-3]
    product = find_product(root)
    return {
        "symbol": option.occ,
        "instrument-type": "Future Option",
        "underlying-symbol": broker_symbol(market, option.underlying),
        "product-code": root.lstrip("/"),
        "expiration-date": option.expiry.isoformat(),
        "root-symbol": root,
        "option-root-symbol": option.root,
        "strike-price": str(option.strike),
        "exchange": "CME",
        "exchange-symbol": option.occ.removeprefix("./"),
        "streamer-symbol": option.symbol,
        "option-type": "C" if option.is_call else "P",
        "exercise-style": EXERCISE,
        "is-vanilla": True,
        "is-primary-deliverable": True,
        "future-price-ratio": "1.0",
        # Of the instrument; what a point is worth is notional-value / display-factor.
        "multiplier": "1.0",
        "underlying-count": "1.0",
        "is-confirmed": True,
        "notional-value": str(option.multiplier / 100),
        "display-factor": "0.01",
        "settlement-type": settlement(option),
        "strike-factor": "1.0",
        "maturity-date": option.expiry.isoformat(),
        "is-exercisable-weekly": True,
        "last-trade-time": "0",
        "days-to-expiration": (option.expiry - today(market)).days,
        "is-closing-only": False,
        "active": True,
        "stops-trading-at": iso(option.stops_s),
        "expires-at": iso(option.expires_s),
        "security-exchange": "2",
        "sx-id": "0",
        "future-option-product": (
            future_option_product(product, option.root) if product is not None else None
        ),
    }


def _future(market: Market, item: Instrument) -> Body:
    contract = item.contract
    product = find_product(contract.root) if contract is not None else None
    if contract is None or product is None:
        raise ValueError(f"{item.symbol} is no future")
    names = _front_names(market, contract.root)
    place = names.index(contract.name)
    body = {
        **future_summary(market, item),
        "instrument-type": "Future",
        "product-code": product.root,
        "contract-size": str(float(product.size)),
        "notional-multiplier": str(float(product.size)),
        "tick-size": str(item.tick),
        "display-factor": "1.0",
        "sub-type": "Vanilla",
        "last-trade-date": contract.expiry.isoformat(),
        "closing-only-date": contract.expiry.isoformat(),
        "active": True,
        "is-closing-only": False,
        "product-group": f"CME_{product.root}",
        "exchange": product.exchange,
        "streamer-exchange-code": product.venue,
        "streamer-symbol": item.symbol,
        "back-month-first-calendar-symbol": False,
        "is-tradeable": True,
        "main-fraction": "0.0",
        "sub-fraction": "0.0",
        "security-exchange": "2",
        "sx-id": "0",
        "tick-sizes": [{"value": str(item.tick)}],
        "option-tick-sizes": [{"value": str(product.option_tick or item.tick)}],
        "spread-tick-sizes": [],
        "future-product": future_product(product),
    }
    if place + 1 < len(names):
        body["roll-target-symbol"] = names[place + 1]
    if product.root in ETF_EQUIVALENTS:
        symbol, count = ETF_EQUIVALENTS[product.root]
        body["future-etf-equivalent"] = {"symbol": symbol, "share-quantity": count}
    return body


def _front_names(market: Market, root: str) -> list[str]:
    product = find_product(root)
    if product is None:
        return []
    names = [
        (item.contract.expiry, item.contract.name)
        for item in market.universe.instruments.values()
        if item.contract is not None and item.contract.root == root
    ]
    return [name for _, name in sorted(names)]


def _crypto(item: Instrument) -> Body:
    return {
        "id": number_of(item.symbol),
        "symbol": item.broker_symbol,
        "instrument-type": "Cryptocurrency",
        "short-description": item.description,
        "description": f"{item.description} to USD",
        "is-closing-only": False,
        "active": True,
        "tick-size": str(item.tick),
        "streamer-symbol": item.symbol,
        "destination-venue-symbols": [
            {
                "id": number_of(item.symbol),
                "symbol": item.broker_symbol,
                "destination-venue": "CXTALP",
                "max-quantity-precision": 8,
                "max-price-precision": 2,
                "routable": True,
            }
        ],
    }
