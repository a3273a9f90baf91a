"""Liveness, readiness and the operators' status: `/healthz`, `/readyz`, `/status`.

An upstream outage never fails `/healthz`: a restart would not mend it. `/readyz` fails only when
there is nothing to serve, not when what there is has grown old: viewers are told that by `status`.
"""

import time
from functools import partial
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway import __version__
from gateway.web.state import Context

PACKAGES = ("tastytrade", "starlette", "sse-starlette", "uvicorn", "msgspec", "websockets")

_encoder = msgspec.json.Encoder(decimal_format="number")


def public_routes(context: Context) -> list[BaseRoute]:
    """The routes that platforms ask without a token; they tell nothing but yes or no and why."""
    return [
        Route("/healthz", _healthz, methods=["GET"], name="healthz"),
        Route("/readyz", partial(_readyz, context), methods=["GET"], name="readyz"),
    ]


def routes(context: Context) -> list[BaseRoute]:
    """The routes for operators."""
    versions = {"gateway": __version__} | {name: version(name) for name in PACKAGES}
    return [Route("/status", partial(_status, context, versions), methods=["GET"], name="status")]


def find_reasons(context: Context) -> list[str]:
    """Why there is nothing to serve; empty when the gateway is ready."""
    hub = context.hub
    if hub.closing is not None:
        return ["the gateway is shutting down"]
    if trouble := context.find_trouble():
        return [trouble]
    statuses = hub.statuses()
    if hub.keys > len(statuses):
        return []
    return [f"{each.upstream} is {each.state}" for each in statuses] or ["nothing has arrived yet"]


def report_status(context: Context, versions: dict[str, str]) -> dict[str, Any]:
    """All that an operator asks first; no secrets, no balances."""
    hub, upstream = context.hub, context.report()
    return {
        "version": __version__,
        "epoch": hub.epoch,
        "uptime_s": round(time.monotonic() - context.started_s, 1),
        "ready": not find_reasons(context),
        "statuses": {each.upstream: each for each in hub.statuses()},
        "left_out": describe_left_out(context, upstream),
        "upstream": upstream,
        "streams": {
            "open": context.streams,
            "max": context.settings.max_streams,
            "opened": context.streams_opened,
            "evicted": context.streams_evicted,
            "refused": context.streams_refused,
            "subscribers": hub.subscribers,
        },
        "symbols_wanted": len(context.demand.wanted),
        "events": {
            "published": hub.published,
            "conflated": hub.conflated,
            "records": hub.keys,
            "history": hub.history,
            "last_event_id": hub.last_event_id,
            "last_age_s": None if hub.age_s is None else round(hub.age_s, 3),
        },
        "event_loop_lag_s": round(context.loop_lag_s, 4),
        "versions": versions,
    }


def describe_left_out(context: Context, upstream: dict[str, Any]) -> list[str]:
    """Sentences about everything that did not reach a viewer; empty when all did."""
    hub = context.hub
    own = [
        (
            hub.conflated,
            "updates were left out for slow readers, who got the newest",
        ),
        (context.streams_evicted, "streams were ended because nothing was read from them"),
        (context.streams_refused, "streams were refused because there was no room"),
    ]
    said = [f"{count:,} {words}." for count, words in own if count]
    return said + list(upstream.get("left_out", {}).get("in_words", ()))


def _respond(document: object, status: int = 200) -> Response:
    return Response(
        _encoder.encode(document),
        status,
        {"Cache-Control": "no-store"},
        media_type="application/json",
    )


async def _healthz(request: Request) -> Response:
    return _respond({"status": "ok"})


async def _readyz(context: Context, request: Request) -> Response:
    reasons = find_reasons(context)
    if reasons:
        return _respond({"status": "unready", "reasons": reasons}, 503)
    return _respond({"status": "ready"})


async def _status(context: Context, versions: dict[str, str], request: Request) -> Response:
    return _respond(report_status(context, versions))
