"""`/api/alerts`: a viewer's own alerts, each with its state and what it has fired."""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.alerts.figures import ACCOUNT_KINDS, read_figure, topic_of
from gateway.alerts.rule import Rule, RuleError, parse_rule
from gateway.alerts.states import State
from gateway.store.kept import KeptAlert
from gateway.streams.records import MARKET_TYPES, format_time
from gateway.streams.symbols import parse_symbol
from gateway.streams.topics import Owner, Topic, balance_topic, market_topic
from gateway.web.auth.authenticator import auth_context_of
from gateway.web.auth.viewers import OWNER
from gateway.web.problem import Problem
from gateway.web.state import AppState
from gateway.web.watchlists import find_store, try_store

if TYPE_CHECKING:
    # brings SQLAlchemy
    from gateway.store.rows import Transaction

MAX_ALERTS = 500
"""Of one viewer."""

Endpoint = Callable[[AppState, Request], Awaitable[Response]]

_encoder = msgspec.json.Encoder(decimal_format="number")


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this module."""

    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        name = f"{method.lower()} {path}"
        return Route(path, partial(endpoint, state), methods=[method], name=name)

    return [
        route("/api/alerts", _list, "GET"),
        route("/api/alerts", _add, "POST"),
        route("/api/alerts/{id}", _delete, "DELETE"),
    ]


async def _list(state: AppState, request: Request) -> Response:
    store, owner = find_store(state, request)
    found = await try_store(store.read(lambda rows: rows.alerts.read_all(owner)))
    return _respond({"alerts": [_show(state, each) for each in found]})


async def _add(state: AppState, request: Request) -> Response:
    store, owner = find_store(state, request)
    try:
        rule = parse_rule(await request.body())
        rule = _check(state, request, rule)
    except RuleError as error:
        raise Problem(400, str(error), parameter=error.parameter) from None
    id = secrets.token_hex(8)
    written = msgspec.json.encode(rule).decode()

    def write(rows: "Transaction") -> KeptAlert:
        if rows.alerts.count(owner) >= MAX_ALERTS:
            raise Problem(400, f"rule: there are {MAX_ALERTS} alerts; delete one", parameter="rule")
        return rows.alerts.add(id, owner, written, msgspec.json.encode(State()).decode())

    kept = await try_store(store.write(write))
    state.wake_alerts()
    return _respond(_show(state, kept), 201)


async def _delete(state: AppState, request: Request) -> Response:
    store, owner = find_store(state, request)
    id = str(request.path_params["id"])
    if not await try_store(store.write(lambda rows: rows.alerts.remove(owner, id))):
        raise Problem(404, "There is no such alert.")
    state.wake_alerts()
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _check(state: AppState, request: Request, rule: Rule) -> Rule:
    """Return the rule with its symbol as the gateway writes it.

    Raises:
        RuleError: when this viewer cannot have such an alert.
    """
    when = rule.when
    if set(rule.channels) != {"page"}:
        raise RuleError("channels", "there is only page")
    if rule.is_over(state.clock.now_ms()):
        raise RuleError("expires_at", "must be in the future")
    if when.kind in MARKET_TYPES:
        try:
            symbol = parse_symbol(when.subject, state.clock.now().date())
        except ValueError as error:
            raise RuleError("when.key", str(error)) from None
        key = f"{when.kind}:{symbol}"
        return msgspec.structs.replace(rule, when=msgspec.structs.replace(when, key=key))
    if when.kind not in ACCOUNT_KINDS:
        raise RuleError("when.key", f"nothing watches a {when.kind} yet")
    auth_context = auth_context_of(request.scope)
    if auth_context is None or auth_context.viewer != OWNER:
        # What a viewer may see can be another thing tomorrow, and nobody would ask then.
        raise RuleError("when.key", "only the owner can watch the figures of an account")
    if state.hub.latest(balance_topic(when.subject)) is None:
        raise RuleError("when.key", "there is no account of this number")
    return rule


def _show(state: AppState, kept: KeptAlert) -> dict[str, Any]:
    """Return an alert as a client gets it; what the stream says of it is the newest."""
    newest = state.hub.latest(Topic("alert", Owner(viewer=kept.owner), kept.id))
    rule = msgspec.json.decode(kept.rule, type=Rule)
    quote = state.hub.latest(market_topic("quote_update", rule.when.subject))
    record = state.hub.latest(topic_of(rule.when))
    return {
        "id": kept.id,
        "rule": rule,
        "now": read_figure(record, rule.when.field, quote),
        "created_at": format_time(kept.created_ms),
        "alert": newest,
        "history": [msgspec.Raw(each.encode()) for each in kept.firings],
    }


def _respond(document: Any, status: int = 200) -> Response:
    return Response(
        _encoder.encode(document),
        status,
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )
