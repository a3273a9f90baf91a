"""The composition root: where upstream half and web half meet, and what runs beside them."""

import asyncio
import logging
import secrets
import signal
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from gateway.pages.templating import create_environment
from gateway.settings import Settings, load_settings
from gateway.streams.hub import Hub
from gateway.streams.interest import Interest
from gateway.streams.upstream import Upstream
from gateway.web import auth, events, guard, health, live, metrics, problem, pulse
from gateway.web.auth import RequireViewer, Rule, Rules, open_access
from gateway.web.context import Context
from gateway.web.guard import Guard, own_hosts
from gateway.web.static import Assets

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"

MAX_BODY_BYTES = 64 * 1024
"""No form of ours is near this size."""

EPOCH_LETTERS = string.ascii_lowercase + string.digits
EPOCH_LENGTH = 6
"""Two billion epochs: that two starts share one by chance is nothing to fear."""

Run = Callable[[], Awaitable[None]]


def create_app(settings: Settings | None = None) -> Starlette:
    """The whole gateway, for any ASGI server; `gateway.server` serves it best.

    Raises:
        ConfigurationError: one line that names the variable.
    """
    settings = settings or load_settings()
    context = create_context(settings)
    upstream = Upstream(settings, context.hub, context.interest)
    context.report = upstream.report
    return build_app(context, upstream.run)


def create_context(settings: Settings) -> Context:
    """An empty hub of a new epoch, and nobody who wants anything but the default symbols."""
    return Context(
        settings=settings,
        hub=Hub(
            epoch="".join(secrets.choice(EPOCH_LETTERS) for _ in range(EPOCH_LENGTH)),
            tick_s=settings.tick_ms / 1000,
        ),
        interest=Interest(
            settings.symbols,
            max_symbols=settings.max_symbols,
            linger_s=settings.linger_s,
            now_s=time.monotonic,
        ),
        started_at_ms=time.time_ns() // 1_000_000,
    )


def build_app(context: Context, run_upstream: Run) -> Starlette:
    """The web half around a context; `run_upstream` feeds its hub until cancelled.

    `app.state.access` knows the token. `app.state.on_crash` is called when `run_upstream` ends by
    itself; at first it asks the process to stop.
    """
    access = open_access(context.settings)
    assets = Assets(STATIC)
    environment = create_environment(assets.url, {"is_simulated": context.settings.uses_simulator})
    rules = Rules()

    def login_page(target: str, mistake: str | None) -> str:
        return environment.get_template("login.html").render(target=target, mistake=mistake)

    def error_page(status: int, title: str, detail: str) -> str:
        template = environment.get_template("error.html")
        return template.render(status=status, title=title, detail=detail)

    login, logout = auth.routes(access, login_page)
    routes: list[BaseRoute] = [
        *rules.declare(Rule.PUBLIC, health.public_routes(context)),
        *rules.declare(Rule.PUBLIC, login),
        *rules.declare(Rule.PUBLIC, [assets.route]),
        *rules.declare(Rule.VIEWER, events.routes(context)),
        *rules.declare(Rule.VIEWER, health.routes(context)),
        *rules.declare(Rule.VIEWER, metrics.routes(context)),
        *rules.declare(Rule.VIEWER, logout),
        *rules.declare(Rule.VIEWER, live.routes(context, environment)),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        rules.check(app.routes)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_supervise(app, run_upstream), name="upstream"),
                group.create_task(pulse.beat(context), name="heartbeat"),
                group.create_task(pulse.measure_lag(context), name="loop lag"),
            ]
            logger.info("started, epoch %s", context.hub.epoch)
            try:
                yield
            finally:
                # The server has done so before it waited for the streams; another may not have.
                context.hub.close("shutdown")
                for task in tasks:
                    task.cancel()
        logger.info("stopped")

    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Guard, hosts=own_hosts(context.settings)),
            Middleware(RequireViewer, access=access, rules=rules),
        ],
        exception_handlers=problem.handlers(error_page, guard.SECURITY_HEADERS),
        lifespan=lifespan,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.context = context
    app.state.access = access
    app.state.on_crash = lambda: signal.raise_signal(signal.SIGTERM)
    return app


async def _supervise(app: Starlette, run_upstream: Run) -> None:
    """Run the upstream half; should it ever end, a gateway without it must not pretend to live."""
    try:
        await run_upstream()
        logger.error("the upstream half ended, which it never should; stopping")
    except Exception:
        logger.exception("the upstream half crashed; stopping")
    app.state.on_crash()
