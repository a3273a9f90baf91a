"""The composition root: where upstream half and web half meet, and what runs beside them."""

import asyncio
import logging
import secrets
import signal
import string
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute

from gateway.alerts.watcher import AlertWatcher
from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.pages.authoring.factory import PageFactory
from gateway.pages.authoring.library import Library
from gateway.pages.authoring.loader import find_files
from gateway.pages.rendering.templates import create_environment
from gateway.redaction import reveal
from gateway.settings import Settings, describe_suspicions, load_settings
from gateway.store.store import Store
from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.symbols import split_symbols
from gateway.streams.upstream.login_lock import hold_login
from gateway.streams.upstream.upstream import create_upstream
from gateway.web import (
    alerts,
    api,
    desk,
    health,
    heartbeat,
    metrics,
    own_files,
    page_stream,
    problem,
    snapshot,
    unknown_symbols,
    watchlists,
)
from gateway.web.auth import forms
from gateway.web.auth.authenticator import Authenticator, auth_context_of, create_authenticator
from gateway.web.auth.policies import RoutePolicies, RoutePolicy
from gateway.web.middleware.require_start import NOT_STARTED, RequireStart
from gateway.web.middleware.security_headers import SECURITY_HEADERS
from gateway.web.middleware.stack import build_middleware
from gateway.web.state import AppState, has_values
from gateway.web.static import Assets

if TYPE_CHECKING:
    from gateway.streams.backplane.follower import Follower
    from gateway.web.auth.revocations import Peers

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"

EPOCH_LETTERS = string.ascii_lowercase + string.digits
EPOCH_LENGTH = 6
"""Two billion epochs: that two starts share one by chance is nothing to fear."""

Run = Callable[[], Awaitable[None]]
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[Any]]
Pages = str | Path | Sequence[PageFactory]
"""A file, a folder, or what `@page` made of functions."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What somebody adds to the gateway: routes for viewers, middleware behind ours, a lifespan."""

    routes: Sequence[BaseRoute] = ()
    middleware: Sequence[Middleware] = ()
    lifespan: Lifespan | None = None


def create_app(
    settings: Settings | None = None,
    *,
    pages: Pages | None = None,
    routes: Sequence[BaseRoute] = (),
    middleware: Sequence[Middleware] = (),
    lifespan: Lifespan | None = None,
) -> Starlette:
    """Create the whole gateway, for any ASGI server; `gateway.server.server` serves it best.

    `pages` replace those of GATEWAY_PAGES. `routes` are for viewers only, `middleware` sees what
    was let in, `lifespan` runs within the gateway's own. Mounted below a prefix, the application
    around it must run `app.router.lifespan_context`, because Starlette runs no mounted lifespan.

    Raises:
        ConfigurationError: one line that names the variable.
        PageError: when pages that come from no file are described wrongly.
    """
    if settings is None:
        for sentence in describe_suspicions():
            logger.warning("%s", sentence)
        settings = load_settings()
    settings = settings.with_symbols(split_symbols)
    library = create_library(settings.pages if pages is None else pages)
    additions = Additions(routes, middleware, lifespan)
    context = create_context(settings)
    context.store = Store(settings.store, clock=context.clock)
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        follower = create_follower(url, context)
        return build_app(context, follower.run, library, additions, create_peers(url))
    upstream = create_upstream(settings, context.hub, context.demand)
    context.report = upstream.report
    context.documents = upstream.documents
    watcher = AlertWatcher(context.store, context.hub, context.demand, clock=context.clock)
    context.wake_alerts = watcher.wake

    async def run() -> None:
        with hold_login(settings.broker) as is_alone:
            if not is_alone:
                logger.warning(
                    "another process of this machine follows the same login; "
                    "several processes need REDIS_URL and `gateway feed`"
                )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(watcher.run(), name="alerts")
                tasks.create_task(upstream.run(), name="upstream half")

    return build_app(context, run, library, additions)


