"""Orders and complex orders, live and past, of one account or of all of a customer."""

from collections.abc import Iterable
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.orders import ComplexOrder, Order
from gateway.simulator.broker.rest.answers import (
    Body,
    Endpoints,
    Refusal,
    Routes,
    many,
    one,
    page,
    read_day,
    read_list,
)
from gateway.simulator.market.calendar import local_day

START_NEEDED = "20261012"  # from this version on a search says from when


class Orders(Endpoints):
    """Orders, read only: nothing here trades."""

    def gets(self) -> Routes:
        """Return the routes that read."""
        base = "/accounts/{number}"
        return [
            ("/customers/{customer}/orders", self.search_all),
            ("/customers/{customer}/orders/live", self.live_of_all),
            (f"{base}/orders", self.search),
            (f"{base}/orders/live", self.live),
            (f"{base}/orders/{{identity:int}}", self.order),
            (f"{base}/complex-orders", self.complex_orders),
            (f"{base}/complex-orders/live", self.live_complex_orders),
            (f"{base}/complex-orders/{{identity:int}}", self.complex_order),
        ]

    async def search(self, request: Request) -> Response:
        """Return the orders that the query asks for, newest first."""
        return self._search(request, [self._account(request)])

    async def search_all(self, request: Request) -> Response:
        """Return the orders of several accounts."""
        return self._search(request, self._accounts(request))

    async def live(self, request: Request) -> Response:
        """Return all orders that are working, and those of today whatever became of them."""
        return self._live(request, [self._account(request)])

    async def live_of_all(self, request: Request) -> Response:
        """Return the live orders of several accounts."""
        return self._live(request, self._accounts(request))

    async def order(self, request: Request) -> Response:
        """Return one order."""
        order = self._account(request).orders.get(request.path_params["identity"])
        if order is None:
            raise Refusal(404, "record_not_found", "Couldn't find the order")
        return one(request, order.describe())

    async def complex_orders(self, request: Request) -> Response:
        """Return all complex orders, newest first."""
        return page(request, _describe(self._complex(request)), usual=10, most=200)

    async def live_complex_orders(self, request: Request) -> Response:
        """Return the complex orders that are not over."""
        return many(request, _describe(o for o in self._complex(request) if not o.is_over))

    async def complex_order(self, request: Request) -> Response:
        """Return one complex order."""
        order = self._account(request).complex_orders.get(request.path_params["identity"])
        if order is None:
            raise Refusal(404, "record_not_found", "Couldn't find the order")
        return one(request, order.describe())

    def _complex(self, request: Request) -> list[ComplexOrder]:
        return list(self._account(request).complex_orders.values())[::-1]

    def _accounts(self, request: Request) -> list[Account]:
        login = self._login(request)
        if request.path_params["customer"] not in ("me", login.customer.external_id):
            raise Refusal(403, "not_permitted", "User not permitted access")
        accounts = login.ledger.accounts
        numbers = read_list(request, "account-numbers")
        if any(number not in accounts for number in numbers):
            raise Refusal(403, "not_permitted", "User not permitted access")
        return [accounts[number] for number in numbers or accounts]

    def _search(self, request: Request, accounts: Iterable[Account]) -> Response:
        first = read_day(request, "start-date", "start-at")
        if first is None and request.headers.get("accept-version", "") >= START_NEEDED:
            raise Refusal(400, "validation_error", "start-date is needed")
        last = read_day(request, "end-date", "end-at")
        orders = [
            order
            for order in _newest_first(accounts)
            if (first is None or _day(order) >= first) and (last is None or _day(order) <= last)
        ]
        if request.query_params.get("sort") == "Asc":
            orders.reverse()
        return page(request, _describe(_filter(request, orders)), usual=10, most=200)

    def _live(self, request: Request, accounts: Iterable[Account]) -> Response:
        today = self._today()
        orders = [
            order
            for order in _newest_first(accounts)
            if not order.is_over or local_day(order.updated_at) == today
        ]
        return page(request, _describe(_filter(request, orders)), usual=100, most=200)


def _newest_first(accounts: Iterable[Account]) -> list[Order]:
    found = (order for account in accounts for order in account.orders.values())
    return sorted(found, key=lambda order: order.id, reverse=True)


def _filter(request: Request, orders: Iterable[Order]) -> list[Order]:
    query = request.query_params
    statuses = set(read_list(request, "status"))
    kept = [order for order in orders if not statuses or order.status in statuses]
    if "underlying-symbol" in query:
        kept = [order for order in kept if order.underlying == query["underlying-symbol"]]
    if "underlying-instrument-type" in query:
        kind = query["underlying-instrument-type"]
        kept = [order for order in kept if order.underlying_kind == kind]
    return kept


def _day(order: Order) -> date:
    return local_day(order.stamps.get("received-at", order.updated_at))


def _describe(orders: Iterable[Order | ComplexOrder]) -> list[Body]:
    return [order.describe() for order in orders]
