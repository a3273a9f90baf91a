"""`/api/positions`, `/api/orders`, `/api/portfolio` and what only the broker can tell.

The first three are the newest records of the hub, the same as on the streams. The others ask the
broker, in the turn of whoever's login it is.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, get_args

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.streams.account_records import OrderUpdate, PortfolioUpdate, PositionUpdate
from gateway.streams.documents import Back, BrokerUnavailable, Documents, NotListed, OptionQuote
from gateway.streams.hub.subscription import subscription_for
from gateway.streams.topics import Owner, TopicPattern, narrow_grant
from gateway.web.auth.authenticator import grant_of
from gateway.web.problem import Problem
from gateway.web.query import bad_parameter, refuse_unknown
from gateway.web.state import AppState

CSV = "text/csv"
HEADERS = {"Cache-Control": "no-store, no-transform"}
RETRY_S = "5"
DEFAULT_STRIKES, MAX_STRIKES = 16, 200

TOTALS = ("net_liq", "cash", "value", "pnl_open", "pnl_day", "delta", "theta", "beta_delta")
"""What can be summed over accounts; None when it is not known of one of them."""

_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_UNDERLYING = re.compile(r"/?[A-Z0-9][A-Z0-9./$^]{0,15}\Z")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_encoder = msgspec.json.Encoder(decimal_format="number")


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of the desk's documents."""

    def make(path: str, endpoint: Any, name: str) -> Route:
        return Route(path, partial(endpoint, state), methods=["GET"], name=name)

    return [
        make("/api/positions", _positions, "positions"),
        make("/api/positions.csv", _positions, "positions_csv"),
        make("/api/orders", _orders, "orders"),
        make("/api/orders.csv", _orders, "orders_csv"),
        make("/api/portfolio", _portfolio, "portfolio"),
        make("/api/portfolio.csv", _portfolio, "portfolio_csv"),
        make("/api/chain/{underlying:path}", _chain, "chain"),
        make("/api/net-liq/{account}", _net_liq, "net_liq"),
        make("/api/search", _search, "search"),
    ]


# --- Of the hub ----------------------------------------------------------------------------------


async def _positions(state: AppState, request: Request) -> Response:
    query = _read_query(request, {"account"})
    records = _list_records(state, request, query, PositionUpdate, "position_update")
    return _answer(state, request, "positions", records)


async def _orders(state: AppState, request: Request) -> Response:
    query = _read_query(request, {"account", "working"})
    working = _read_flag(query, "working")
    records = [
        each
        for each in _list_records(state, request, query, OrderUpdate, "order_update")
        if working is None or each.is_working is working
    ]
    records.sort(key=lambda each: (not each.is_working, each.received_at or ""))
    return _answer(state, request, "orders", records)


async def _portfolio(state: AppState, request: Request) -> Response:
    query = _read_query(request, {"account"})
    records = _list_records(state, request, query, PortfolioUpdate, "portfolio_update")
    total = {name: _sum(getattr(each, name) for each in records) for name in TOTALS}
    total["day_change"] = _sum(each.day_change for each in records)
    counts = {
        name: sum(getattr(e, name) for e in records)
        for name in ("unknown", "missing_basis", "missing_greeks")
    }
    stale = any(each.stale for each in records)
    return _answer(state, request, "portfolios", records, total=total | counts | {"stale": stale})


