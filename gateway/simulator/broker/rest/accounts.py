"""Customers, accounts, balances, positions, margin, history and transactions."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from gateway.simulator.broker.books import history
from gateway.simulator.broker.books.amounts import ZERO, signed
from gateway.simulator.broker.books.balances import effective_margin, margin_report
from gateway.simulator.broker.rest.answers import (
    Endpoints,
    Refusal,
    Routes,
    found,
    many,
    one,
    page,
    read_day,
    read_instant,
    read_list,
)
from gateway.simulator.market.calendar import local_day

# Of transactions: the query's name and the attribute that it is compared with.
FILTERS = (
    ("sub-type", "sub_type"),
    ("symbol", "symbol"),
    ("instrument-type", "instrument_type"),
    ("underlying-symbol", "underlying"),
    ("action", "action"),
)
POSITION_LIMIT = {
    "equity-order-size": 50_000,
    "equity-option-order-size": 1_000,
    "future-order-size": 250,
    "future-option-order-size": 250,
    "equity-position-size": 500_000,
    "equity-option-position-size": 20_000,
    "future-position-size": 500,
    "future-option-position-size": 500,
    "underlying-opening-order-limit": 250,
}


class Accounts(Endpoints):
    """What a customer has."""

    def gets(self) -> Routes:
        """Return the routes that read."""
        base = "/accounts/{number}"
        return [
            ("/customers/me", self.customer),
            ("/customers/me/accounts", self.accounts),
            ("/customers/me/accounts/{number}", self.account),
            (f"{base}/balances", self.balances),
            (f"{base}/balances/{{currency}}", self.balances),
            (f"{base}/balance-snapshots", self.snapshots),
            (f"{base}/positions", self.positions),
            (f"{base}/position-limit", self.position_limit),
            (f"{base}/trading-status", self.trading_status),
            (f"{base}/transactions", self.transactions),
            (f"{base}/transactions/total-fees", self.total_fees),
            (f"{base}/transactions/{{identity:int}}", self.transaction),
            (f"{base}/net-liq", self.net_liq),
            (f"{base}/net-liq/history", self.net_liq_history),
            (f"{base}/margin-requirements/{{symbol:path}}/effective", self.effective_margin),
            ("/margin/accounts/{number}/requirements", self.margin),
            ("/api-quote-tokens", self.quote_token),
            ("/quote-alerts", self.quote_alerts),
            ("/margin-requirements-public-configuration", self.risk_free_rate),
        ]

    def posts(self) -> Routes:
        """Return the routes that check."""
        return [("/sessions/validate", self.validate)]

    async def customer(self, request: Request) -> Response:
        """Return the customer."""
        return one(request, self._login(request).customer.describe())

    async def accounts(self, request: Request) -> Response:
        """Return all accounts with the authority level over each."""
        accounts = self._ledger(request).accounts.values()
        items = [{"account": each.describe(), "authority-level": "owner"} for each in accounts]
        return many(request, items)

    async def account(self, request: Request) -> Response:
        """Return one account."""
        return one(request, self._account(request).describe())

    async def balances(self, request: Request) -> Response:
        """Return the balances, as a list of one without a currency in the path."""
        body = self._ledger(request).balance(self._account(request).number)
        currency = request.path_params.get("currency")
        if currency is None:
            return many(request, [body])
        if currency != "USD":
            raise Refusal(404, "record_not_found", "No balance in that currency")
        return one(request, body)

    async def snapshots(self, request: Request) -> Response:
        """Return the balances of past days: of one `snapshot-date`, or of a range, newest first."""
        account = self._account(request)
        day = read_day(request, "snapshot-date")
        last = day or read_day(request, "end-date") or self._today()
        first = day or read_day(request, "start-date") or last - timedelta(days=30)
        time_of_day = request.query_params.get("time-of-day", "EOD")
        if time_of_day not in ("BOD", "EOD"):
            raise Refusal(400, "invalid_parameter", "time-of-day is BOD or EOD")
        found_ = history.list_snapshots(self._world.market, account, first, last, time_of_day)
        return page(request, found_[::-1], usual=250, most=2_000)

    async def positions(self, request: Request) -> Response:
        """Return the positions that the query asks for."""
        query = request.query_params
        bodies = self._ledger(request).positions(
            self._account(request).number,
            with_marks=query.get("include-marks", "").lower() == "true",
        )
        if query.get("include-closed-positions", "").lower() != "true":
            bodies = [body for body in bodies if body.get("quantity-direction") != "Zero"]
        underlyings = set(read_list(request, "underlying-symbol"))
        if underlyings:
            bodies = [body for body in bodies if body.get("underlying-symbol") in underlyings]
        for name in ("symbol", "instrument-type"):
            if name in query:
                bodies = [body for body in bodies if body.get(name) == query[name]]
        return many(request, bodies)

    async def position_limit(self, request: Request) -> Response:
        """Return how much may be held and ordered."""
        return one(request, {"account-number": self._account(request).number} | POSITION_LIMIT)

    async def trading_status(self, request: Request) -> Response:
        """Return what the account may do."""
        number = self._account(request).number
        return one(request, self._ledger(request).trading_status(number))

    async def transactions(self, request: Request) -> Response:
        """Return the transactions that the query asks for, newest first unless `sort=Asc`."""
        account, query = self._account(request), request.query_params
        kinds = {*read_list(request, "types"), *query.getlist("type")}
        if "type" in query and read_list(request, "types"):
            raise Refusal(400, "invalid_parameter", "Either type or types")
        first, last = read_day(request, "start-date"), read_day(request, "end-date")
        since, until = read_instant(request, "start-at"), read_instant(request, "end-at")
        kept = [
            each
            for each in account.transactions
            if (not kinds or each.kind in kinds)
            and (first is None or local_day(each.at) >= first)
            and (last is None or local_day(each.at) <= last)
            and (since is None or each.at >= since)
            and (until is None or each.at <= until)
        ]
        for name, value in FILTERS:
            wanted = read_list(request, name)
            if wanted:
                kept = [each for each in kept if getattr(each, value) in wanted]
        kept.sort(key=lambda each: (each.at, each.id), reverse=query.get("sort") != "Asc")
        return page(request, [each.describe() for each in kept], usual=250, most=2_000)

    async def transaction(self, request: Request) -> Response:
        """Return one transaction."""
        identity = request.path_params["identity"]
        each = next((t for t in self._account(request).transactions if t.id == identity), None)
        return one(request, found(each).describe())

    async def total_fees(self, request: Request) -> Response:
        """Return the fees of a day, today by default."""
        day = read_day(request, "date") or self._today()
        charged = (t for t in self._account(request).transactions if local_day(t.at) == day)
        return one(request, signed("total-fees", -sum((each.fees for each in charged), ZERO)))

    async def net_liq(self, request: Request) -> Response:
        """Return the net liquidating value as it is now, as a point of its history."""
        return one(request, history.describe_now(self._world.market, self._account(request)))

    async def net_liq_history(self, request: Request) -> Response:
        """Return the net liquidating value over time: of a `time-back`, or since `start-time`."""
        account, market = self._account(request), self._world.market
        query = request.query_params
        start, end = read_instant(request, "start-time"), read_instant(request, "end-time")
        if ("time-back" in query) == (start is not None):
            raise Refusal(400, "invalid_parameter", "Either time-back or start-time")
        begins = (
            history.start_of(market, query["time-back"])
            if start is None
            else (start, history.step_of(market, start))
        )
        if begins is None:
            raise Refusal(400, "invalid_parameter", "Unknown time-back")
        first, step_s = begins
        if "interval" in query:
            asked_s = history.parse_interval(query["interval"])
            if asked_s is None:
                raise Refusal(400, "invalid_parameter", "Unknown interval")
            step_s = asked_s
        found_ = history.list_points(market, account, first, step_s)
        if end is not None:
            latest = history.stamp(end)
            found_ = [point for point in found_ if point["time"] <= latest]
        return many(request, found_)

    async def margin(self, request: Request) -> Response:
        """Return the margin requirements by underlying."""
        return one(request, margin_report(self._world.market, self._account(request)))

    async def effective_margin(self, request: Request) -> Response:
        """Return the margin rates of an underlying."""
        symbol = request.path_params["symbol"]
        return one(
            request, found(effective_margin(self._world.market, self._account(request), symbol))
        )

    async def quote_token(self, request: Request) -> Response:
        """Return a token for the feed and its address."""
        world = self._world
        world.journal.counts["quote_tokens_issued"] += 1
        level = world.faults.quote_level
        url = world.faults.feed_address or world.dxlink_url
        if level == "demo" and not world.faults.feed_address:
            url = f"{url.rpartition('/')[0]}/delayed"
        token = world.tokens.make_quote_token(world.now())
        return one(request, {"token": token, "dxlink-url": url, "level": level})

    async def quote_alerts(self, request: Request) -> Response:
        """Return the customer's alerts on prices; one that has not fired has no times of that."""
        external = self._login(request).customer.external_id
        return many(request, [each.describe() for each in self._world.alerts.list_of(external)])

    async def validate(self, request: Request) -> Response:
        """Say that the session is good; a bad one does not get here."""
        facts = self._login(request).customer.describe()
        body = {"email": facts["email"], "external-id": facts["external-id"]}
        return one(request, body | {"username": facts["first-name"].lower()}, status=201)

    async def risk_free_rate(self, request: Request) -> Response:
        """Return the public margin configuration."""
        return one(request, {"risk-free-rate": "0.04"})
