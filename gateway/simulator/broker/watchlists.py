"""Watchlists: the customers' own, the broker's public ones, and pairs; pure."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

Body = dict[str, Any]
NO_CHANGES: Mapping[str, Body] = MappingProxyType({})


def list_own(customer: str) -> list[Body]:
    """Return a customer's watchlists. One of them has no entries; futures stand as products."""
    if customer == "pat":
        return [_make("Dividends", ["KO", "JNJ", "XOM"], group="main")]
    return [
        _make("Tech", ["AAPL", "MSFT", "NVDA", "AMD", "BRK/B"], group="main", index=1),
        _make("Macro", ["SPY", "/ES", "/CL", "BTC/USD", "VIX"], group="main", index=2),
        _make("A/B of banks", ["JPM", "BAC", "GS"], group="main", index=3),
        {"name": "Empty", "group-name": "main", "order-index": 4, "watchlist-entries": None},
    ]


def make_public(name: str, symbols: Sequence[str]) -> Body:
    """Return a watchlist of the broker's."""
    return _make(name, symbols, group="Changed")


def list_public(counts_only: bool, changed: Mapping[str, Body] = NO_CHANGES) -> list[Body]:
    """Return the broker's watchlists, some of them changed or new."""
    made = [
        _make("High Options Volume", ["SPY", "QQQ", "TSLA", "NVDA", "AAPL"], group="Options"),
        _make("Dow Jones", ["AAPL", "DIS", "JPM", "KO", "UNH", "WMT"], group="Indices"),
        _make("Liquid Futures", ["/ES", "/NQ", "/RTY", "/CL", "/GC"], group="Futures"),
        _make("Upcoming Earnings", ["COST", "MU", "NFLX"], group="Earnings"),
    ]
    names = {each["name"] for each in made}
    made = [changed.get(each["name"], each) for each in made]
    made += [each for name, each in changed.items() if name not in names]
    if not counts_only:
        return made
    return [
        {name: value for name, value in each.items() if name != "watchlist-entries"}
        | {"watchlist-entry-count": len(each["watchlist-entries"])}
        for each in made
    ]


def find(lists: Iterable[Body], name: str) -> Body | None:
    """Return the watchlist of a name, or None."""
    return next((each for each in lists if each["name"] == name), None)


def _make(name: str, symbols: Sequence[str], *, group: str, index: int = 9_999) -> Body:
    entries = [{"symbol": symbol, "instrument-type": _kind(symbol)} for symbol in symbols]
    return {
        "name": name,
        "group-name": group,
        "order-index": index,
        "watchlist-entries": entries,
    }


def _kind(symbol: str) -> str:
    if symbol.startswith("/"):
        return "Future"
    return "Cryptocurrency" if symbol.endswith("/USD") else "Equity"


PAIRS: list[Body] = [
    {
        "name": "Stocks",
        "order-index": 1,
        "pairs-equations": [
            {"left-action": "Buy to Open", "left-symbol": "KO", "left-quantity": 100,
             "right-action": "Sell to Open", "right-symbol": "DIS", "right-quantity": 55},
            {"left-action": "Buy to Open", "left-symbol": "QQQ", "left-quantity": 100,
             "right-action": "Sell to Open", "right-symbol": "SPY", "right-quantity": 85},
        ],
    }
]  # fmt: skip
