"""Instruments, option chains, market data and metrics as REST bodies, made from the books; pure."""

from datetime import UTC, date, datetime
from typing import Any

from gateway.simulator.market.book import Book
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import MONTH_CODES, Instrument, Kind, Option, third_friday

TYPES = ("index", "equity", "equity-option", "future", "future-option", "cryptocurrency")
KINDS = {
    "equities": (Kind.EQUITY, Kind.INDEX),
    "equity-options": (Kind.OPTION,),
    "futures": (Kind.FUTURE,),
    "cryptocurrencies": (Kind.CRYPTO,),
}

Body = dict[str, Any]


def market_data(market: Market, name: str) -> Body | None:
    """Return the market data of a REST symbol, or None."""
    book = _find(market, name)
    if book is None:
        return None
    at = datetime.fromtimestamp(market.now, UTC)
    day = at.date().isoformat()
    body: Body = {
        "symbol": name,
        "instrument-type": book.kind.value,
        "updated-at": at.isoformat(timespec="milliseconds"),
        "close-price-type": "Regular",
        "prev-close-price-type": "Final",
        "summary-date": day,
        "prev-close-date": date.fromordinal(at.date().toordinal() - 1).isoformat(),
        "halt-start-time": -1,
        "halt-end-time": -1,
        "is-trading-halted": False,
        "bid-size": _text(book.bid_size) or "0",
        "ask-size": _text(book.ask_size) or "0",
        "mark": f"{book.mark.normalize():f}",
        "mid": f"{book.mark.normalize():f}",
        "last-trade-time": book.time_ms,
    }
    prices = {
        "bid": book.bid,
        "ask": book.ask,
        "last": book.last,
        "last-mkt": book.last,
        "open": book.day_open,
        "day-high-price": book.day_high,
        "day-low-price": book.day_low,
        "prev-close": book.prev_close,
        "volume": book.volume,
        "open-interest": book.open_interest,
    }
    body |= {key: text for key, price in prices.items() if (text := _text(price)) is not None}
    if book.instrument is not None:
        body["beta"] = str(book.instrument.beta)
    return body


def metrics(market: Market, name: str) -> Body | None:
    """Return the volatility metrics of an underlying's REST symbol, or None."""
    book = _find(market, name)
    item = book.instrument if book is not None else None
    if book is None or item is None:
        return None
    at = datetime.fromtimestamp(market.now, UTC).isoformat(timespec="milliseconds")
    rank = min(max((book.volatility / item.volatility - 0.6) / 0.9, 0.0), 1.0)
    chain = market.universe.chains.get(item.symbol)
    return {
        "symbol": name,
        "implied-volatility-index": f"{book.volatility:.9f}",
        "implied-volatility-index-5-day-change": "0.004",
        "implied-volatility-index-rank": f"{rank:.9f}",
        "tos-implied-volatility-index-rank": f"{rank:.9f}",
        "tw-implied-volatility-index-rank": f"{rank:.9f}",
        "tos-implied-volatility-index-rank-updated-at": at,
        "implied-volatility-index-rank-source": "tos",
        "implied-volatility-percentile": f"{rank:.9f}",
        "implied-volatility-updated-at": at,
        "implied-volatility-30-day": f"{book.volatility * 100:.2f}",
        "historical-volatility-30-day": f"{item.volatility * 100:.2f}",
        "liquidity-rating": 4 if chain else 2,
        "beta": str(item.beta),
        "corr-spy-3month": "0.6",
        "market-cap": f"{item.shares * book.last:.0f}",
        "dividend-rate-per-share": f"{item.dividend * book.last:.2f}",
        "dividend-yield": str(item.dividend),
        "listed-market": "XNAS",
        "lendability": "Easy To Borrow",
        "borrow-rate": "0.0",
        "created-at": at,
        "updated-at": at,
        "option-expiration-implied-volatilities": [
            {
                "expiration-date": expiry.isoformat(),
                "settlement-type": "PM",
                "option-chain-type": "Standard",
                "implied-volatility": f"{book.volatility:.9f}",
            }
            for expiry in (chain.expiries() if chain else [])
        ],
    }


