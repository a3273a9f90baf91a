"""Instruments, chains, market data, metrics, hours, search and watchlists."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response

from gateway.simulator.broker import watchlists
from gateway.simulator.broker.catalogue import chains, metrics, products, quotes, sessions
from gateway.simulator.broker.catalogue.instruments import (
    PRECISIONS,
    WARRANTS,
    list_future_options,
    list_instruments,
)
from gateway.simulator.broker.catalogue.searching import search
from gateway.simulator.broker.rest.answers import (
    Body,
    Endpoints,
    Refusal,
    Routes,
    found,
    many,
    one,
    page,
    read_day,
    read_flag,
    read_list,
    read_number,
    symbol_of,
)
from gateway.simulator.market.calendar import (
    COLLECTIONS,
    current_session,
    next_session,
    previous_session,
)

MOST_SYMBOLS = 100  # of one request for market data


class MarketData(Endpoints):
    """What is listed and what it costs; the same for every customer but for watchlists."""

    def gets(self) -> Routes:
        """Return the routes; those with a path for a symbol stand behind what would hide in it."""
        return [
            ("/market-data/by-type", self.by_type),
            ("/market-data/{kind}/{symbol:path}", self.market_data),
            ("/market-metrics", self.metrics),
            ("/market-metrics/historic-corporate-events/dividends/{symbol:path}", self.dividends),
            (
                "/market-metrics/historic-corporate-events/earnings-reports/{symbol:path}",
                self.earnings,
            ),
            ("/instruments/equities/active", self.active_equities),
            ("/instruments/future-products", self.future_products),
            ("/instruments/future-products/{exchange}/{code}", self.future_product),
            ("/instruments/future-option-products", self.future_option_products),
            ("/instruments/future-option-products/{exchange}/{root}", self.future_option_product),
            ("/instruments/future-option-products/{root}", self.future_option_product),
            ("/instruments/quantity-decimal-precisions", self.precisions),
            ("/instruments/warrants", self.warrants),
            ("/instruments/warrants/{symbol}", self.warrant),
            ("/instruments/currency-pairs", self.nothing),
            ("/instruments/search", self.search_instruments),
            ("/instruments/{kind}", self.instruments),
            ("/instruments/{kind}/{symbol:path}", self.instrument),
            ("/option-chains/{symbol:path}/nested", self.nested_chain),
            ("/option-chains/{symbol:path}/compact", self.compact_chain),
            ("/option-chains/{symbol:path}", self.chain),
            ("/futures-option-chains/{symbol:path}/nested", self.nested_future_chain),
            ("/futures-option-chains/{symbol:path}", self.future_chain),
            ("/symbols/search/{symbol:path}", self.search),
            ("/market-time/sessions/current", self.current_sessions),
            ("/market-time/sessions", self.session_range),
            ("/market-time/equities/sessions/{which}", self.session),
            ("/market-time/futures/sessions/{which}/{collection}", self.session),
            ("/market-time/equities/holidays", self.holidays),
            ("/market-time/futures/holidays/{collection}", self.holidays),
            ("/watchlists", self.own_lists),
            ("/watchlists/{name:path}", self.own_list),
            ("/public-watchlists", self.public_lists),
            ("/public-watchlists/{name:path}", self.public_list),
            ("/pairs-watchlists", self.pairs_lists),
            ("/pairs-watchlists/{name:path}", self.pairs_list),
        ]

    # --- market data ---------------------------------------------------------------------------

    async def by_type(self, request: Request) -> Response:
        """Return market data for the symbols of the query, grouped there by type."""
        asked = [
            (key.removesuffix("[]"), symbol)
            for key, value in request.query_params.multi_items()
            for symbol in value.split(",")
            if key.removesuffix("[]") in quotes.TYPES
        ]
        if len(asked) > MOST_SYMBOLS:
            raise Refusal(400, "too_many_symbols", "At most 100 symbols")
        bodies = (quotes.market_data(self._world.market, name, kind) for kind, name in asked)
        return many(request, [body for body in bodies if body is not None])

    async def market_data(self, request: Request) -> Response:
        """Return market data for one symbol."""
        return one(request, found(quotes.market_data(self._world.market, symbol_of(request))))

    async def metrics(self, request: Request) -> Response:
        """Return implied volatility, beta, earnings and the like."""
        bodies = (metrics.metrics(self._world.market, s) for s in read_list(request, "symbols"))
        return many(request, [body for body in bodies if body is not None])

    async def dividends(self, request: Request) -> Response:
        """Return past dividends."""
        return many(request, found(metrics.list_dividends(self._world.market, symbol_of(request))))

    async def earnings(self, request: Request) -> Response:
        """Return past earnings, since `start-date` if given."""
        bodies = found(metrics.list_earnings(self._world.market, symbol_of(request)))
        first = read_day(request, "start-date")
        if first is not None:
            bodies = [body for body in bodies if body["occurred-date"] >= first.isoformat()]
        return many(request, bodies)

    # --- instruments ---------------------------------------------------------------------------

    async def instruments(self, request: Request) -> Response:
        """Return the instruments of a kind: those asked for, else all that pass the filters."""
        kind = request.path_params["kind"]
        # Tastytrade's own JavaScript client says `symbols` for options.
        wanted = read_list(request, "symbol") + read_list(request, "symbols")
        if kind == "future-options" and not wanted:
            return many(request, self._future_options(request))
        bodies = list_instruments(
            self._world.market,
            kind,
            wanted or ([] if kind.endswith("options") else None),
            products=read_list(request, "product-code"),
            exchanges=read_list(request, "exchange"),
            is_etf=read_flag(request, "is-etf"),
            is_index=read_flag(request, "is-index"),
        )
        if bodies is None:
            raise Refusal(404, "not_found", "No such kind of instrument")
        if kind in ("equities", "futures"):
            return page(request, bodies, usual=1_000, most=1_000)
        return many(request, bodies)

    def _future_options(self, request: Request) -> list[Body]:
        """All options on futures that pass the filters; without one, none: they are too many."""
        names = ("option-root-symbol", "expiration-date", "strike-price", "option-type")
        roots, expiries, strikes, sides = (read_list(request, name) for name in names)
        if not (roots or expiries):
            return []
        try:
            prices = [Decimal(each) for each in strikes]
        except InvalidOperation:
            raise Refusal(400, "invalid_parameter", "strike-price is a price") from None
        return list_future_options(
            self._world.market, roots=roots, expiries=expiries, strikes=prices, sides=sides
        )

    async def active_equities(self, request: Request) -> Response:
        """Return all shares, a page at a time."""
        bodies = list_instruments(self._world.market, "equities", is_index=False) or []
        if "lendability" in request.query_params:
            wanted = request.query_params["lendability"]
            bodies = [body for body in bodies if body["lendability"] == wanted]
        return page(request, bodies, usual=1_000, most=1_000)

    async def instrument(self, request: Request) -> Response:
        """Return one instrument."""
        kind = request.path_params["kind"]
        bodies = list_instruments(self._world.market, kind, [symbol_of(request)])
        return one(request, found(bodies[0] if bodies else None))

    async def future_products(self, request: Request) -> Response:
        """Return the products of futures."""
        return many(request, products.list_future_products())

    async def future_product(self, request: Request) -> Response:
        """Return one product."""
        given = request.path_params
        return one(request, found(products.find_future_product(given["exchange"], given["code"])))

    async def future_option_products(self, request: Request) -> Response:
        """Return the products of options on futures."""
        return many(request, products.list_future_option_products(self._world.market))

    async def future_option_product(self, request: Request) -> Response:
        """Return one product of options on futures."""
        root = request.path_params["root"]
        return one(request, found(products.find_future_option_product(root)))

    async def precisions(self, request: Request) -> Response:
        """Return how many decimals a quantity may have."""
        return many(request, PRECISIONS)

    async def warrants(self, request: Request) -> Response:
        """Return the warrants."""
        wanted = set(read_list(request, "symbol"))
        return many(request, [w for w in WARRANTS if not wanted or w["symbol"] in wanted])

    async def warrant(self, request: Request) -> Response:
        """Return one warrant."""
        symbol = symbol_of(request)
        return one(request, found(next((w for w in WARRANTS if w["symbol"] == symbol), None)))

    async def nothing(self, request: Request) -> Response:
        """Return an empty list."""
        return many(request, [])

    # --- chains and search ---------------------------------------------------------------------

    async def chain(self, request: Request) -> Response:
        """Return all options on an underlying."""
        return many(request, found(chains.list_chain(self._world.market, symbol_of(request))))

    async def nested_chain(self, request: Request) -> Response:
        """Return a chain by root, expiry and strike."""
        return many(request, found(chains.nest_chain(self._world.market, symbol_of(request))))

    async def compact_chain(self, request: Request) -> Response:
        """Return a chain as lists of symbols."""
        return many(request, found(chains.compact_chain(self._world.market, symbol_of(request))))

    async def future_chain(self, request: Request) -> Response:
        """Return all options on the futures of a product."""
        bodies = chains.list_future_chain(self._world.market, symbol_of(request))
        return many(request, found(bodies))

    async def nested_future_chain(self, request: Request) -> Response:
        """Return the futures of a product with their options."""
        return one(request, found(chains.nest_future_chain(self._world.market, symbol_of(request))))

    async def search(self, request: Request) -> Response:
        """Return the symbols that a text may mean."""
        return many(request, search(self._world.market, symbol_of(request)))

    async def search_instruments(self, request: Request) -> Response:
        """Return the instruments that a query may mean, of some types if given."""
        text = request.query_params.get("query", "")
        kinds = set(read_list(request, "type")) or None
        limit = min(read_number(request, "limit", 20), 100)
        return many(request, search(self._world.market, text, kinds=kinds, limit=limit))

    # --- hours ---------------------------------------------------------------------------------

    async def current_sessions(self, request: Request) -> Response:
        """Return the session of now for each collection asked for."""
        asked = read_list(request, "instrument-collections") or ["Equity"]
        if any(name not in COLLECTIONS for name in asked):
            raise Refusal(400, "invalid_parameter", "Unknown instrument collection")
        market = self._world.market
        return many(request, [sessions.describe_current(market, name) for name in asked])

    async def session_range(self, request: Request) -> Response:
        """Return the sessions of a range of days."""
        query = request.query_params
        collection = self._collection(query.get("instrument-collection", "Equity"))
        first = read_day(request, "from-date", "start-date") or self._today()
        last = read_day(request, "to-date", "end-date") or first + timedelta(days=7)
        return many(request, sessions.list_range(collection, first, last))

    async def session(self, request: Request) -> Response:
        """Return the current, next or previous session of a collection."""
        collection = self._collection(request.path_params.get("collection", "Equity"))
        which, market = request.path_params["which"], self._world.market
        if which == "current":
            return one(request, sessions.describe_current(market, collection))
        near = {"next": next_session, "previous": previous_session}.get(which)
        if near is None:
            raise Refusal(404, "not_found", "No such session")
        day = read_day(request, "date")
        if day is None:
            now = current_session(collection, market.now)
            day = self._today() if now is None else now.day
        return one(request, sessions.describe(near(collection, day)))

    async def holidays(self, request: Request) -> Response:
        """Return holidays and half days."""
        collection = self._collection(request.path_params.get("collection", "Equity"))
        return one(request, sessions.list_closed_days(self._world.market, collection))

    def _collection(self, name: str) -> str:
        if name not in COLLECTIONS:
            raise Refusal(404, "not_found", "Unknown instrument collection")
        return name

    # --- watchlists ----------------------------------------------------------------------------

    async def own_lists(self, request: Request) -> Response:
        """Return the customer's own watchlists."""
        return many(request, watchlists.list_own(self._login(request).customer.key))

    async def own_list(self, request: Request) -> Response:
        """Return one of the customer's own."""
        lists = watchlists.list_own(self._login(request).customer.key)
        return one(request, found(watchlists.find(lists, request.path_params["name"])))

    async def public_lists(self, request: Request) -> Response:
        """Return the broker's watchlists, with how many entries instead of which if asked."""
        return many(request, watchlists.list_public(bool(read_flag(request, "counts-only"))))

    async def public_list(self, request: Request) -> Response:
        """Return one of the broker's."""
        lists = watchlists.list_public(False)
        return one(request, found(watchlists.find(lists, request.path_params["name"])))

    async def pairs_lists(self, request: Request) -> Response:
        """Return the broker's watchlists of pairs."""
        return many(request, watchlists.PAIRS)

    async def pairs_list(self, request: Request) -> Response:
        """Return one watchlist of pairs."""
        return one(request, found(watchlists.find(watchlists.PAIRS, request.path_params["name"])))
