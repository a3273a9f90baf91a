"""Option chains, of shares and indices and of futures, in their three forms; pure."""

from collections.abc import Iterable
from datetime import date

from gateway.simulator.broker.catalogue.instruments import (
    describe,
    expiration_type,
    future_summary,
    settlement,
)
from gateway.simulator.broker.catalogue.naming import Body, broker_symbol, iso, tick_sizes, today
from gateway.simulator.market.futures import find_product
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Chain, Kind, Option


def list_chain(market: Market, underlying: str) -> list[Body] | None:
    """Return all options on an underlying, or None when it has none."""
    options = market.universe.options_on(underlying)
    return [describe(market, option) for option in options] or None


def nest_chain(market: Market, underlying: str) -> list[Body] | None:
    """Return one item a root with expirations and strikes, or None when there is none."""
    day = today(market)
    items = [
        _root(underlying, chain)
        | {
            "tick-sizes": tick_sizes(chain.options[0]),
            "expirations": [
                {
                    "expiration-type": expiration_type(options[0]),
                    "expiration-date": expiry.isoformat(),
                    "days-to-expiration": (expiry - day).days,
                    "settlement-type": settlement(options[0]),
                    "strikes": _strikes(options),
                }
                for expiry, options in _by_expiry(chain.options)
            ],
        }
        for chain in market.universe.chains.get(underlying, ())
    ]
    return items or None


def compact_chain(market: Market, underlying: str) -> list[Body] | None:
    """Return one item a root and expiration with nothing but symbols, or None."""
    items = [
        _root(underlying, chain)
        | {
            "expiration-type": expiration_type(options[0]),
            "settlement-type": settlement(options[0]),
            "expiration-date": expiry.isoformat(),
            "symbols": [option.occ for option in options],
            "streamer-symbols": [option.symbol for option in options],
        }
        for chain in market.universe.chains.get(underlying, ())
        for expiry, options in _by_expiry(chain.options)
    ]
    return items or None


def list_future_chain(market: Market, code: str) -> list[Body] | None:
    """Return all options on the futures of a product (`ES` or `/ES`), or None."""
    chains = market.universe.future_chains.get(f"/{code.lstrip('/')}", ())
    return [describe(market, option) for chain in chains for option in chain.options] or None


def nest_future_chain(market: Market, code: str) -> Body | None:
    """Return the futures of a product and their options by expiration and strike, or None."""
    root = f"/{code.lstrip('/')}"
    chains = market.universe.future_chains.get(root, ())
    if not chains:
        return None
    futures = [
        item
        for item in market.universe.instruments.values()
        if item.contract is not None and f"/{item.contract.root}" == root
    ]
    return {
        "futures": [future_summary(market, item) for item in futures],
        "option-chains": [
            {
                "underlying-symbol": root,
                "root-symbol": root,
                "exercise-style": "American",
                "expirations": [
                    _future_expiration(market, root, expiry, options)
                    for chain in chains
                    for expiry, options in _by_expiry(chain.options)
                ],
            }
        ],
    }


def _future_expiration(market: Market, root: str, expiry: date, options: list[Option]) -> Body:
    first = options[0]
    beneath = broker_symbol(market, first.underlying)
    product = find_product(root)
    return {
        "root-symbol": root,
        "underlying-symbol": beneath,
        "option-root-symbol": first.root,
        "option-contract-symbol": first.occ.split()[1],
        "asset": first.root,
        "expiration-type": expiration_type(first),
        "expiration-date": expiry.isoformat(),
        "days-to-expiration": (expiry - today(market)).days,
        "settlement-type": settlement(first),
        # Their quotient is what one point of the price is worth.
        "notional-value": str(first.multiplier / 100),
        "display-factor": "0.01",
        "strike-factor": "1.0",
        "expires-at": iso(first.expires_s),
        "stops-trading-at": iso(first.stops_s),
        "tick-sizes": [{"value": str(product.option_tick if product else first.tick)}],
        "strikes": _strikes(options),
    }


def _root(underlying: str, chain: Chain) -> Body:
    first = chain.options[0]
    deliverables: list[Body] = []
    if chain.kind != "Standard":
        deliverables = [
            {
                "id": 1,
                "root-symbol": chain.root,
                "deliverable-type": "Shares",
                "description": f"{first.multiplier} shares of {underlying}",
                "amount": str(float(first.multiplier)),
                "symbol": underlying,
                "instrument-type": Kind.EQUITY.value,
                "percent": "100",
            }
        ]
    return {
        "underlying-symbol": underlying,
        "root-symbol": chain.root,
        "option-chain-type": chain.kind,
        "shares-per-contract": first.multiplier,
        "deliverables": deliverables,
    }


def _by_expiry(options: Iterable[Option]) -> list[tuple[date, list[Option]]]:
    found: dict[date, list[Option]] = {}
    for option in options:
        found.setdefault(option.expiry, []).append(option)
    return sorted(found.items())


def _strikes(options: Iterable[Option]) -> list[Body]:
    rows: dict[float, Body] = {}
    for option in options:
        row = rows.setdefault(option.strike, {"strike-price": str(option.strike)})
        side = "call" if option.is_call else "put"
        row[side] = option.occ
        row[f"{side}-streamer-symbol"] = option.symbol
    return [rows[strike] for strike in sorted(rows)]