def _list_records(
    state: AppState, request: Request, query: QueryParams, kind: Any, name: str
) -> list[Any]:
    """Return the newest records of a kind that this viewer may see, by account and symbol."""
    granted, accounts = grant_of(request), query.getlist("account")
    if not all(map(_ACCOUNT.match, accounts)):
        raise bad_parameter("account", "must be an account number")
    if accounts:
        granted = narrow_grant(granted, frozenset(accounts))
    subscription = subscription_for(types=frozenset({name}), owners=granted)
    entries = sorted(state.hub.snapshot(subscription), key=lambda each: each.topic)
    return [each.record for each in entries if isinstance(each.record, kind)]


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    found = list(values)
    known = [each for each in found if each is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(found) else None


# --- Of the broker -------------------------------------------------------------------------------


async def _chain(state: AppState, request: Request) -> Response:
    query = _read_query(request, {"expiration", "root", "strikes"})
    underlying = str(request.path_params["underlying"]).upper()
    if not _UNDERLYING.match(underlying):
        raise Problem(404, "There is no underlying of this name.")
    strikes = _read_strikes(query)
    try:
        chain = await _documents(state).chain(
            underlying, _read_day(query, "expiration"), query.get("root"), strikes=strikes
        )
    except (NotListed, BrokerUnavailable) as error:
        raise _refuse(error) from error
    if _wants_csv(request):
        return _encode_csv(
            [
                _flatten_row(each)
                for each in msgspec.to_builtins(chain.rows, builtin_types=(Decimal, date))
            ]
        )
    return _encode(chain)


async def _net_liq(state: AppState, request: Request) -> Response:
    query = _read_query(request, {"back"})
    back = query.get("back", "1d")
    if back not in get_args(Back):
        raise bad_parameter("back", f"must be one of {', '.join(get_args(Back))}")
    account = str(request.path_params["account"])
    owner = _find_owner(state, request, account)
    try:
        history = await _documents(state).net_liq(owner, back)  # type: ignore[arg-type]
    except (NotListed, BrokerUnavailable) as error:
        raise _refuse(error) from error
    if _wants_csv(request):
        return _encode_csv(msgspec.to_builtins(history.points, builtin_types=(Decimal,)))
    return _encode(history)


async def _search(state: AppState, request: Request) -> Response:
    text = _read_query(request, {"q"}).get("q", "").strip().upper()
    if not 1 <= len(text) <= 32 or not text.isprintable():
        raise bad_parameter("q", "must be 1 to 32 characters of a symbol or a name")
    try:
        results = await _documents(state).search(text)
    except NotListed:
        results = ()
    except BrokerUnavailable as error:
        raise _refuse(error) from error
    if _wants_csv(request):
        return _encode_csv(msgspec.to_builtins(results))
    return _encode({"results": results})


def _find_owner(state: AppState, request: Request, account: str) -> Owner:
    """Return whose account this is; one that is not granted is like one that does not exist."""
    pattern = TopicPattern("balance_update", frozenset({account}))
    topics = state.hub.find_topics(pattern, grant_of(request))
    if not topics:
        raise Problem(404, "There is no account of this number.")
    return topics[0].owner


def _documents(state: AppState) -> Documents:
    if state.documents is None:
        raise Problem(503, "Nobody here can ask Tastytrade: this gateway has no login.")
    return state.documents


def _refuse(error: NotListed | BrokerUnavailable) -> Problem:
    if isinstance(error, NotListed):
        return Problem(404, f"{error}.")
    return Problem(503, f"{error}.", headers={"Retry-After": RETRY_S})


# --- Queries -------------------------------------------------------------------------------------


def _read_query(request: Request, known: set[str]) -> QueryParams:
    refuse_unknown(request.query_params, frozenset(known))
    return request.query_params


def _read_flag(query: QueryParams, name: str) -> bool | None:
    value = query.get(name)
    if value not in (None, "true", "false"):
        raise bad_parameter(name, "must be true or false")
    return None if value is None else value == "true"


def _read_day(query: QueryParams, name: str) -> date | None:
    value = query.get(name)
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise bad_parameter(name, "must be a date such as 2026-12-18") from None


def _read_strikes(query: QueryParams) -> int:
    value = query.get("strikes", str(DEFAULT_STRIKES))
    count = int(value) if value.isascii() and value.isdigit() and len(value) <= 4 else 0
    if not 1 <= count <= MAX_STRIKES:
        raise bad_parameter("strikes", f"must be 1 to {MAX_STRIKES}")
    return count


# --- Answers -------------------------------------------------------------------------------------


def _answer(
    state: AppState, request: Request, name: str, records: Sequence[Any], **more: Any
) -> Response:
    """Return records as JSON, with the id to follow them from, or as CSV."""
    if _wants_csv(request):
        rows = [msgspec.to_builtins(each, builtin_types=(Decimal,)) for each in records]
        return _encode_csv(rows)
    position = {"epoch": state.hub.epoch, "last_event_id": state.hub.last_event_id}
    return _encode(position | {name: records} | more)


def _wants_csv(request: Request) -> bool:
    if request.url.path.endswith(".csv"):
        return True
    accepted = [part.split(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    return CSV in accepted and "application/json" not in accepted


def _encode(document: Any) -> Response:
    return Response(_encoder.encode(document), headers=HEADERS, media_type="application/json")


def _encode_csv(rows: Sequence[dict[str, Any]]) -> Response:
    """Return rows as CSV (RFC 4180), a column for each field, nothing for what is not known."""
    text = io.StringIO()
    if rows:
        writer = csv.writer(text)
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow(map(_write_cell, row.values()))
    return Response(text.getvalue(), headers=HEADERS, media_type=CSV)


def _write_cell(value: Any) -> str:
    """Return a cell; a text that a spreadsheet would take for a formula is quoted for it."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple | dict):
        return _encoder.encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    shown = str(value)
    return f"'{shown}" if isinstance(value, str) and shown.startswith(_FORMULA) else shown


def _flatten_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a strike with the fields of its call and its put side by side."""
    flat: dict[str, Any] = {"strike": row["strike"]}
    for side in ("call", "put"):
        known = row[side] or {}
        flat |= {f"{side}_{name}": known.get(name) for name in OptionQuote.__struct_fields__}
    return flat
