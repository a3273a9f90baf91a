"""The REST application: its routes, in the order in which they are tried.

Reads are served, writes are refused: nothing here trades. What is not served answers 404, below an
account too.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.simulator.broker.rest.accounts import Accounts
from gateway.simulator.broker.rest.answers import Refusal, Routes, error
from gateway.simulator.broker.rest.gate import Gate
from gateway.simulator.broker.rest.market import MarketData
from gateway.simulator.broker.rest.oauth import OAuth
from gateway.simulator.broker.rest.orders import Orders
from gateway.simulator.world import World

WRITES = ["POST", "PUT", "PATCH", "DELETE"]
WRITABLE = (
    "/accounts/{number}/orders",
    "/accounts/{number}/orders/{rest:path}",
    "/accounts/{number}/complex-orders",
    "/accounts/{number}/complex-orders/{rest:path}",
    "/margin/accounts/{number}/dry-run",
    "/watchlists",
    "/watchlists/{rest:path}",
    "/quote-alerts",
    "/quote-alerts/{rest:path}",
)


def make_rest(world: World) -> ASGIApp:
    """Return the REST application of a world."""
    oauth, accounts = OAuth(world), Accounts(world)
    groups = (oauth, accounts, Orders(world), MarketData(world))
    routes = [route for group in groups for route in _routes(group.gets(), ["GET"])]
    routes += _routes([*oauth.posts(), *accounts.posts()], ["POST"])
    routes += _routes([(path, _no_writes) for path in WRITABLE], WRITES)
    app = Starlette(
        routes=routes, exception_handlers={Refusal: _refuse, HTTPException: _not_served}
    )
    app.router.redirect_slashes = False  # a path is served as it is written, or not at all
    return Gate(app, world)


def _routes(given: Routes, methods: list[str]) -> list[Route]:
    return [Route(path, handler, methods=methods) for path, handler in given]


async def _no_writes(request: Request) -> Response:
    raise Refusal(403, "not_permitted", "Only reading is permitted here")


async def _refuse(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refusal)
    return error(refused.status, refused.code, str(refused))


async def _not_served(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    # A path that can only be written to is no different for a reader from one that is not there.
    status = 404 if request.method in ("GET", "HEAD") else refused.status_code
    return error(status, "not_found", "Nothing is served here")