def list_instruments(market: Market, kind: str, names: list[str] | None) -> list[Body] | None:
    """Return the instruments of a kind (all if `names` is None), or None for an unknown kind."""
    kinds = KINDS.get(kind)
    if kinds is None:
        return None
    universe = market.universe
    if names is None:
        listed = [item for item in universe.instruments.values() if item.kind in kinds]
        return [_describe(market, item) for item in listed]
    bodies = []
    for name in dict.fromkeys(names):
        book = _find(market, name) or _find(market, f"/{name}")
        if book is not None and book.kind in kinds:
            found = book.instrument or book.option
            if found is not None:
                bodies.append(_describe(market, found))
    return bodies


def list_chain(market: Market, underlying: str) -> list[Body] | None:
    """Return all options on an underlying, or None when it has none."""
    chain = market.universe.chains.get(underlying)
    return None if chain is None else [_describe(market, option) for option in chain.options]


def nest_chain(market: Market, underlying: str) -> Body | None:
    """Return an underlying's options by expiry and strike, or None when it has none."""
    chain = market.universe.chains.get(underlying)
    if chain is None:
        return None
    today = _today(market)
    strikes: dict[date, dict[float, Body]] = {}
    for option in chain.options:
        row = strikes.setdefault(option.expiry, {}).setdefault(
            option.strike, {"strike-price": str(option.strike)}
        )
        side = "call" if option.is_call else "put"
        row[side] = option.occ
        row[f"{side}-streamer-symbol"] = option.symbol
    return {
        "underlying-symbol": underlying,
        "root-symbol": chain.root,
        "option-chain-type": "Standard",
        "shares-per-contract": 100,
        "tick-sizes": _ticks(chain.options[0]),
        "deliverables": [],
        "expirations": [
            {
                "expiration-type": _expiration_type(expiry),
                "expiration-date": expiry.isoformat(),
                "days-to-expiration": (expiry - today).days,
                "settlement-type": "PM",
                "strikes": [strikes[expiry][strike] for strike in sorted(strikes[expiry])],
            }
            for expiry in sorted(strikes)
        ],
    }


def _describe(market: Market, found: Instrument | Option) -> Body:
    if isinstance(found, Option):
        return _option(market, found)
    if found.kind is Kind.FUTURE:
        return _future(market, found)
    return _crypto(found) if found.kind is Kind.CRYPTO else _equity(market, found)


def _equity(market: Market, item: Instrument) -> Body:
    chain = market.universe.chains.get(item.symbol)
    return {
        "id": _number(item.symbol),
        "symbol": item.symbol,
        "instrument-type": "Equity",
        "short-description": item.description.upper()[:20],
        "description": item.description,
        "is-index": item.kind is Kind.INDEX,
        "is-etf": item.is_etf,
        "listed-market": "XNAS",
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
        "option-tick-sizes": _ticks(chain.options[0]) if chain else [],
    }


def _option(market: Market, option: Option) -> Body:
    expires = f"{option.expiry.isoformat()}T21:00:00.000+00:00"
    return {
        "symbol": option.occ,
        "instrument-type": "Equity Option",
        "active": True,
        "strike-price": str(option.strike),
        "root-symbol": option.root,
        "underlying-symbol": option.underlying,
        "expiration-date": option.expiry.isoformat(),
        "exercise-style": "European" if option.root == "SPXW" else "American",
        "shares-per-contract": 100,
        "option-type": "C" if option.is_call else "P",
        "option-chain-type": "Standard",
        "expiration-type": _expiration_type(option.expiry),
        "settlement-type": "PM",
        "stops-trading-at": expires,
        "expires-at": expires,
        "market-time-instrument-collection": "Equity Option",
        "days-to-expiration": (option.expiry - _today(market)).days,
        "is-closing-only": False,
        "streamer-symbol": option.symbol,
    }


