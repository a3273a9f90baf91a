"""`GET /events`: what a `curl -N` and a program see of the hub."""

from contextlib import ExitStack
from functools import partial
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.streams.demand import TooManySymbols
from gateway.streams.hub.hub import opening
from gateway.streams.hub.position import count_data
from gateway.streams.hub.sink import Attach, Sink, Source
from gateway.streams.records import Gap, Hello, SnapshotEnd, Status
from gateway.streams.sse import encode_frame
from gateway.streams.topics import Grant
from gateway.web.auth.authenticator import grant_of, viewer_of
from gateway.web.query import Query, bad_parameter, parse_query
from gateway.web.snapshot import wait_for_first_values
from gateway.web.sse.response import EventStream, has_room
from gateway.web.sse.retry import FULL_RETRY_MS, choose_retry_ms, encode_bye
from gateway.web.state import AppState
from gateway.web.unknown_symbols import tell_unknown


def routes(context: AppState) -> list[BaseRoute]:
    """The routes of this module."""
    return [
        Route("/events", partial(_events, context), methods=["GET"], name="events"),
    ]


async def _events(context: AppState, request: Request) -> Response:
    query = parse_query(
        request.query_params.multi_items(),
        max_symbols=context.limits.max_symbols_per_stream,
        last_event_id=request.headers.get("last-event-id"),
        granted=grant_of(request),
        today=context.clock.now().date(),
    )
    hub = context.hub
    if hub.closing is not None:
        return _refuse(context, grant_of(request), encode_bye(hub.closing))
    if not has_room(context, request.scope):
        context.streams_refused += 1
        return _refuse(context, grant_of(request), encode_bye("full", FULL_RETRY_MS))
    with ExitStack() as acquired:
        if query.symbols and request.method != "HEAD":
            try:
                acquired.enter_context(context.demand.acquire(query.symbols, viewer_of(request)))
            except TooManySymbols as error:
                raise bad_parameter(query.symbols_parameter, str(error)) from None
            if query.snapshot == "only":
                await wait_for_first_values(hub, query)
        held = acquired.pop_all()
    return EventStream(context, partial(_begin, context, query), on_close=held.close)


def _refuse(context: AppState, grant: Grant, bye: bytes) -> Response:
    """Return a stream that says why it ends: after an error status EventSource never comes back."""
    statuses = b"".join(map(encode_frame, context.hub.statuses(grant)))
    first = _encode_hello(context, "live") + statuses + bye
    return EventStream(context, lambda: (first, None), is_counted=False)


def _encode_hello(
    context: AppState, mode: Literal["snapshot", "resume", "live"], retry_ms: int | None = None
) -> bytes:
    heartbeat_s = context.limits.heartbeat_s
    hello = Hello(epoch=context.hub.epoch, mode=mode, heartbeat_s=heartbeat_s)
    return encode_frame(hello, retry_ms=retry_ms)


def _begin(context: AppState, query: Query) -> tuple[bytes, Attach | None]:
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

    def attach(sink: Sink) -> Source:
        subscriber = hub.subscribe(query.subscription, sink, after=cursor, rate=query.rate)
        if query.symbols:
            tell_unknown(context, query.symbols, subscriber)
        return subscriber

    return b"".join(frames), None if query.snapshot == "only" else attach
