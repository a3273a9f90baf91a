"""OAuth session: open it, keep it fresh, renew it; where and how Tastytrade is reached.

Access tokens live 900 s. They are refreshed by force every `refresh_s`; a refresh that keeps
failing leads to a new session, opened before the old one is let go. Only a refused grant stops
the trying.
"""

import asyncio
import functools
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import httpx2
import tastytrade
from tastytrade import Session
from tastytrade.utils import TastytradeError

from gateway.errors import (
    ConfigurationError,
    GrantRevoked,
    RateLimited,
    Unauthorized,
    UpstreamError,
)
from gateway.settings import Settings, is_loopback
from gateway.streams.backoff import Backoff
from gateway.streams.publisher import Publisher, publish_status
from gateway.streams.records import State
from gateway.streams.upstream.supervisor import Restarts, keep

logger = logging.getLogger(__name__)

# tastytrade 13.2.3 sets its logger to DEBUG when imported and logs bearer tokens at that level.
tastytrade.logger.setLevel(logging.WARNING)
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

REST_HOST = "api.tastyworks.com"
ACCOUNT_STREAM_HOST = "streamer.tastyworks.com"

REQUEST_TIMEOUT_S = 10.0
REFRESH_SHARE = 0.75
"""A life told as shorter than usual is refreshed after this part of it."""
TRIES_BEFORE_NEW_SESSION = 3
MAX_REFUSALS = 3
"""Refused grants before trying becomes rare: repeated failures block an address for hours."""
REFUSED_PAUSE_S = 300.0
RETRY_CAP_S = 60.0

T = TypeVar("T")

STRANGE_ANSWER = (LookupError, ValueError, TypeError, AttributeError)
"""What comes of an answer that is no JSON, or not of the shape that tastytrade 13.2.3 takes."""

NETWORK_ERRORS = (httpx2.HTTPError, TastytradeError, OSError, TimeoutError)
"""What a request to Tastytrade may raise besides our own errors."""


@functools.cache
def load_tls() -> ssl.SSLContext:
    """The TLS settings of every connection; reads the system's certificates once, which blocks.

    Without it each streamer would make its own, 20 ms of the event loop at every reconnect.
    """
    return httpx2.create_ssl_context()


def open_sdk_session(settings: Settings) -> Session:
    """A session that has not spoken to anyone yet; use it as a context manager.

    Raises:
        ConfigurationError: when there are no credentials.
    """
    if settings.tt_secret is None or settings.tt_refresh is None:
        raise ConfigurationError(
            "TT_SECRET and TT_REFRESH: set both to log in to Tastytrade, or try `gateway demo`"
        )
    options: dict[str, Any] = {
        "timeout": REQUEST_TIMEOUT_S,
        "event_hooks": {"request": [_redirect(settings)], "response": [_check]},
    }
    if settings.uses_simulator:
        options["trust_env"] = False  # a proxy of the environment is not on loopback
        options["verify"] = False  # plain http and ws: nothing to load
    else:
        options["verify"] = load_tls()
    return Session(
        settings.tt_secret.get_secret_value(),
        settings.tt_refresh.get_secret_value(),
        settings.tt_test and not settings.uses_simulator,
        **options,
    )


def _redirect(settings: Settings) -> Callable[[httpx2.Request], Awaitable[None]]:
    """A request hook: in simulator mode nothing but loopback is ever contacted."""
    if settings.simulator_rest is None or settings.simulator_account_ws is None:

        async def leave(request: httpx2.Request) -> None:
            """Production addresses are the SDK's own."""

        return leave
    targets = {
        REST_HOST: settings.simulator_rest,
        ACCOUNT_STREAM_HOST: settings.simulator_account_ws,
    }

    async def redirect(request: httpx2.Request) -> None:
        target = targets.get(request.url.host)
        if target is not None:
            base = httpx2.URL(target)
            path = base.raw_path.rstrip(b"/") + request.url.raw_path
            if request.url.host == ACCOUNT_STREAM_HOST:
                path = base.raw_path
            request.url = request.url.copy_with(
                scheme=base.scheme, host=base.host, port=base.port, raw_path=path
            )
            request.headers["Host"] = base.netloc.decode()
        if not is_loopback(request.url.host):
            raise ConfigurationError("SIMULATOR_REST: a simulator may only lead to loopback")

    return redirect


