"""Liveness, readiness and the operators' status: `/healthz`, `/readyz`, `/status`.

An upstream outage never fails `/healthz`: a restart would not mend it. `/readyz` fails only when
there is nothing to serve, not when what there is has grown old: `status` events say that.
"""

from functools import partial
from importlib.metadata import version

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway import __version__
from gateway.streams.records import Status
from gateway.streams.reports import UpstreamReport
from gateway.streams.topics import MAIN_LOGIN, Grant, Owner, covers
from gateway.web.auth.authenticator import grant_of
from gateway.web.state import OPERATOR, AppState

PACKAGES = ("tastytrade", "starlette", "sse-starlette", "uvicorn", "msgspec", "websockets")

_encoder = msgspec.json.Encoder(decimal_format="number")


class StreamsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The streams of `/events` and of the pages."""

    open: int
    max: int
    opened: int
    evicted: int
    refused: int
    subscribers: int


class LoginsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The tries to come in that failed: see `LoginStats`."""

    wrong: int
    throttled: int
    foreign: int


class EventsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What went through the hub."""

    published: int
    conflated: int
    records: int
    history: int
    last_event_id: str
    last_age_s: float | None


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `/status`; no secrets, no balances.

    `store` says why nothing can be kept, null when nothing is known to be in the way.
    `drops` says in sentences what did not reach a viewer; `left_out` is its name until now.
    """

    version: str
    epoch: str
    uptime_s: float
    ready: bool
    statuses: dict[str, Status]
    drops: list[str]
    left_out: list[str]
    upstream: UpstreamReport
    streams: StreamsReport
    logins: LoginsReport
    symbols_wanted: int
    symbols_waiting: int
    events: EventsReport
    event_loop_lag_s: float
    store: str | None
    versions: dict[str, str]


def public_routes(state: AppState) -> list[BaseRoute]:
    """Return the routes that platforms ask without a token; they say yes or no, and why."""
    return [
        Route("/healthz", _healthz, methods=["GET"], name="healthz"),
        Route("/readyz", partial(_readyz, state), methods=["GET"], name="readyz"),
    ]


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes for operators."""
    versions = {"gateway": __version__} | {name: version(name) for name in PACKAGES}
    return [Route("/status", partial(_status, state, versions), methods=["GET"], name="status")]


def find_reasons(state: AppState) -> list[str]:
    """Return why there is nothing to serve; empty when the gateway is ready."""
    hub = state.hub
    if hub.closing is not None:
        return ["the gateway is shutting down"]
    if trouble := state.find_trouble():
        return [trouble]
    if hub.keys > len(hub.statuses()):
        return []
    shown = hub.statuses(OPERATOR)
    return [f"{each.upstream} is {each.state}" for each in shown] or ["nothing has arrived yet"]


def report_status(state: AppState, versions: dict[str, str], grant: Grant) -> StatusReport:
    """Return all that an operator asks first; of the statuses those that this viewer may see."""
    hub, upstream = state.hub, state.report()
    if not covers(grant, Owner(MAIN_LOGIN)):
        upstream = msgspec.structs.replace(upstream, desk=UNSET)  # how much somebody holds
    drops = describe_drops(state, upstream)
    return StatusReport(
        version=__version__,
        epoch=hub.epoch,
        uptime_s=round(state.uptime_s, 1),
        ready=not find_reasons(state),
        statuses={each.upstream: each for each in hub.statuses(grant)},
        drops=drops,
        left_out=drops,
        upstream=upstream,
        streams=StreamsReport(
            open=state.streams,
            max=state.limits.max_streams,
            opened=state.streams_opened,
            evicted=state.streams_evicted,
            refused=state.streams_refused,
            subscribers=hub.subscribers,
        ),
        logins=LoginsReport(
            wrong=state.logins.wrong,
            throttled=state.logins.throttled,
            foreign=state.logins.foreign,
        ),
        symbols_wanted=len(state.demand.wanted),
        symbols_waiting=len(state.demand.waiting),
        events=EventsReport(
            published=hub.published,
            conflated=hub.conflated,
            records=hub.keys,
            history=hub.history,
            last_event_id=hub.last_event_id,
            last_age_s=None if hub.age_s is None else round(hub.age_s, 3),
        ),
        event_loop_lag_s=round(state.loop_lag_s, 4),
        store=None if state.store is None else state.store.trouble,
        versions=versions,
    )


def describe_drops(state: AppState, upstream: UpstreamReport) -> list[str]:
    """Return sentences about everything that did not reach a viewer; empty when all did."""
    own = [
        (state.hub.conflated, "updates were left out for slow readers, who got the newest"),
        (state.streams_evicted, "streams were ended because nothing was read from them"),
        (state.streams_cut, "streams were cut off at a shutdown before their `bye` was sent"),
        (state.streams_refused, "streams were refused because there was no room"),
    ]
    said = [f"{count:,} {words}." for count, words in own if count]
    return said + (upstream.left_out.in_words if upstream.left_out else [])


def _respond(document: object, status: int = 200) -> Response:
    return Response(
        _encoder.encode(document),
        status,
        {"Cache-Control": "no-store"},
        media_type="application/json",
    )


async def _healthz(request: Request) -> Response:
    return _respond({"status": "ok"})


async def _readyz(state: AppState, request: Request) -> Response:
    reasons = find_reasons(state)
    if reasons:
        return _respond({"status": "unready", "reasons": reasons}, 503)
    return _respond({"status": "ready"})


async def _status(state: AppState, versions: dict[str, str], request: Request) -> Response:
    return _respond(report_status(state, versions, grant_of(request)))
