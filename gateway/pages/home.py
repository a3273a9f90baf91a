"""The built-in site, written as any other: the desk, the viewer's list, and a symbol's page."""

from collections.abc import Sequence

from gateway.pages import (
    Symbols,
    balance,
    chain,
    chart,
    columns,
    facts,
    metric,
    net_liq,
    orders,
    page,
    positions,
    watchlist,
)
from gateway.pages.layout import Page

NEAREST = 8
"""Strikes on the page of a symbol."""


@page("/", title="Desk")
def home(symbols: Symbols) -> None:
    """What a gateway shows that was given no pages."""
    balance()
    positions()
    watchlist(*symbols, editable=True)
    orders()


@page("/account", title="Account")
def account_page() -> None:
    """What each account is worth, now and over time, and what it ordered."""
    balance()
    net_liq()
    orders()


@page("/list", title="Watchlist")
def own_list(symbols: Symbols) -> None:
    """The viewer's own list alone."""
    watchlist(*symbols, editable=True)


@page("/chain", title="Chain")
def chain_page(underlying: str = "SPY") -> None:
    """The options on one underlying."""
    chain(underlying)


@page("/chain/{symbol}", title="Options on {symbol}")
def options_page(symbol: str) -> None:
    """The same of a symbol: where the name of an underlying leads to."""
    chain(symbol)


@page("/symbol/{symbol}", title="{symbol}")
def symbol_page(symbol: str, interval: str = "5m") -> None:
    """One instrument: where every row with its name leads to."""
    with columns(2):
        metric(symbol)
        facts(symbol)
    chart(symbol, interval=interval)
    positions(symbol=symbol)
    orders(symbol=symbol)
    if symbol.isalnum():
        chain(symbol, strikes=NEAREST)


SITE = (home, chain_page, account_page, own_list)
"""The pages of a gateway that was given none."""

ALWAYS = (home, symbol_page, options_page)
"""Those that stand beside a person's own pages, unless these have the same address."""


def home_page(symbols: Sequence[str]) -> Page:
    """The home page with these symbols, in this order, in its watchlist."""
    return home.describe(symbols=Symbols(symbols))
