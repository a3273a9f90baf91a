"""Panels as a page places and shows them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gateway.clock import Clock
from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import list_panels
from gateway.pages.panel import Panel
from gateway.pages.rendering.live_page import LivePages
from gateway.pages.rendering.templates import create_environment
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import CandleHistory, CandleUpdate, Record
from gateway.streams.topics import grant_accounts
from tests.pages.reading import Node, parse_html

ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")


AT = "2026-11-20T15:30:00.123Z"


OPENING_MS = 1_795_185_000_000  # 2026-11-20 09:30 in New York


FIVE_MINUTES_MS = 300_000


def place(call: Callable[[], Any]) -> list[Panel]:
    """The panels that a call places on a page."""
    with open_builder() as builder:
        call()
    return list(list_panels(builder.nodes))


def render(panel: Panel, *records: Record, accounts: frozenset[str] | None = None) -> Node:
    """What stands in the panel's live element when these records are known."""
    hub = Hub(epoch="e")
    for record in records:
        hub.publish(record)
    clock = Clock(monotonic_s=lambda: 0.0)
    views = LivePages(hub, Demand(now_s=lambda: 0.0), ENVIRONMENT, clock=clock)
    grant = None if accounts is None else grant_accounts(accounts)
    return parse_html(f"<main>{views.render_live(panel, grant)}</main>")


def make_history(series: str, closes: list[str | None], begin_ms: int = OPENING_MS) -> Record:
    prices = tuple(None if each is None else Decimal(each) for each in closes)
    times = tuple(begin_ms + index * FIVE_MINUTES_MS for index in range(len(closes)))
    return CandleHistory(
        symbol=series,
        updated_at=AT,
        time=times,
        open=prices,
        high=prices,
        low=prices,
        close=prices,
        volume=prices,
    )


def make_candle(series: str, close: str | None, time_ms: int, **values: Any) -> CandleUpdate:
    price = None if close is None else Decimal(close)
    known = dict.fromkeys(("open", "high", "low", "close"), price)
    return CandleUpdate(
        symbol=series,
        updated_at=AT,
        time=time_ms,
        **{**known, "volume": None, "vwap": None, "trades": None, **values},
    )
