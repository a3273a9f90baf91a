"""The built-in home page, written as any other: balances, and the viewer's own watchlist."""

from collections.abc import Sequence

from gateway.pages import Symbols, balance, page, watchlist
from gateway.pages.layout import Page


@page("/", title="Watchlist")
def home(symbols: Symbols) -> None:
    """What a gateway shows that was given no pages."""
    balance()
    watchlist(*symbols, editable=True)


def home_page(symbols: Sequence[str]) -> Page:
    """The home page with these symbols, in this order, in its watchlist."""
    return home.describe(symbols=Symbols(symbols))
