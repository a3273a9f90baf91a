"""`GET /api/snapshot`: the newest records as one JSON document, for programs that poll.

A symbol that nobody follows yet is followed, and its first values are waited for; a poller that
comes back within the linger time finds them there.
"""

import asyncio
from functools import partial
from typing import get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.streams.demand import TooManySymbols
from gateway.streams.hub.hub import Hub
from gateway.streams.hub.subscription import Subscription
from gateway.streams.records import DataRecord, Status
from gateway.streams.symbols import event_types
from gateway.streams.topics import Topic, market_topic
from gateway.web.auth.authenticator import grant_of, viewer_of
from gateway.web.query import FILTERS, Query, bad_parameter, parse_query
from gateway.web.state import AppState

FIRST_VALUES_S = 2.0
"""For the first values of a symbol that nobody followed; a feed that knows it sends them soon."""

SOURCES = {
    "quote_update": ("Quote", "Trade", "Summary"),
    "trade_update": ("Trade",),
    "summary_update": ("Summary",),
    "greeks_update": ("Greeks",),
    "theo_update": ("TheoPrice",),
    "underlying_update": ("Underlying",),
    "candle_update": ("Candle",),
    "candle_history": ("Candle",),
    "metrics_update": (),
}
"""The dxFeed events that each kind of market record is made of; metrics come by REST, when held."""

_encoder = msgspec.json.Encoder(decimal_format="number")


def name_collection(kind: str) -> str:
    """Return the plural under which the document lists an event type: `quotes`, `summaries`."""
    noun = kind.removesuffix("_update")
    if noun.endswith("s"):
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


COLLECTIONS = {
    kind: name_collection(kind)
    for kind in (str(record.__struct_config__.tag) for record in get_args(DataRecord))
}
"""The name of the list of each event type, in the order of the document."""


def routes(state: AppState) -> list[BaseRoute]:
    """Return the route of the document."""
    return [Route("/api/snapshot", partial(_snapshot, state), methods=["GET"], name="snapshot")]


def list_expected(query: Query) -> list[Topic]:
    """Return the topics of what is asked for by name and can exist for that symbol."""
    return [
        market_topic(kind, symbol)
        for symbol in sorted(query.symbols or ())
        for kind in sorted(query.subscription.types)
        if not set(SOURCES.get(kind, ())).isdisjoint(event_types(symbol))
    ]


class _Bell:
    """A sink that only tells when something was published."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()

    def write(self, chunk: bytes) -> bool:
        self.rung.set()
        return True

    def close(self, reason: str) -> None:
        self.rung.set()


async def wait_for_first_values(
    hub: Hub, query: Query, timeout_s: float = FIRST_VALUES_S
) -> list[str]:
    """Wait until all that is asked for by name has a value; return the symbols without one.

    Who calls this has to hold the symbols meanwhile.
    """
    expected = list_expected(query)

    def find_missing() -> list[str]:
        return sorted({topic.subject for topic in expected if hub.latest(topic) is None})

    if not find_missing() or hub.closing is not None:
        return find_missing()
    bell = _Bell()
    subscriber = hub.subscribe(query.subscription, bell)
    try:
        async with asyncio.timeout(timeout_s):
            while find_missing() and hub.closing is None:
                bell.rung.clear()
                await bell.rung.wait()
    except TimeoutError:
        pass
    finally:
        subscriber.close()
    return find_missing()


async def _snapshot(state: AppState, request: Request) -> Response:
    query = parse_query(
        request.query_params.multi_items(),
        known=FILTERS,
        max_symbols=state.limits.max_symbols_per_stream,
        granted=grant_of(request),
        today=state.clock.now().date(),
    )
    missing: list[str] = []
    if query.symbols and request.method != "HEAD":
        try:
            with state.demand.acquire(query.symbols, viewer_of(request)):
                missing = await wait_for_first_values(state.hub, query)
        except TooManySymbols as error:
            raise bad_parameter(query.symbols_parameter, str(error)) from None
    return Response(
        encode_snapshot(state.hub, query.subscription, missing if query.symbols else None),
        headers={"Cache-Control": "no-store, no-transform"},
        media_type="application/json",
    )


def encode_snapshot(
    hub: Hub, subscription: Subscription, missing: list[str] | None = None
) -> bytes:
    """Return the document: epoch, id to resume from, statuses, the records by type, and `missing`.

    `missing` names the symbols that were asked for and have no value of a kind that they can have.
    """
    entries = hub.snapshot(subscription)
    document: dict[str, object] = {
        "epoch": hub.epoch,
        "last_event_id": hub.last_event_id,
        "statuses": [each.record for each in entries if isinstance(each.record, Status)],
    }
    collections: dict[str, list[DataRecord]] = {
        name: [] for kind, name in COLLECTIONS.items() if kind in subscription.types
    }
    document.update(collections)
    for entry in sorted(entries, key=lambda each: each.topic):
        if isinstance(entry.record, DataRecord):
            collections[COLLECTIONS[entry.topic.kind]].append(entry.record)
    if missing is not None:
        document["missing"] = missing
    return _encoder.encode(document)