def _future(market: Market, item: Instrument) -> Body:
    root = item.broker_symbol[1:-2]
    year = 2000 + int(item.symbol.split(":")[0][-2:])
    month = MONTH_CODES.index(item.broker_symbol[-2]) + 1
    last = third_friday(year, month)
    stamp = f"{last.isoformat()}T14:30:00.000+00:00"
    months = list(MONTH_CODES if root == "CL" else MONTH_CODES[2::3])
    return {
        "symbol": item.broker_symbol,
        "instrument-type": "Future",
        "product-code": root,
        "contract-size": str(float(item.multiplier)),
        "notional-multiplier": str(float(item.multiplier)),
        "tick-size": str(item.tick),
        "display-factor": "1.0",
        "sub-type": "Vanilla",
        "last-trade-date": last.isoformat(),
        "expiration-date": last.isoformat(),
        "closing-only-date": last.isoformat(),
        "active": True,
        "active-month": True,
        "next-active-month": False,
        "is-closing-only": False,
        "stops-trading-at": stamp,
        "expires-at": stamp,
        "product-group": "CME",
        "exchange": "CME",
        "roll-target-symbol": None,
        "streamer-exchange-code": item.symbol.split(":")[1],
        "streamer-symbol": item.symbol,
        "back-month-first-calendar-symbol": False,
        "is-tradeable": True,
        "days-to-expiration": (last - _today(market)).days,
        "main-fraction": "0.0",
        "sub-fraction": "0.0",
        "security-exchange": "2",
        "sx-id": "0",
        "tick-sizes": [{"value": str(item.tick)}],
        "option-tick-sizes": [{"value": str(item.tick)}],
        "spread-tick-sizes": [],
        "future-product": {
            "root-symbol": f"/{root}",
            "code": root,
            "description": item.description,
            "exchange": "CME",
            "product-type": "Financial",
            "listed-months": months,
            "active-months": months,
            "notional-multiplier": str(float(item.multiplier)),
            "tick-size": str(item.tick),
            "display-factor": "1.0",
            "streamer-exchange-code": item.symbol.split(":")[1],
            "small-notional": False,
            "back-month-first-calendar-symbol": False,
            "first-notice": False,
            "cash-settled": root not in ("CL", "GC"),
            "market-sector": "Equity Index",
            "clearing-code": root,
            "clearing-exchange-code": "16",
            "roll": {
                "name": "equity_index",
                "active-count": 3,
                "cash-settled": True,
                "business-days-offset": 4,
                "first-notice": False,
            },
        },
    }


def _crypto(item: Instrument) -> Body:
    return {
        "id": _number(item.symbol),
        "symbol": item.broker_symbol,
        "instrument-type": "Cryptocurrency",
        "short-description": item.description,
        "description": f"{item.description} to USD",
        "is-closing-only": False,
        "active": True,
        "tick-size": str(item.tick),
        "streamer-symbol": item.symbol,
        "destination-venue-symbols": [],
    }


def _find(market: Market, name: str) -> Book | None:
    return market.find(market.universe.by_broker_symbol.get(name, name))


def _today(market: Market) -> date:
    return datetime.fromtimestamp(market.now, UTC).date()


def _ticks(option: Option) -> list[Body]:
    ticks: list[Body] = []
    if option.tick != option.tick_above:
        ticks.append({"value": str(option.tick), "threshold": "3.0"})
    return [*ticks, {"value": str(option.tick_above)}]


def _expiration_type(expiry: date) -> str:
    return "Regular" if expiry == third_friday(expiry.year, expiry.month) else "Weekly"


def _number(symbol: str) -> int:
    """A stable id for a symbol."""
    return int.from_bytes(symbol.encode()[:4], "big") % 100_000


def _text(price: float) -> str | None:
    return None if price != price else str(price)
