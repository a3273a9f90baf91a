"""`GET /events`: what a `curl -N` and a program see of the hub."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from functools import partial
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.streams.demand import TooManySymbols
from gateway.streams.hub.hub import opening
from gateway.streams.hub.position import count_data
from gateway.streams.records import Gap, Hello, SnapshotEnd, Status
from gateway.streams.sse import encode_frame, encode_retry
from gateway.web.auth.authenticator import accounts_of, viewer_of
from gateway.web.query import Query, bad_parameter, parse_query
from gateway.web.snapshot import wait_for_first_values
from gateway.web.sse.push import RAW_SEND, Attach, PushedStream
from gateway.web.sse.stream import (
    FULL_RETRY_MS,
    EventStream,
    choose_retry_ms,
    encode_bye,
    has_room,
)
from gateway.web.state import Context


def routes(context: Context) -> list[BaseRoute]:
    """The routes of this module."""
    return [
        Route("/events", partial(_events, context), methods=["GET"], name="events"),
    ]


async def _events(context: Context, request: Request) -> Response:
    query = parse_query(
        request.query_params.multi_items(),
        max_symbols=context.settings.max_symbols_per_stream,
        last_event_id=request.headers.get("last-event-id"),
        granted=accounts_of(request),
        today=context.clock.now().date(),
    )
    hub = context.hub
    if hub.closing is not None:
        return EventStream(context, _refuse(context, encode_bye(hub.closing)), counted=False)
    if not has_room(context, request.scope):
        context.streams_refused += 1
        bye = encode_bye("full", FULL_RETRY_MS)
        return EventStream(context, _refuse(context, bye), counted=False)
    held = ExitStack()
    if query.symbols and request.method != "HEAD":
        try:
            held.enter_context(context.demand.acquire(query.symbols, viewer_of(request)))
        except TooManySymbols as error:
            raise bad_parameter(query.symbols_parameter, str(error)) from None
    if RAW_SEND in request.scope and query.rate is None and query.snapshot != "only":
        return PushedStream(context, partial(_begin, context, query), on_close=held.close)
    return EventStream(context, _stream(context, query), on_close=held.close)


def _hello(context: Context, mode: Literal["snapshot", "resume", "live"]) -> bytes:
    heartbeat_s = context.settings.heartbeat_s
    return encode_frame(Hello(epoch=context.hub.epoch, mode=mode, heartbeat_s=heartbeat_s))


async def _refuse(context: Context, bye: bytes) -> AsyncGenerator[bytes, None]:
    """A stream that says why it ends: EventSource would never come back after an error status."""
    statuses = map(encode_frame, context.hub.statuses())
    yield b"".join([_hello(context, "live"), *statuses, bye])


def _open(context: Context, query: Query) -> tuple[bytes, int]:
    """Everything that a stream begins with, and the cursor behind it."""
    hub = context.hub
    mode, entries, cursor = opening(hub, query.subscription, query.last_event_id)
    frames = [encode_retry(choose_retry_ms())]
    if query.snapshot == "false" and mode == "snapshot":
        frames.append(_hello(context, "live"))
        frames += [each.frame for each in entries if isinstance(each.record, Status)]
        if query.last_event_id is not None:
            frames.append(encode_frame(Gap(skipped=None, reason="resume")))
    else:
        frames.append(_hello(context, mode))
        frames += [each.frame for each in entries]
        frames.append(encode_frame(SnapshotEnd(count=count_data(entries), mode=mode)))
    return b"".join(frames), cursor


def _begin(context: Context, query: Query) -> tuple[bytes, Attach]:
    """What a pushed stream begins with, and how it joins the hub."""
    beginning, cursor = _open(context, query)
    return beginning, partial(context.hub.push, query.subscription, after=cursor)


async def _stream(context: Context, query: Query) -> AsyncGenerator[bytes, None]:
    hub = context.hub
    if query.snapshot == "only":
        await wait_for_first_values(hub, query)
        yield _open(context, query)[0]
        return
    beginning, cursor = _open(context, query)
    subscriber = hub.subscribe(query.subscription, after=cursor, rate=query.rate)
    try:
        yield beginning
        while (chunk := await subscriber.read()) is not None:
            yield chunk
        yield encode_bye(hub.closing or "shutdown")
    finally:
        subscriber.close()
