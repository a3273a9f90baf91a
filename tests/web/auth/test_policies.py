"""Every route has a policy, or the gateway does not start."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from gateway.app import build_app, create_context
from gateway.errors import ConfigurationError
from gateway.web.auth.policies import RoutePolicies, RoutePolicy
from tests.web.running import idle, make_settings


@pytest.fixture
def app() -> Starlette:
    """Made outside the event loop, because it reads files."""
    return build_app(create_context(make_settings()), idle)


async def nothing(request: Request) -> Response:
    return Response()


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    "route", [Route("/new", nothing), Mount("/new", app=Response())], ids=["route", "mount"]
)
def test_a_route_without_a_rule_stops_the_start(route: BaseRoute) -> None:
    policies = RoutePolicies()
    known = policies.declare(RoutePolicy.VIEWER, [Route("/known", nothing)])
    policies.check(known)
    with pytest.raises(ConfigurationError, match="no rule"):
        policies.check([*known, route])


@pytest.mark.fault(26)
async def test_the_app_does_not_start_with_such_a_route(app: Starlette) -> None:
    app.router.routes.append(Route("/new", nothing))
    with pytest.raises(ConfigurationError, match="/new"):
        async with app.router.lifespan_context(app):
            pass
