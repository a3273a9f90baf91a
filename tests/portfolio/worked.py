"""Positions and prices of the worked examples."""

from datetime import date
from decimal import Decimal
from typing import Any

from gateway.portfolio.holding import Holding
from gateway.portfolio.marks import Prices

TODAY = date(2026, 11, 20)
D = Decimal


def make_holding(quantity: str = "100", direction: str = "Long", **fields: Any) -> Holding:
    """Return a position in AAPL shares, changed by `fields`; texts become decimals."""
    given: dict[str, Any] = {
        "broker_symbol": "AAPL",
        "instrument_type": "Equity",
        "underlying": "AAPL",
        "quantity": D(quantity),
        "direction": direction,
    }
    texts = {"broker_symbol", "instrument_type", "underlying"}
    for name, value in fields.items():
        given[name] = D(value) if isinstance(value, str) and name not in texts else value
    return Holding(**given)


def make_prices(**fields: Any) -> Prices:
    """Return prices given as texts."""
    given: dict[str, Any] = {
        name: D(each) if isinstance(each, str) else each for name, each in fields.items()
    }
    return Prices(**given)


def at(mark: str) -> Prices:
    """Return prices whose mark is this for every type of instrument."""
    return make_prices(last=mark, bid=mark, ask=mark, bid_size="1", ask_size="1")
