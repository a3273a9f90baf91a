"""Symbol search, the short form and the newer one with more fields; pure."""

from datetime import date

from gateway.simulator.broker.catalogue.naming import Body
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Instrument, Kind

MOST_FOUND = 20
MARKETS = {Kind.FUTURE: "CME", Kind.CRYPTO: "CXTALP", Kind.INDEX: "OTC"}


def search(
    market: Market, text: str, *, kinds: set[str] | None = None, limit: int = MOST_FOUND
) -> list[Body]:
    """Return what begins with the text first, then what has it in its name."""
    wanted = text.strip().upper()
    if not wanted:
        return []
    ranked = [
        (rank, item)
        for item in market.universe.instruments.values()
        if (rank := _rank(item, wanted)) is not None and (kinds is None or item.kind.value in kinds)
    ]
    ranked.sort(key=lambda pair: (pair[0], *_order(pair[1])))
    return [_found(market, item) for _, item in ranked[:limit]]


def _order(item: Instrument) -> tuple[int, date, str]:
    """Short names first, and of a product the contract in front."""
    expiry = item.contract.expiry if item.contract is not None else date.min
    return len(item.broker_symbol), expiry, item.broker_symbol


def _rank(item: Instrument, wanted: str) -> int | None:
    symbol, name = item.broker_symbol.upper(), item.description.upper()
    if symbol == wanted:
        return 0
    if symbol.lstrip("/").startswith(wanted.lstrip("/")):
        return 1
    if any(word.startswith(wanted) for word in name.split()):
        return 2
    return 3 if wanted in name else None


def _found(market: Market, item: Instrument) -> Body:
    root = f"/{item.contract.root}" if item.contract is not None else ""
    has_options = item.symbol in market.universe.chains or root in market.universe.future_chains
    listed = MARKETS.get(item.kind, "XNAS" if item.exchange == "Q" else "ARCX")
    return {
        "symbol": item.broker_symbol,
        "description": item.description,
        "listed-market": listed,
        "price-increments": str(item.tick),
        "trading-hours": "",
        "options": has_options,
        "instrument-type": item.kind.value,
        "autocomplete": item.broker_symbol,
    }
