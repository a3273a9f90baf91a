"""`/api/watchlists`: a viewer's own lists, by name."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.errors import StoreUnavailable
from gateway.store.kept import Watchlist
from gateway.store.store import Store
from gateway.streams.records import format_time
from gateway.web.auth.authenticator import auth_context_of
from gateway.web.auth.viewers import key_of
from gateway.web.own_list import explain
from gateway.web.problem import Problem
from gateway.web.state import AppState
from gateway.web.watchlist import check_symbol

if TYPE_CHECKING:
    # brings SQLAlchemy
    from gateway.store.rows import Transaction

T = TypeVar("T")

MAX_LISTS = 100
"""Of one viewer."""

MAX_NAME_LENGTH = 64
"""What the database's column takes."""

RETRY_S = 5

Endpoint = Callable[[AppState, Request], Awaitable[Response]]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends."""

    symbols: list[str]


class _List(msgspec.Struct):
    """What a client gets."""

    name: str
    symbols: tuple[str, ...]
    updated_at: str


class _Lists(msgspec.Struct):
    watchlists: list[_List]


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this module."""

    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        name = f"{method.lower()} {path}"
        return Route(path, partial(endpoint, state), methods=[method], name=name)

    return [
        route("/api/watchlists", _list, "GET"),
        route("/api/watchlists/{name}", _put, "PUT"),
        route("/api/watchlists/{name}", _delete, "DELETE"),
    ]


async def _list(state: AppState, request: Request) -> Response:
    store, owner = find_store(state, request)
    found = await try_store(store.read(lambda rows: rows.watchlists.read_all(owner)))
    return _respond(_Lists([_show(each) for each in found]))


async def _put(state: AppState, request: Request) -> Response:
    store, owner = find_store(state, request)
    name = _read_name(request)
    try:
        body = msgspec.json.decode(await request.body(), type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        words = 'send JSON such as {"symbols": ["SPY", "QQQ"]}'
        raise Problem(400, f"symbols: {words}", parameter="symbols") from None
    limit = state.limits.max_symbols_per_stream
    today = state.clock.now().date()
    try:
        symbols = tuple(dict.fromkeys(check_symbol(each, today) for each in body.symbols))
    except ValueError as error:
        raise Problem(400, f"symbols: {error}", parameter="symbols") from None
    if len(symbols) > limit:
        raise Problem(
            400, f"symbols: a list has at most {limit}, and these are more", parameter="symbols"
        )

    def write(rows: "Transaction") -> Watchlist:
        written = rows.watchlists.write(owner, name, symbols)
        if rows.watchlists.count(owner) > MAX_LISTS:
            raise Problem(400, f"name: there are {MAX_LISTS} lists; delete one", parameter="name")
        return written

    return _respond(_show(await try_store(store.write(write))))


async def _delete(state: AppState, request: Request) -> Response:
    store, owner = find_store(state, request)
    name = _read_name(request)
    if not await try_store(store.write(lambda rows: rows.watchlists.remove(owner, name))):
        raise Problem(404, "There is no such list.")
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def find_store(state: AppState, request: Request) -> tuple[Store, str]:
    """Return the store and whose rows they are.

    Raises:
        Problem: 503, without a store.
    """
    auth_context = auth_context_of(request.scope)
    if state.store is None or auth_context is None:
        raise Problem(503, "This gateway keeps nothing.")
    return state.store, key_of(auth_context.viewer)


async def try_store(call: Awaitable[T]) -> T:
    """Return what a call of the store returns.

    Raises:
        Problem: 503, when it cannot be done.
    """
    try:
        return await call
    except StoreUnavailable as error:
        raise Problem(503, explain(error), headers={"Retry-After": str(RETRY_S)}) from None


def _read_name(request: Request) -> str:
    name: str = request.path_params["name"].strip()
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        words = f"give 1 to {MAX_NAME_LENGTH} characters that can be printed"
        raise Problem(400, f"name: {words}", parameter="name")
    return name


def _show(found: Watchlist) -> _List:
    return _List(found.name, found.symbols, format_time(found.updated_ms))


def _respond(document: Any) -> Response:
    return Response(
        msgspec.json.encode(document),
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )
