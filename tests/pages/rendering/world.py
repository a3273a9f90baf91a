"""A hub, its live pages and their viewers, stepped by hand."""

import asyncio
from dataclasses import dataclass
from typing import Any

from gateway.clock import Clock
from gateway.pages.home import home_page
from gateway.pages.rendering.channel import Channel
from gateway.pages.rendering.live_page import LivePages, PageSubscriber
from gateway.pages.rendering.templates import create_environment
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.topics import grant_accounts
from tests.pages.reading import (
    Node,
    parse_cells,
    parse_html,
    parse_messages,
    parse_partials,
)

NEVER_S = 3600.0


ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")


@dataclass
class World:
    """A hub, its views, and a clock that the test moves; ticks are the test's too."""

    hub: Hub
    demand: Demand
    views: LivePages
    now_s: float = 1000.0

    def open(self, *symbols: str, accounts: frozenset[str] | None = None) -> PageSubscriber:
        grant = None if accounts is None else grant_accounts(accounts)
        return self.views.open(home_page(symbols), grant)

    def tick(self) -> None:
        self.views.ticker.finish()


def make_world(**options: Any) -> World:
    hub = Hub(epoch="e")
    demand = Demand(now_s=lambda: made.now_s, linger_s=0, **options)
    views = LivePages(
        hub,
        demand,
        ENVIRONMENT,
        tick_s=NEVER_S,
        linger_s=0,
        clock=Clock(monotonic_s=lambda: made.now_s, wall_s=lambda: made.now_s),
    )
    made = World(hub, demand, views)
    return made


class OneChunk:
    """The sink of a client that reads once; full from then on."""

    def __init__(self) -> None:
        self.result: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def write(self, chunk: bytes) -> bool:
        self.result.set_result(chunk)
        return False

    def close(self, reason: str = "") -> None:
        self.result.set_result(None)


async def pull(viewer: PageSubscriber) -> bytes | None:
    """The next chunk; None when the hub closes or the page is retired."""
    sink = OneChunk()
    viewer.write_to(sink, sink.close)
    return await sink.result


async def read(viewer: PageSubscriber) -> bytes:
    chunk = await asyncio.wait_for(pull(viewer), 5)
    assert chunk is not None
    return chunk


def has_nothing(viewer: PageSubscriber) -> bool:
    """Whether a read would wait."""
    channels = (viewer._view.shared, viewer._private.channel)
    return not any(map(Channel.after, channels, viewer._cursors))


def partials_of(chunk: bytes) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for message in parse_messages(chunk):
        if message.event == "message":
            found.update(parse_partials(message.data))
    return found


def changes_of(chunk: bytes) -> dict[str, dict[int, str]]:
    """The changed cells of each row, by its id."""
    found: dict[str, dict[int, str]] = {}
    for message in parse_messages(chunk):
        if message.event == "cells":
            found.update(parse_cells(message.data))
    return found


@dataclass
class Table:
    """The watchlist as a browser has it: the class and the words of each cell, by the row's id."""

    rows: dict[str, list[str]]

    def __init__(self, chunk: bytes = b"") -> None:
        self.rows = {}
        if chunk:
            self.apply(chunk)

    def apply(self, chunk: bytes) -> None:
        """Do what htmx and `gateway.js` do with a message, as far as the table goes."""
        table = partials_of(chunk).get("watchlist")
        if table is not None:
            self.rows = {
                str(row.attributes["id"]): [
                    text
                    for cell in row.children
                    for text in (cell.attributes.get("class") or "", _looks(cell))
                ]
                for row in table.find("tr")
            }
        for id, changes in changes_of(chunk).items():
            assert id in self.rows, "a row that the browser does not have"
            for place, value in changes.items():
                cell = parse_html(value) if place > 0 else None
                self.rows[id][2 * abs(place) - (place < 0) - 1] = (
                    value if cell is None else _looks(cell)
                )


def _looks(cell: Node) -> str:
    marks = [str(each.attributes.get("x")) for each in cell.find("rect")]
    return " ".join([*cell.words.split(), *marks])


def cells(row: Node) -> list[str]:
    return [each.words for each in row.children]
