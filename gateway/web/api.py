"""`GET /events` and `GET /api/snapshot`: what a `curl -N` and a program see of the hub."""

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.streams.demand import TooManySymbols
from gateway.streams.hub.hub import Hub, opening
from gateway.streams.hub.position import Entry, count_data
from gateway.streams.hub.sink import Attach
from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.records import (
    DATA_TYPES,
    DEFAULT_TYPES,
    MARKET_TYPES,
    DataRecord,
    Gap,
    Hello,
    SnapshotEnd,
    Status,
)
from gateway.streams.sse import encode_frame
from gateway.streams.symbols import parse_symbol, split_symbols
from gateway.web.auth.authenticator import accounts_of
from gateway.web.problem import Problem
from gateway.web.sse.response import EventStream, has_room
from gateway.web.sse.retry import FULL_RETRY_MS, choose_retry_ms, encode_bye
from gateway.web.state import Context

Snapshot = Literal["true", "false", "only"]
SNAPSHOTS: dict[str, Snapshot] = {"true": "true", "false": "false", "only": "only"}

FILTERS = frozenset({"symbols", "symbol", "types", "accounts"})
STREAM_PARAMETERS = FILTERS | {"rate", "snapshot", "last_event_id"}

MAX_ACCOUNTS = 100
MIN_RATE, MAX_RATE = 0.01, 100.0

_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?\Z")

