"""What a page is made of: panels, each a template plus the keys that it listens to.

This is all that a page's file needs: `from gateway.pages import metric, page`.
"""

from gateway.pages.authoring.builder import PageError
from gateway.pages.authoring.containers import columns, section, tabs
from gateway.pages.authoring.factory import Symbols, page
from gateway.pages.panels.alerts import alerts
from gateway.pages.panels.balance import balance
from gateway.pages.panels.chain import chain
from gateway.pages.panels.chart import chart
from gateway.pages.panels.custom import panel
from gateway.pages.panels.facts import facts
from gateway.pages.panels.greeks import greeks
from gateway.pages.panels.metric import metric
from gateway.pages.panels.net_liq import net_liq
from gateway.pages.panels.orders import orders
from gateway.pages.panels.positions import positions
from gateway.pages.panels.status import status
from gateway.pages.panels.text import text
from gateway.pages.panels.watchlist import watchlist

__all__ = [
    "PageError",
    "Symbols",
    "alerts",
    "balance",
    "chain",
    "chart",
    "columns",
    "facts",
    "greeks",
    "metric",
    "net_liq",
    "orders",
    "page",
    "panel",
    "positions",
    "section",
    "status",
    "tabs",
    "text",
    "watchlist",
]
