"""The usual way to serve events with sse-starlette: a queue and a JSON dump for every client.

A reference to measure against, as its documentation and most tutorials show it; not a bad server,
only one that does all its work once per client. Started as `python -m bench.naive_server SYMBOLS`.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.process import raise_file_limit
from bench.publish import follow_orders, read_symbols, tell
from bench.records import Tape
from gateway.server.server import open_socket


def create_app(tape: Tape) -> Starlette:
    """One route, `/events?symbols=`, and a publisher that puts each record into each queue."""
    queues: dict[asyncio.Queue[dict[str, Any]], frozenset[str]] = {}

    def publish(seq: int, at_ns: int) -> None:
        quote = tape.quote(seq, at_ns)
        record: dict[str, Any] = {"type": "quote_update"}
        for name, value in msgspec.to_builtins(quote, builtin_types=(Decimal,)).items():
            record[name] = float(value) if isinstance(value, Decimal) else value
        for queue, symbols in queues.items():
            if not symbols or quote.symbol in symbols:
                queue.put_nowait(record)

    async def stream(symbols: frozenset[str]) -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        queues[queue] = symbols
        try:
            while True:
                record = await queue.get()
                yield {
                    "event": "quote_update",
                    "id": record["updated_at"][14:],
                    "data": json.dumps(record),
                }
        finally:
            del queues[queue]

    async def events(request: Request) -> Response:
        wanted = request.query_params.get("symbols", "")
        return EventSourceResponse(stream(frozenset(wanted.split(",") if wanted else ())))

    async def feed() -> None:
        await follow_orders(publish)
        signal.raise_signal(signal.SIGTERM)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(feed(), name="feed")
        yield
        task.cancel()

    return Starlette(routes=[Route("/events", events)], lifespan=lifespan)


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        tell({"port": sockets[0].getsockname()[1]})


def main() -> None:
    """Serve until the standard input ends."""
    raise_file_limit()
    config = uvicorn.Config(
        create_app(read_symbols(sys.argv)),
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
        backlog=4096,
    )
    _Server(config).run(sockets=[open_socket("127.0.0.1", 0)])


if __name__ == "__main__":
    main()
