"""What every REST request passes first: faults on demand, headers, token, scope and rate limits."""

import asyncio
import re
from collections import defaultdict, deque
from datetime import date

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.simulator.broker.rest.answers import error
from gateway.simulator.market.calendar import local_day
from gateway.simulator.world import World

PUBLIC = ("/oauth/", "/auth.html", "/margin-requirements-public-configuration")
# product/version; Tastytrade's own JavaScript client has no version.
AGENT = re.compile(r"^([^\s/]+/\S+|tastytrade-sdk-js$)")
# On this day the old versions of the interface go away.
RETIREMENT, FIRST_KEPT = date(2027, 4, 12), "20261012"
# Requests a second of one customer, by what their path holds; the first that fits counts.
RATES: tuple[tuple[str, int], ...] = (
    ("/positions", 1),
    ("/balances", 1),
    ("/customers/me/accounts", 1),
    ("/market-data", 2),
    ("-chains/", 2),
)
TOTAL_RATE = 50
OVERSIZED_BYTES = 33 * 1024 * 1024  # more than a client should read


class Gate:
    """ASGI middleware; passes on `scope["login"]`, whose token was sent."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self._recent: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, stall or refuse one request."""
        world, path = self._world, scope["path"]
        world.journal.requests[path] += 1
        scope["spoils"] = world.faults.spoils
        await world.answering.wait()
        if world.faults.rest_delay_s > 0:
            await asyncio.sleep(world.faults.rest_delay_s)
        is_public = path.startswith(PUBLIC)
        headers = Headers(scope=scope)
        response = None if path.startswith(("/oauth/", "/auth.html")) else self._fail(path)
        response = response or self._check_agent(headers)
        if not is_public:
            response = response or _check_accept(headers) or self._check_version(headers)
            response = response or self._let_in(scope, headers, path)
        await (response or self._app)(scope, receive, send)

    def _fail(self, path: str) -> Response | None:
        faults = self._world.faults
        status = faults.take_rest(path)
        if not status:
            return None
        self._world.journal.counts["rest_failed"] += 1
        kind = faults.rest_kind
        if kind == "html":
            return HTMLResponse("<html><body>Down for maintenance</body></html>", 200)
        if kind == "empty":
            return Response(b"", 200, media_type="application/json")
        if kind == "bare":
            return JSONResponse({"items": []})
        if kind == "truncated":
            return Response(b'{"data":{"items":[{"symbol":', 200, media_type="application/json")
        if kind == "redirect":
            return RedirectResponse("https://login.invalid/", 302)
        if kind == "oversized":
            body = b'{"data":{"items":["' + b"x" * OVERSIZED_BYTES + b'"]}}'
            return Response(body, 200, media_type="application/json")
        answer = error(status, "fault", f"Failing with {status} on demand")
        if faults.retry_after_s is not None:
            answer.headers["Retry-After"] = f"{faults.retry_after_s:g}"
        return answer

    def _check_agent(self, headers: Headers) -> Response | None:
        if not self._world.faults.needs_agent or AGENT.match(headers.get("user-agent", "")):
            return None
        self._world.journal.counts["agents_refused"] += 1
        return error(401, "invalid_user_agent", "User-Agent has the form product/version")

    def _check_version(self, headers: Headers) -> Response | None:
        version = headers.get("accept-version")
        has_retired = local_day(self._world.market_time()) >= RETIREMENT
        served = self._world.faults.versions
        if version is None or (version in served and not (has_retired and version < FIRST_KEPT)):
            return None
        return error(406, "not_acceptable", f"Version {version} is not supported")

    def _let_in(self, scope: Scope, headers: Headers, path: str) -> Response | None:
        world = self._world
        access = world.tokens.find_access(headers.get("authorization"), world.now())
        login = None if access is None else world.logins.get(access.customer)
        if access is None or login is None:
            world.journal.unauthorized[path] += 1
            return error(401, "token_invalid", "This token is invalid or has expired")
        if "read" not in access.scopes:
            return error(403, "insufficient_scope", "The grant has no scope read")
        scope["login"] = login
        if world.faults.has_rates and not self._has_room(access.customer, path):
            world.journal.counts["rate_limited"] += 1
            return error(429, "too_many_requests", "Too many requests", Retry_After="1")
        return None

    def _has_room(self, customer: str, path: str) -> bool:
        """Count a request in the last second's, of its kind and of all."""
        now = self._world.now()
        limits = [("", TOTAL_RATE)]
        limits += [(part, rate) for part, rate in RATES if part in path][:1]
        recent = [(self._recent[customer, part], rate) for part, rate in limits]
        for times, _ in recent:
            while times and times[0] <= now - 1:
                times.popleft()
        if any(len(times) >= rate for times, rate in recent):
            return False
        for times, _ in recent:
            times.append(now)
        return True


def _check_accept(headers: Headers) -> Response | None:
    accepted = headers.get("accept", "*/*")
    kinds = {part.split(";")[0].strip() for part in accepted.split(",")}
    if kinds & {"*/*", "application/*", "application/json"}:
        return None
    return error(406, "not_acceptable", "Only application/json is served")
