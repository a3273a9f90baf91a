"""The built-in home page: upstream status, balances, and the viewer's watchlist."""

from collections.abc import Sequence
from urllib.parse import urlencode

from gateway.pages.balance import BalancePanel
from gateway.pages.panel import Page
from gateway.pages.status import StatusPanel
from gateway.pages.watchlist import WatchlistPanel

NAME = "home"
WATCHLIST_ID = "watchlist"

STATUS = StatusPanel("status")
BALANCE = BalancePanel("balance")


def home_page(symbols: Sequence[str]) -> Page:
    """The home page with these symbols, in this order, in its watchlist."""
    watchlist = WatchlistPanel(WATCHLIST_ID, symbols)
    return Page(
        name=NAME,
        title="Watchlist",
        panels=(STATUS, BALANCE, watchlist),
        symbols=watchlist.symbols,
        query=urlencode({"symbols": ",".join(watchlist.symbols)}),
    )
