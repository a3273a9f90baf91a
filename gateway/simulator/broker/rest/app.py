"""The REST interface: OAuth, customer, accounts, quote tokens; the rest is in `catalogue.py`.

Envelopes as Tastytrade sends them: `{data, context}`, lists as `{data: {items}}`, errors as
`{error: {code, message}}`, amounts as decimal strings. Orders are refused: nothing here trades.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.simulator.broker.customer import CUSTOMER, TRADING_STATUS
from gateway.simulator.broker.rest import catalogue
from gateway.simulator.broker.tokens import GrantRefused
from gateway.simulator.world import World

PUBLIC = ("/oauth/", "/margin-requirements-public-configuration")
T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):
    """An answer in the error envelope."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Rest:
    """The endpoints of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    # --- OAuth ---------------------------------------------------------------------------------

    async def token(self, request: Request) -> Response:
        """Exchange a grant, given as JSON or as a form, for an access token."""
        world = self._world
        world.journal.counts["refresh_requests"] += 1
        status = world.faults.take_oauth()
        if status:
            raise Refusal(status, "service_unavailable", "The service is unavailable")
        try:
            form = await _read_form(request)
            access = world.tokens.grant(form, world.now())
        except GrantRefused as refused:
            world.journal.counts["grants_refused"] += 1
            body = {"error_code": refused.code, "error_description": refused.text}
            return JSONResponse(body, 400)
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": round(world.tokens.told_s),
        }
        if form["grant_type"] == "authorization_code":
            answer["refresh_token"] = world.tokens.refresh
        world.journal.counts["tokens_issued"] += 1
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def authorize(self, request: Request) -> Response:
        """Send the browser back with a code, as if the user had agreed."""
        query = request.query_params
        target = query.get("redirect_uri", "")
        if query.get("response_type") != "code" or not target:
            raise Refusal(400, "invalid_request", "response_type=code and redirect_uri are needed")
        back = {"code": self._world.tokens.make_code(self._world.now())}
        if "state" in query:
            back["state"] = query["state"]
        return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{urlencode(back)}", 302)

    # --- customer and accounts -----------------------------------------------------------------

    async def customer(self, request: Request) -> Response:
        """Return the customer."""
        return _one(request, CUSTOMER)

    async def accounts(self, request: Request) -> Response:
        """Return all accounts with the authority level over each."""
        ledger = self._world.ledger
        return _many(
            request,
            [
                {"account": ledger.describe(number), "authority-level": "owner"}
                for number in ledger.accounts
            ],
        )

    async def account(self, request: Request) -> Response:
        """Return one account."""
        return _one(request, self._world.ledger.describe(self._number(request)))

    async def balances(self, request: Request) -> Response:
        """Return the balances, as a list of one without a currency in the path."""
        number = self._number(request)
        balance = self._world.ledger.balance(number)
        currency = request.path_params.get("currency")
        if currency is None:
            return _many(request, [balance])
        if currency != "USD":
            raise Refusal(404, "record_not_found", "No balance in that currency")
        return _one(request, balance)

    async def positions(self, request: Request) -> Response:
        """Return the positions that the query asks for."""
        query = request.query_params
        found = self._world.ledger.positions(
            self._number(request), with_marks=query.get("include-marks", "").lower() == "true"
        )
        underlyings = {*query.getlist("underlying-symbol[]"), *query.getlist("underlying-symbol")}
        if underlyings:
            found = [body for body in found if body["underlying-symbol"] in underlyings]
        for name in ("symbol", "instrument-type"):
            if name in query:
                found = [body for body in found if body[name] == query[name]]
        return _many(request, found)

    async def trading_status(self, request: Request) -> Response:
        """Return what the account may do."""
        number = self._number(request)
        updated = self._world.ledger.balance(number).get("updated-at", "2026-01-02T09:00:00Z")
        return _one(request, {"account-number": number, "updated-at": updated} | TRADING_STATUS)

    async def nothing(self, request: Request) -> Response:
        """Return an empty list: the account has no orders and no history."""
        self._number(request)
        return _many(request, [])

    async def quote_token(self, request: Request) -> Response:
        """Return a token for the feed and its address."""
        world = self._world
        world.journal.counts["quote_tokens_issued"] += 1
        return _one(
            request,
            {
                "token": world.tokens.make_quote_token(world.now()),
                "dxlink-url": world.faults.feed_address or world.dxlink_url,
                "level": "api",
            },
        )

    async def validate(self, request: Request) -> Response:
        """Say that the session is good; a bad one does not get here."""
        body = {"email": "sam@example.com", "username": "sam", "external-id": "U0000000001"}
        return _one(request, body, status=201)

    async def risk_free_rate(self, request: Request) -> Response:
        """Return the public margin configuration."""
        return _one(request, {"risk-free-rate": "0.04"})

    async def no_orders(self, request: Request) -> Response:
        """Refuse to trade."""
        raise Refusal(403, "not_permitted", "Orders are not accepted here")

    # --- market --------------------------------------------------------------------------------

    async def by_type(self, request: Request) -> Response:
        """Return market data for the symbols of the query, grouped there by type."""
        symbols = [
            symbol
            for key, value in request.query_params.multi_items()
            for symbol in value.split(",")
            if key.removesuffix("[]") in catalogue.TYPES
        ]
        if len(symbols) > 100:
            raise Refusal(400, "too_many_symbols", "At most 100 symbols")
        found = (catalogue.market_data(self._world.market, symbol) for symbol in symbols)
        return _many(request, [body for body in found if body is not None])

    async def market_data(self, request: Request) -> Response:
        """Return market data for one symbol."""
        return _one(request, _found(catalogue.market_data(self._world.market, _symbol(request))))

    async def metrics(self, request: Request) -> Response:
        """Return implied volatility, beta and the like."""
        symbols = request.query_params.get("symbols", "").split(",")
        found = (catalogue.metrics(self._world.market, symbol) for symbol in symbols)
        return _many(request, [body for body in found if body is not None])

    async def instruments(self, request: Request) -> Response:
        """Return the instruments of a kind, all or those asked for."""
        kind = request.path_params["kind"]
        query = request.query_params
        wanted = [*query.getlist("symbol[]"), *query.getlist("symbol")]
        market = self._world.market
        found = catalogue.list_instruments(market, kind, wanted or None)
        if found is None:
            raise Refusal(404, "not_found", "No such kind of instrument")
        return _many(request, found, paged=kind in ("equities", "futures"))

    async def instrument(self, request: Request) -> Response:
        """Return one instrument."""
        found = catalogue.list_instruments(
            self._world.market, request.path_params["kind"], [_symbol(request)]
        )
        return _one(request, _found(found[0] if found else None))

    async def chain(self, request: Request) -> Response:
        """Return all options on an underlying."""
        return _many(request, _found(catalogue.list_chain(self._world.market, _symbol(request))))

    async def nested_chain(self, request: Request) -> Response:
        """Return the chain by expiry and strike."""
        body = _found(catalogue.nest_chain(self._world.market, _symbol(request)))
        return _many(request, [body])

    def _number(self, request: Request) -> str:
        number = str(request.path_params["number"])
        if number not in self._world.ledger.accounts:
            raise Refusal(403, "not_permitted", "User not permitted access")
        return number


class Gate:
    """ASGI middleware: the faults that hit every REST call, and the check of the access token."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, stall or refuse one request."""
        world, path = self._world, scope["path"]
        world.journal.requests[path] += 1
        await world.answering.wait()
        response = None if path.startswith("/oauth/") else self._fail(path)
        if response is None and not path.startswith(PUBLIC):
            headers = dict(scope["headers"])
            token = headers.get(b"authorization", b"").decode("latin-1")
            if not world.tokens.is_access(token, world.now()):
                world.journal.unauthorized[path] += 1
                text = "This token is invalid or has expired"
                response = _error(401, "token_invalid", text)
        await (response or self._app)(scope, receive, send)

    def _fail(self, path: str) -> Response | None:
        status = self._world.faults.take_rest(path)
        if not status:
            return None
        self._world.journal.counts["rest_failed"] += 1
        return _error(status, "fault", f"Failing with {status} on demand")


