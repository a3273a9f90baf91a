"""The policy of every route: whom it is for."""

from collections.abc import Iterable, Sequence
from enum import Enum

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from gateway.errors import ConfigurationError


class RoutePolicy(Enum):
    """Whom a route is for."""

    PUBLIC = "public"
    VIEWER = "viewer"


class RoutePolicies:
    """The policy of every route; a request that no public route matches needs a viewer."""

    def __init__(self) -> None:
        self._policies: dict[int, RoutePolicy] = {}
        self._public: list[BaseRoute] = []
        self._with_slash: list[Route] = []

    def declare(self, policy: RoutePolicy, routes: Iterable[BaseRoute]) -> list[BaseRoute]:
        """Put the routes under a policy and return them."""
        declared = list(routes)
        self._policies.update((id(route), policy) for route in declared)
        if policy is RoutePolicy.PUBLIC:
            self._public += declared
        self._with_slash += [
            route for route in declared if isinstance(route, Route) and route.path[1:].endswith("/")
        ]
        return declared

    def is_public(self, scope: Scope) -> bool:
        """Return whether a public route answers this request."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._public)

    def keeps_slash(self, scope: Scope) -> bool:
        """Return whether a route was declared with the slash that ends this request's path."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self._with_slash)

    def check(self, routes: Sequence[BaseRoute]) -> None:
        """Raises: ConfigurationError, when a route has no policy or is not plain HTTP."""
        for route in routes:
            if id(route) not in self._policies or not isinstance(route, Route):
                raise ConfigurationError(f"the route {route!r} has no rule")