async def _check(response: httpx2.Response) -> None:
    """A response hook: the typed error of a refusal, in place of the SDK's sentence."""
    status, path = response.status_code, response.request.url.path
    if status == 101 or status < 400:
        return
    if path.endswith("/oauth/token") and status in (400, 401, 403):
        await response.aread()
        try:
            refusal = response.json()
        except ValueError:
            refusal = {}
        code = refusal.get("error_code") or refusal.get("error")
        if code == "invalid_grant":
            words = str(refusal.get("error_description") or "refused")[:80]
            raise GrantRevoked(f"Tastytrade refused the login ({words})")
        raise UpstreamError(f"the token request was answered with status {status}")
    if status == 401:
        raise Unauthorized(f"{path} was answered with status 401")
    if status == 429:
        raise RateLimited(f"{path} was answered with status 429")
    if status >= 500:
        raise UpstreamError(f"{path} was answered with status {status}")


class BrokerSession:
    """One login, shared by everything upstream.

    `call` and `renew` may be used by any number of tasks: an "unauthorized" leads to one refresh,
    however many met it.
    """

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        *,
        make: Callable[[Settings], Session] = open_sdk_session,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._make = make
        self._sleep = sleep
        self._clock = clock
        self._wall = wall
        self._sdk: Session | None = None
        self._stack = AsyncExitStack()
        self._opened = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self._refusals = 0
        self._refused_at_s = float("-inf")
        self._replace = False
        self._trouble = asyncio.Event()
        self.generation = 0
        self.refreshes = 0

    async def run(self) -> None:
        """Open the session and keep it fresh until cancelled.

        Raises:
            StageFailed: when that fails in ways that nobody thought of, again and again.
        """
        self._tell("connecting", None)
        try:
            # The session stays open meanwhile: others are at work with it.
            await keep("the session", self._keep_fresh, Restarts(self._clock))
        finally:
            if self._renewal is not None:
                self._renewal.cancel()
            await self._stack.aclose()

    async def _keep_fresh(self) -> None:
        backoff = Backoff(initial_s=0.5, cap_s=RETRY_CAP_S)
        while True:
            try:
                await self.renew(self.generation)
            except GrantRevoked as error:
                delay_s = self._refused_delay_s(backoff)
                logger.error("sign in again with a new refresh token: %s", error)
            except (UpstreamError, *NETWORK_ERRORS) as error:
                delay_s = backoff.next_delay_s()
                self._replace = backoff.failures >= TRIES_BEFORE_NEW_SESSION
                logger.warning("refreshing the session failed: %s", _words(error))
                self._tell("degraded", f"the session cannot be refreshed: {_words(error)}")
            else:
                backoff.reset()
                await self._rest()
                continue
            await self._sleep(delay_s)

    async def ready(self) -> Session:
        """The session, as soon as it holds a token."""
        await self._opened.wait()
        assert self._sdk is not None
        return self._sdk

    async def call(self, request: Callable[[Session], Awaitable[T]]) -> T:
        """What `request` returns; on "unauthorized" after one refresh and one more try.

        Raises:
            UpstreamError: or what the transport raises.
        """
        sdk = await self.ready()
        generation = self.generation
        try:
            return await _ask(request, sdk)
        except Unauthorized:
            try:
                await self.renew(generation)
            except Exception:
                self._trouble.set()  # do not leave it until the next period
                raise
            return await _ask(request, await self.ready())

    async def renew(self, generation: int) -> None:
        """A token newer than `generation`; those who ask at the same time share one refresh.

        Raises:
            GrantRevoked: when the grant is refused, or was so often that trying has become rare.
            UpstreamError: or what the transport raises.
        """
        if generation != self.generation:
            return
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), name="session renewal")
        await asyncio.shield(self._renewal)

    def report(self) -> dict[str, Any]:
        """What `/status` tells: ages and counts, never a token."""
        expires_in_s = None
        if self._sdk is not None and self._sdk.session_expiration:
            expires_in_s = round(self._sdk.session_expiration - self._wall(), 1)
        return {"token_expires_in_s": expires_in_s, "refreshes": self.refreshes}

    async def _renew(self) -> None:
        if self._refusals >= MAX_REFUSALS:
            left_s = self._refused_at_s + REFUSED_PAUSE_S - self._clock()
            if left_s > 0:
                raise GrantRevoked("Tastytrade refused the login; sign in again")
        try:
            if self._sdk is None or self._replace:
                await self._open()
            else:
                await _refresh(self._sdk)
        except GrantRevoked as error:
            self._refusals += 1
            self._refused_at_s = self._clock()
            self._opened.clear()
            self._tell("closed", f"sign in again with a new refresh token: {error}")
            raise
        self._refusals = 0
        self._replace = False
        self.generation += 1
        self.refreshes += 1
        self._opened.set()
        self._tell("live", None)

    async def _open(self) -> None:
        """Swap in a new session once it has a token; the old one serves until then."""
        stack = AsyncExitStack()
        try:
            await asyncio.to_thread(load_tls)
            sdk = await stack.enter_async_context(self._make(self._settings))
            await _refresh(sdk)
        except BaseException:
            await stack.aclose()
            raise
        old, self._stack = self._stack, stack
        self._sdk = sdk
        await old.aclose()
        logger.info("session opened")

    async def _rest(self) -> None:
        """Wait for the next forced refresh, or until a renewal that somebody asked for failed."""
        self._trouble.clear()
        waits: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._trouble.wait(), name="session trouble")
        }
        if self._settings.refresh_s:
            waits.add(asyncio.create_task(self._sleep_a_period(), name="session period"))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _sleep_a_period(self) -> None:
        assert self._sdk is not None
        life_s = self._sdk.session_expiration - self._wall()
        await self._sleep(max(1.0, min(self._settings.refresh_s, life_s * REFRESH_SHARE)))

    def _refused_delay_s(self, backoff: Backoff) -> float:
        return REFUSED_PAUSE_S if self._refusals >= MAX_REFUSALS else backoff.next_delay_s() + 1.0

    def _tell(self, state: State, reason: str | None) -> None:
        now_ms = int(self._wall() * 1000)
        publish_status(self._publisher, "session", state, reason, now_ms=now_ms)


