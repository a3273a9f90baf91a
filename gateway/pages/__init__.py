"""What a page is made of: panels, each a template plus the keys that it listens to.

This is all that a page's file needs: `from gateway.pages import metric, page`.
"""

from gateway.pages.balance import balance
from gateway.pages.building import PageError
from gateway.pages.chart import chart
from gateway.pages.containers import columns, section, tabs
from gateway.pages.describing import Symbols, page
from gateway.pages.greeks import greeks
from gateway.pages.metric import metric
from gateway.pages.own import panel
from gateway.pages.status import status
from gateway.pages.text import text
from gateway.pages.watchlist import watchlist

__all__ = [
    "PageError",
    "Symbols",
    "balance",
    "chart",
    "columns",
    "greeks",
    "metric",
    "page",
    "panel",
    "section",
    "status",
    "tabs",
    "text",
    "watchlist",
]