def create_library(pages: Pages | None) -> Library:
    """Return the library of the pages to serve.

    Raises:
        ConfigurationError: when there is no such file.
        PageError: when pages that come from no file are described wrongly.
    """
    if isinstance(pages, str | Path):
        find_files(Path(pages))
        return Library(Path(pages))
    return Library(factories=pages or ())


def create_follower(url: str, context: AppState) -> "Follower":
    """Create the follower, which fills the hub with what a feed process publishes."""
    from gateway.streams.backplane.follower import Follower
    from gateway.streams.backplane.questions import RemoteDocuments
    from gateway.streams.backplane.server import Backplane

    assert isinstance(context.hub, FollowerHub)
    backplane = Backplane(url)
    follower = Follower(backplane, context.hub, context.demand)
    context.documents = RemoteDocuments(backplane, clock=context.clock)
    context.report = follower.report
    context.figures = follower.stats
    context.find_trouble = follower.find_trouble
    return follower


def create_peers(url: str) -> "Peers":
    """Create the connection on which web processes tell each other of ended sessions."""
    from gateway.streams.backplane.server import Backplane
    from gateway.web.auth.revocations import Peers

    return Peers(Backplane(url))


def create_context(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> AppState:
    """Create an empty hub of a new epoch and a demand for the default symbols only."""
    hub = _create_hub(settings)
    demand = Demand(
        settings.symbols,
        max_symbols=settings.max_symbols,
        max_symbols_per_viewer=settings.max_symbols_per_viewer,
        # The feed process lets symbols linger, for all web processes together.
        linger_s=settings.linger_s if settings.redis_url is None else 0.0,
        now_s=clock.monotonic_s,
    )
    demand.is_known = partial(has_values, hub)
    return AppState(settings=settings, hub=hub, demand=demand, clock=clock)


def _create_hub(settings: Settings) -> Hub:
    tick_s, history_events = settings.tick_ms / 1000, settings.history_events
    if settings.redis_url is not None:
        return FollowerHub(tick_s=tick_s, history_events=history_events)
    epoch = "".join(secrets.choice(EPOCH_LETTERS) for _ in range(EPOCH_LENGTH))
    return Hub(epoch=epoch, tick_s=tick_s, history_events=history_events)


def build_app(
    context: AppState,
    run_upstream: Run,
    library: Library | None = None,
    additions: Additions | None = None,
    peers: "Peers | None" = None,
) -> Starlette:
    """Build the web half around a context; `run_upstream` feeds its hub until cancelled.

    `app.state.authenticator` knows the token; a server that shows a generated one to a person sets
    `app.state.is_announced`. `app.state.crash_listeners` are called when `run_upstream` ends by
    itself; without any, the process is asked to stop. `app.state.has_started` says whether the
    lifespan has run.
    """
    authenticator = create_authenticator(
        context.settings.access, peers, clock=context.clock, stats=context.logins
    )
    policies = RoutePolicies()
    library = library or create_library(context.settings.pages)
    additions = additions or Additions()
    assets = Assets(STATIC)
    templates = create_environment(
        assets.url,
        {"is_simulated": context.settings.is_simulation, "has_login": not authenticator.is_open},
    )
    error_page = _create_error_page(templates, library, authenticator)
    app: Starlette = Starlette(
        routes=_build_routes(
            context, authenticator, policies, assets, templates, library, additions.routes
        ),
        middleware=[
            *build_middleware(context.settings.site, authenticator, policies, error_page),
            Middleware(
                RequireStart, has_started=lambda: app.state.has_started, error_page=error_page
            ),
            *additions.middleware,
        ],
        exception_handlers=problem.handlers(error_page, SECURITY_HEADERS),
        max_body_size=context.settings.max_body_bytes,
    )
    app.state.context = context
    app.state.authenticator = authenticator
    app.state.is_announced = False
    app.state.has_started = False
    app.state.crash_listeners = []
    find_trouble = context.find_trouble
    context.find_trouble = lambda: find_trouble() if app.state.has_started else NOT_STARTED
    # Not by the constructor: the lifespan needs this very application. Mounted, it is called with
    # the one around it.
    app.router.lifespan_context = _build_lifespan(
        app, run_upstream, library, policies, additions.lifespan
    )
    return app


def _create_error_page(
    templates: Environment, library: Library, authenticator: Authenticator
) -> problem.ErrorPage:
    def error_page(request: Request, status: int, detail: str) -> str:
        template = templates.get_template("error.html")
        is_viewer = authenticator.is_open or auth_context_of(request.scope) is not None
        links = library.links if is_viewer else []
        return template.render(
            status=status,
            title=HTTPStatus(status).phrase,
            detail=detail,
            root_path=problem.root_path_of(request.scope),
            links=links if len(links) > 1 else [],
        )

    return error_page


def _build_routes(
    context: AppState,
    authenticator: Authenticator,
    policies: RoutePolicies,
    assets: Assets,
    templates: Environment,
    library: Library,
    added: Sequence[BaseRoute],
) -> list[BaseRoute]:
    """Return all routes, each with its policy."""

    def login_page(request: Request, target: str, mistake: str | None) -> str:
        template = templates.get_template("login.html")
        root_path = problem.root_path_of(request.scope)
        return template.render(target=target, mistake=mistake, root_path=root_path)

    login, logout = forms.routes(authenticator, login_page)
    return [
        *policies.declare(RoutePolicy.PUBLIC, health.public_routes(context)),
        *policies.declare(RoutePolicy.PUBLIC, login),
        *policies.declare(RoutePolicy.PUBLIC, [assets.route]),
        *policies.declare(RoutePolicy.VIEWER, api.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, snapshot.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, desk.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, watchlists.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, alerts.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, health.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, metrics.routes(context)),
        *policies.declare(RoutePolicy.VIEWER, logout),
        *policies.declare(RoutePolicy.VIEWER, added),
        *policies.declare(RoutePolicy.VIEWER, own_files.routes(library)),
        # Last, because a page may be at any address that is left.
        *policies.declare(RoutePolicy.VIEWER, page_stream.routes(context, templates, library)),
    ]


def _build_lifespan(
    app: Starlette,
    run_upstream: Run,
    library: Library,
    policies: RoutePolicies,
    added: Lifespan | None,
) -> Lifespan:
    """Return the lifespan: what runs beside the routes, from the start to the shutdown."""
    context: AppState = app.state.context
    authenticator: Authenticator = app.state.authenticator

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        policies.check(app.routes)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_supervise(app, run_upstream), name="upstream"),
                group.create_task(heartbeat.publish_heartbeats(context), name="heartbeat"),
                group.create_task(heartbeat.measure_lag(context), name="loop lag"),
                group.create_task(authenticator.watch(context.settings.viewers), name="access"),
                group.create_task(authenticator.run_peers(), name="revocations"),
                group.create_task(library.watch(), name="page files"),
                group.create_task(
                    unknown_symbols.log_unknown_defaults(context), name="unknown symbols"
                ),
            ]
            if context.store is not None and not authenticator.is_open:
                tasks.append(group.create_task(context.store.warm_up(), name="store"))
            await authenticator.sync_peers()
            app.state.has_started = True
            logger.info("started, epoch %s", context.hub.epoch)
            if authenticator.is_generated and not app.state.is_announced:
                # No server of ours shows it, and without it nobody could ever sign in.
                reveal(sys.stderr, f"sign in once with /login{authenticator.login_fragment()}\n")
            try:
                async with added(app) if added else nullcontext():
                    yield
            finally:
                context.hub.close("shutdown")  # again: not every server stops at a signal
                for task in tasks:
                    task.cancel()
        if context.store is not None:
            await context.store.close()
        logger.info("stopped")

    return lifespan


async def _supervise(app: Starlette, run_upstream: Run) -> None:
    """Run the upstream half; should it ever end, a gateway without it must not pretend to live."""
    try:
        await run_upstream()
        logger.error("the upstream half ended, which it never should; stopping")
    except Exception:
        logger.exception("the upstream half crashed; stopping")
    listeners: list[Callable[[], None]] = app.state.crash_listeners
    for listener in listeners:
        listener()
    if not listeners:
        signal.raise_signal(signal.SIGTERM)