async def _refresh(sdk: Session) -> None:
    async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
        await _ask(lambda sdk: sdk.refresh(force=True), sdk)


async def _ask(request: Callable[[Session], Awaitable[T]], sdk: Session) -> T:
    try:
        return await request(sdk)
    except STRANGE_ANSWER as error:
        raise UpstreamError(
            f"Tastytrade's answer is not readable ({type(error).__name__})"
        ) from error


def _words(error: BaseException) -> str:
    """An error for people: our own sentences as they are, others by kind, never their bodies."""
    if isinstance(error, UpstreamError):
        return str(error)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx2.TransportError | OSError):
        return "the connection failed"
    return f"an unexpected answer ({type(error).__name__})"


async def check_login(settings: Settings) -> list[tuple[str, bool, str]]:
    """Name, verdict and advice for each step of logging in; for `gateway check`."""
    found: list[tuple[str, bool, str]] = []
    steps: list[tuple[str, Callable[[Session], Awaitable[Any]], str]] = [
        (
            "log in",
            lambda sdk: sdk.refresh(force=True),
            "check TT_SECRET and TT_REFRESH; make a new grant under OAuth applications",
        ),
        (
            "read the accounts",
            lambda sdk: sdk._get("/customers/me/accounts"),
            "the grant needs the scope `read`",
        ),
        (
            "get a quote token",
            lambda sdk: sdk._get("/api-quote-tokens"),
            "streaming quotes need an approved, funded account",
        ),
    ]
    await asyncio.to_thread(load_tls)
    async with open_sdk_session(settings) as sdk:
        for name, step, advice in steps:
            try:
                async with asyncio.timeout(2 * REQUEST_TIMEOUT_S):
                    await step(sdk)
            except (UpstreamError, *NETWORK_ERRORS) as error:
                found.append((name, False, f"{_words(error)}; {advice}"))
                break
            found.append((name, True, "works"))
    return found