def make_rest(world: World) -> ASGIApp:
    """Return the REST application of a world."""
    rest = Rest(world)
    gets: list[tuple[str, Handler]] = [
        ("/oauth/authorize", rest.authorize),
        ("/customers/me", rest.customer),
        ("/customers/me/accounts", rest.accounts),
        ("/customers/me/accounts/{number}", rest.account),
        ("/accounts/{number}/balances", rest.balances),
        ("/accounts/{number}/balances/{currency}", rest.balances),
        ("/accounts/{number}/positions", rest.positions),
        ("/accounts/{number}/trading-status", rest.trading_status),
        ("/accounts/{number}/orders/live", rest.nothing),
        ("/accounts/{number}/orders", rest.nothing),
        ("/accounts/{number}/complex-orders", rest.nothing),
        ("/accounts/{number}/complex-orders/live", rest.nothing),
        ("/accounts/{number}/transactions", rest.nothing),
        ("/api-quote-tokens", rest.quote_token),
        ("/market-data/by-type", rest.by_type),
        ("/market-data/{kind}/{symbol:path}", rest.market_data),
        ("/market-metrics", rest.metrics),
        ("/margin-requirements-public-configuration", rest.risk_free_rate),
        ("/instruments/{kind}", rest.instruments),
        ("/instruments/{kind}/{symbol:path}", rest.instrument),
        ("/option-chains/{symbol}/nested", rest.nested_chain),
        ("/option-chains/{symbol}", rest.chain),
    ]
    routes = [Route(path, handler, methods=["GET"]) for path, handler in gets]
    posts: list[tuple[str, Handler]] = [
        ("/oauth/token", rest.token),
        ("/sessions/validate", rest.validate),
        ("/accounts/{number}/{orders:path}", rest.no_orders),
    ]
    routes += [Route(path, handler, methods=["POST"]) for path, handler in posts]
    app = Starlette(
        routes=routes, exception_handlers={Refusal: _refuse, HTTPException: _not_served}
    )
    return Gate(app, world)


async def _read_form(request: Request) -> dict[str, str]:
    raw = await request.body()
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode(errors="replace")))
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise GrantRefused("invalid_request", "The body is neither JSON nor a form")
    return {str(name): value for name, value in body.items() if isinstance(value, str)}


def _symbol(request: Request) -> str:
    return str(request.path_params["symbol"])


def _found(body: T | None) -> T:
    if body is None:
        raise Refusal(404, "record_not_found", "Couldn't find the symbol")
    return body


def _one(request: Request, body: Any, status: int = 200) -> Response:
    return JSONResponse({"data": body, "context": request.url.path}, status)


def _many(request: Request, items: list[Any], *, paged: bool = False) -> Response:
    body: dict[str, Any] = {"data": {"items": items}, "context": request.url.path}
    if paged:
        count = len(items)
        body["pagination"] = {
            "per-page": 1000,
            "page-offset": 0,
            "item-offset": 0,
            "total-items": count,
            "total-pages": 1,
            "current-item-count": count,
            "previous-link": None,
            "next-link": None,
            "paging-link-template": None,
        }
    return JSONResponse(body)


def _error(status: int, code: str, text: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": text}}, status)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _error(error.status, error.code, str(error))


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, "not_found", "Nothing is served here")
