"""The middleware of the gateway, in the order in which a request passes it."""

from starlette.middleware import Middleware

from gateway.settings import SiteSettings
from gateway.web.auth.authenticator import Authenticator
from gateway.web.auth.policies import RoutePolicies
from gateway.web.middleware.hosts import OwnHosts, is_wildcard, own_hosts
from gateway.web.middleware.no_websockets import NoWebsockets
from gateway.web.middleware.prefix import Prefix
from gateway.web.middleware.proxies import TrustProxies
from gateway.web.middleware.query_length import QueryLength
from gateway.web.middleware.require_viewer import RequireViewer
from gateway.web.middleware.security_headers import SecurityHeaders
from gateway.web.middleware.sites import OwnSites
from gateway.web.middleware.trailing_slash import TrailingSlash
from gateway.web.problem import ErrorPage


def build_middleware(
    settings: SiteSettings,
    authenticator: Authenticator,
    policies: RoutePolicies,
    error_page: ErrorPage,
) -> list[Middleware]:
    """Return the middleware, outermost first: what is refused needs headers, too, and who is let
    in is decided last, by an address that is the client's own and a path that is ours."""
    return [
        Middleware(SecurityHeaders),
        Middleware(NoWebsockets),
        Middleware(TrustProxies, networks=settings.trusted_proxies),
        Middleware(Prefix, root_path=settings.root_path),
        Middleware(TrailingSlash, keeps_slash=policies.keeps_slash),
        Middleware(
            OwnHosts,
            hosts=own_hosts(settings),
            error_page=error_page,
            is_wildcard=is_wildcard(settings),
            wants_token=not authenticator.is_open,
        ),
        Middleware(OwnSites, error_page=error_page, stats=authenticator.stats),
        Middleware(QueryLength, max_bytes=settings.max_query_bytes, error_page=error_page),
        Middleware(RequireViewer, authenticator=authenticator, policies=policies),
    ]
