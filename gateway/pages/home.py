"""The built-in site, written as any other: the desk, and the viewer's own watchlist."""

from collections.abc import Sequence

from gateway.pages import Symbols, balance, orders, page, positions, watchlist
from gateway.pages.layout import Page


@page("/", title="Desk")
def home(symbols: Symbols) -> None:
    """What a gateway shows that was given no pages."""
    balance()
    positions()
    watchlist(*symbols, editable=True)
    orders()


def home_page(symbols: Sequence[str]) -> Page:
    """The home page with these symbols, in this order, in its watchlist."""
    return home.describe(symbols=Symbols(symbols))