# Plural names by event type, for the one document of /api/snapshot.
COLLECTIONS = {
    "quote_update": "quotes",
    "trade_update": "trades",
    "summary_update": "summaries",
    "greeks_update": "greeks",
    "theo_update": "theos",
    "underlying_update": "underlyings",
    "balance_update": "balances",
}

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for, checked."""

    subscription: Subscription
    symbols: frozenset[str] | None
    symbols_parameter: str
    rate: float | None
    snapshot: Snapshot
    last_event_id: str | None


def routes(context: Context) -> list[BaseRoute]:
    """The routes of this module."""
    return [
        Route("/events", partial(_events, context), methods=["GET"], name="events"),
        Route("/api/snapshot", partial(_snapshot, context), methods=["GET"], name="snapshot"),
    ]


def parse_query(
    items: Iterable[tuple[str, str]],
    *,
    known: frozenset[str] = STREAM_PARAMETERS,
    max_symbols: int,
    last_event_id: str | None = None,
    granted: frozenset[str] | None,
) -> Query:
    """The checked query; `last_event_id` is the header's, which wins over the parameter.

    Of the accounts only those that are `granted` (None: all) are left, without a word: an account
    of somebody else is like one that does not exist.

    Raises:
        Problem: 400, naming the parameter.
    """
    given: dict[str, str] = {}
    single_symbols: list[str] = []
    for name, value in items:
        if name not in known:
            raise _bad(name, f"there is no such parameter; known are {', '.join(sorted(known))}")
        if name == "symbol":
            single_symbols.append(value)
        elif name in given:
            raise _bad(name, "it is given more than once")
        else:
            given[name] = value
    types = _parse_types(given["types"]) if "types" in given else DEFAULT_TYPES
    symbols, symbols_parameter = _parse_symbols(given.get("symbols"), single_symbols)
    if symbols is not None and len(symbols) > max_symbols:
        raise _bad(symbols_parameter, f"one stream follows at most {max_symbols} symbols")
    accounts = _parse_accounts(given["accounts"]) if "accounts" in given else None
    if granted is not None:
        accounts = granted if accounts is None else accounts & granted
    return Query(
        subscription=subscription_for(types=types, symbols=symbols, accounts=accounts),
        symbols=symbols if types & MARKET_TYPES else None,
        symbols_parameter=symbols_parameter,
        rate=_parse_rate(given["rate"]) if "rate" in given else None,
        snapshot=_parse_snapshot(given.get("snapshot", "true")),
        last_event_id=last_event_id or given.get("last_event_id") or None,
    )


def _bad(parameter: str, detail: str) -> Problem:
    shown = parameter if re.fullmatch(r"[a-z_]{1,32}", parameter) else "a parameter"
    return Problem(400, f"{shown}: {detail}", parameter=shown)


def _parse_types(text: str) -> frozenset[str]:
    types = frozenset(part.strip() for part in text.split(","))
    if not types <= DATA_TYPES:
        raise _bad("types", f"must be some of {', '.join(sorted(DATA_TYPES))}")
    return types


def _parse_symbols(listed: str | None, single: list[str]) -> tuple[frozenset[str] | None, str]:
    """The symbols of both parameters, None for neither, and the name to complain about."""
    symbols: set[str] = set()
    parameter = "symbols"
    try:
        if listed is not None:
            found = split_symbols(listed)
            if not found:
                raise ValueError("it names no symbol")
            symbols.update(found)
        if single:
            parameter = "symbol"
            symbols.update(map(parse_symbol, single))
    except ValueError as error:
        raise _bad(parameter, str(error)) from None
    return frozenset(symbols) or None, parameter


def _parse_accounts(text: str) -> frozenset[str]:
    accounts = frozenset(part.strip() for part in text.split(","))
    if not all(map(_ACCOUNT.match, accounts)):
        raise _bad("accounts", "must be account numbers, separated by commas")
    if len(accounts) > MAX_ACCOUNTS:
        raise _bad("accounts", f"one stream follows at most {MAX_ACCOUNTS} accounts")
    return accounts


def _parse_rate(text: str) -> float:
    rate = float(text) if _RATE.match(text) else 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise _bad("rate", f"must be updates a second, {MIN_RATE:g} to {MAX_RATE:g}")
    return rate


def _parse_snapshot(text: str) -> Snapshot:
    found = SNAPSHOTS.get(text)
    if found is None:
        raise _bad("snapshot", "must be true, false or only")
    return found


async def _events(context: Context, request: Request) -> Response:
    query = parse_query(
        request.query_params.multi_items(),
        max_symbols=context.settings.max_symbols_per_stream,
        last_event_id=request.headers.get("last-event-id"),
        granted=accounts_of(request),
    )
    hub = context.hub
    if hub.closing is not None:
        return _refuse(context, encode_bye(hub.closing))
    if not has_room(context, request.scope):
        context.streams_refused += 1
        return _refuse(context, encode_bye("full", FULL_RETRY_MS))
    acquired = ExitStack()
    if query.symbols and query.snapshot != "only" and request.method != "HEAD":
        try:
            acquired.enter_context(context.demand.acquire(query.symbols))
        except TooManySymbols as error:
            raise _bad(query.symbols_parameter, str(error)) from None
    return EventStream(context, partial(_begin, context, query), on_close=acquired.close)


def _refuse(context: Context, bye: bytes) -> Response:
    """Return a stream that says why it ends: after an error status EventSource never comes back."""
    statuses = b"".join(map(encode_frame, context.hub.statuses()))
    first = _encode_hello(context, "live") + statuses + bye
    return EventStream(context, lambda: (first, None), is_counted=False)


def _encode_hello(
    context: Context, mode: Literal["snapshot", "resume", "live"], retry_ms: int | None = None
) -> bytes:
    heartbeat_s = context.settings.heartbeat_s
    hello = Hello(epoch=context.hub.epoch, mode=mode, heartbeat_s=heartbeat_s)
    return encode_frame(hello, retry_ms=retry_ms)


def _begin(context: Context, query: Query) -> tuple[bytes, Attach | None]:
    """Return what a stream begins with, and how it joins the hub if it goes on."""
    hub, retry_ms = context.hub, choose_retry_ms()
    mode, entries, cursor = opening(hub, query.subscription, query.last_event_id)
    if query.snapshot == "false" and mode == "snapshot":
        frames = [_encode_hello(context, "live", retry_ms)]
        frames += [each.frame for each in entries if isinstance(each.record, Status)]
        if query.last_event_id is not None:
            frames.append(encode_frame(Gap(skipped=None, reason="resume")))
    else:
        frames = [_encode_hello(context, mode, retry_ms)]
        frames += [each.frame for each in entries]
        frames.append(encode_frame(SnapshotEnd(count=count_data(entries), mode=mode)))
    attach: Attach = lambda sink: hub.subscribe(  # noqa: E731 - of this cursor
        query.subscription, sink, after=cursor, rate=query.rate
    )
    return b"".join(frames), None if query.snapshot == "only" else attach


async def _snapshot(context: Context, request: Request) -> Response:
    query = parse_query(
        request.query_params.multi_items(),
        known=FILTERS,
        max_symbols=context.settings.max_symbols_per_stream,
        granted=accounts_of(request),
    )
    return Response(
        _encode_snapshot(context.hub, query.subscription),
        headers={"Cache-Control": "no-store, no-transform"},
        media_type="application/json",
    )


def _encode_snapshot(hub: Hub, subscription: Subscription) -> bytes:
    """One document: the epoch, the id to resume from, statuses, and the records by type."""
    entries: list[Entry] = hub.snapshot(subscription)
    document: dict[str, object] = {
        "epoch": hub.epoch,
        "last_event_id": hub.last_event_id,
        "statuses": [each.record for each in entries if isinstance(each.record, Status)],
    }
    collections: dict[str, list[DataRecord]] = {
        COLLECTIONS[kind]: [] for kind in COLLECTIONS if kind in subscription.types
    }
    document.update(collections)
    for entry in sorted(entries, key=lambda each: each.topic):
        if isinstance(entry.record, DataRecord):
            collections[COLLECTIONS[entry.topic.kind]].append(entry.record)
    return _encoder.encode(document)
