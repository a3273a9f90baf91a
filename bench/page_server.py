"""The gateway that `bench.page` looks at: its own app and socket, a feed of ours, and the floor.

Started as `python -m bench.page_server SYMBOLS RATE [POSITIONS]`: every symbol's price, or every
position's value, changes so many times a second. `/floor` is a page with the same table that gets
JSON and has a script of its own: what a browser needs at least. Only the way from record to screen
differs.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.page_positions import feed_positions, held
from bench.process import raise_file_limit
from bench.publish import tell
from gateway.app import build_app, create_context
from gateway.pages import Symbols, metric, page, watchlist
from gateway.pages.authoring.library import Library
from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.server.server import Server, open_socket, set_up_logging
from gateway.settings import load_settings
from gateway.streams.account_records import BalanceUpdate
from gateway.streams.hub.hub import Hub
from gateway.streams.records import QuoteUpdate, Status, format_time

TICK_S = 0.25

METRICS = 4

SLICE_S = 0.05
"""Quotes come a few at a time, as from an exchange."""

SCRIPT = Path(__file__).with_name("page_floor.js")


@page("/desk", title="Desk")
def desk(symbols: Symbols) -> None:
    """What Streamlit and NiceGUI were measured with: some metrics above a table."""
    for symbol in symbols[:METRICS]:
        metric(symbol)
    watchlist(*symbols[METRICS:], editable=True)


def symbols_of(count: int) -> tuple[str, ...]:
    """So many symbols of the length that symbols have."""
    return tuple(f"S{index:03d}" for index in range(count))


class Walk:
    """Prices that go up and down by cents, each its own way."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._chance = random.Random(7)
        self._symbols = symbols
        self._cents = [self._chance.randrange(2_000, 60_000) for _ in symbols]
        self._first = list(self._cents)
        self._volume = [self._chance.randrange(1_000, 90_000_000) for _ in symbols]

    def quote(self, index: int) -> QuoteUpdate:
        """The next quote of a symbol; its last price is never the one before."""
        chance, first = self._chance, self._first[index]
        step = chance.choice((-3, -2, -1, 1, 2, 3))
        if not first * 0.96 < self._cents[index] + step < first * 1.04:
            step = -step
        self._cents[index] += step
        self._volume[index] += chance.randrange(1, 400)
        cents = self._cents[index]
        return QuoteUpdate(
            symbol=self._symbols[index],
            last=Decimal(cents) / 100,
            bid=Decimal(cents - 1) / 100,
            ask=Decimal(cents + 1) / 100,
            bid_size=Decimal(chance.randrange(1, 900)),
            ask_size=Decimal(chance.randrange(1, 900)),
            change=Decimal(cents - first) / 100,
            change_pct=Decimal((cents - first) * 10_000 // first) / 100,
            open=Decimal(first) / 100,
            high=Decimal(int(first * 1.05)) / 100,
            low=Decimal(int(first * 0.95)) / 100,
            prev_close=Decimal(first) / 100,
            volume=Decimal(self._volume[index]),
            updated_at=format_time(time.time_ns() // 1_000_000),
        )


async def feed(hub: Hub, symbols: tuple[str, ...], rate: float) -> None:
    """Publish for ever: each symbol so many times a second, evenly spread."""
    walk = Walk(symbols)
    now = format_time(time.time_ns() // 1_000_000)
    hub.publish(Status(upstream="feed", state="live", since=now, reason=None, market="open"))
    hub.publish(
        BalanceUpdate(
            account="5WX00001",
            balance=Decimal("100000.00"),
            buying_power=Decimal("50000.00"),
            equity_buying_power=None,
            cash=Decimal("25000.00"),
            currency="USD",
            timestamp=time.time_ns() // 1_000_000,
            source="rest",
        )
    )
    for index in range(len(symbols)):
        hub.publish(walk.quote(index))
    begun_s, done = time.monotonic(), 0
    while True:
        await asyncio.sleep(SLICE_S)
        due = int((time.monotonic() - begun_s) * rate * len(symbols))
        for number in range(done, due):
            hub.publish(walk.quote(number % len(symbols)))
        done = due


class Floor:
    """The page with the same table whose script is told numbers as JSON."""

    def __init__(self, app: Starlette, symbols: tuple[str, ...]) -> None:
        self._hub: Hub = app.state.context.hub
        self._app = app
        self._panel = WatchlistPanel("floor", symbols)

    async def show(self, request: Request) -> Response:
        """The gateway's own page, with the scripts replaced."""
        answer: dict[str, Any] = {"body": b""}

        async def send(message: Any) -> None:
            answer["body"] += message.get("body", b"")

        scope = {**request.scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, request.receive, send)
        html = answer["body"].decode()
        head = html.partition('<div id="live"')[0]
        return HTMLResponse(f'{head}</main><script src="/floor/script.js"></script></body></html>')

    async def script(self, request: Request) -> Response:
        """The script."""
        text = await asyncio.to_thread(SCRIPT.read_text)
        return Response(text, media_type="text/javascript")

    async def stream(self, request: Request) -> Response:
        """All rows, four times a second."""
        return StreamingResponse(self._rows(), media_type="text/event-stream")

    async def _rows(self) -> AsyncIterator[bytes]:
        hub, flashed, before = self._hub, set[int](), dict[int, Any]()
        while True:
            rows = []
            for index, key in enumerate(self._panel.keys()):
                record = hub.latest(key)
                assert isinstance(record, QuoteUpdate)
                flash = 0
                if index in before and index not in flashed and record.last != before[index]:
                    flash = 1 if record.last > before[index] else -1
                (flashed.add if flash else flashed.discard)(index)
                before[index] = record.last
                row = show_record(record)
                rows.append([flash, *row])
            yield f"data: {json.dumps(rows)}\n\n".encode()
            await asyncio.sleep(TICK_S)


def show_record(record: QuoteUpdate) -> list[Any]:
    """A row as text, in the order of the columns."""
    quote: dict[str, Any] = msgspec.structs.asdict(record)
    position = int((quote["last"] - quote["low"]) / (quote["high"] - quote["low"]) * 97)
    return [
        *(f"{quote['last']:,.2f}", f"{quote['change']:+,.2f}", f"{quote['change_pct']:+.2f}%"),
        *(str(quote["bid_size"]), f"{quote['bid']:,.2f}"),
        *(f"{quote['ask']:,.2f}", str(quote["ask_size"])),
        *(f"{quote['low']:,.2f}", f"{quote['high']:,.2f}", position),
        f"{quote['volume'] / 1_000_000:.2f}M",
    ]


class Split:
    """The floor below `/floor`, the gateway everywhere else."""

    def __init__(self, app: ASGIApp, floor: ASGIApp) -> None:
        self._app = app
        self._floor = floor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_floor = scope["type"] == "http" and scope["path"].startswith("/floor")
        await (self._floor if is_floor else self._app)(scope, receive, send)


def main() -> None:
    """Serve until the process is ended."""
    raise_file_limit()
    symbols, rate = symbols_of(int(sys.argv[1])), float(sys.argv[2])
    held_count = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    settings = load_settings(
        _env_file=None,
        symbols=symbols,
        host="127.0.0.1",
        port=0,
        simulator_rest="http://127.0.0.1:1",
        simulator_account_ws="ws://127.0.0.1:1",
        log_level="WARNING",
    )
    set_up_logging(settings.log_level, settings.secrets)
    context = create_context(settings)

    async def publish() -> None:
        if held_count:
            await feed_positions(context.hub, held_count, rate)
        await feed(context.hub, symbols, rate)

    gateway = build_app(context, publish, Library(factories=[desk, held]))
    pages = Floor(gateway, symbols)
    floor = Starlette(
        routes=[
            Route("/floor", pages.show),
            Route("/floor/script.js", pages.script),
            Route("/floor/stream", pages.stream),
        ]
    )
    listener = open_socket(settings.host, settings.port)
    port = listener.getsockname()[1]
    gateway.add_middleware(Split, floor=floor)
    Server(gateway, settings.server, on_ready=lambda: tell({"port": port})).run(sockets=[listener])


if __name__ == "__main__":
    main()
