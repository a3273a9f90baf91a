"""The session of one login: open it, keep its access token fresh, renew it when it is refused.

Access tokens live 900 s. They are refreshed every `refresh_s`; a refresh that keeps failing leads
to a new session, opened before the old one is closed. Only a refused grant stops the trying. New
tokens that are refused again and again pause everything of the login, because repeated failures
block an address for hours.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import GrantRevoked, RateLimited, Unauthorized, UpstreamError
from gateway.settings import BrokerSettings
from gateway.streams.backoff import Backoff
from gateway.streams.publisher import Publisher, publish_status
from gateway.streams.records import State
from gateway.streams.reports import SessionReport
from gateway.streams.topics import MAIN_LOGIN
from gateway.streams.upstream.retry import LIMIT_PAUSE_S, TROUBLE, RetryPolicy, describe_error
from gateway.streams.upstream.sdk import (
    Session,
    ask,
    is_closed,
    load_tls,
    open_sdk_session,
    refresh,
)
from gateway.streams.upstream.supervisor import RestartLimiter, supervise

logger = logging.getLogger(__name__)

REFRESH_SHARE = 0.75
"""A token with a shorter life than usual is refreshed after this part of it."""
TRIES_BEFORE_NEW_SESSION = 3
MAX_REFUSALS = 3
"""Refused grants before trying becomes rare: repeated failures block an address for hours."""
REFUSED_PAUSE_S = 300.0
MAX_REFUSED_TOKENS = 4
"""New tokens in a row that were refused before everything pauses."""
TOKEN_PAUSE_S = 60.0
TOKEN_PAUSE_CAP_S = 600.0
RETRY_CAP_S = 60.0

T = TypeVar("T")


class BrokerSession:
    """One login's access token, shared by everything of that login.

    `call` and `renew` may be used by any number of tasks: an "unauthorized" leads to one refresh,
    however many met it. Listeners are called after each change of `state`, in this event loop.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        publisher: Publisher,
        *,
        login: str = MAIN_LOGIN,
        clock: Clock = SYSTEM_CLOCK,
        make: Callable[[BrokerSettings], Session] = open_sdk_session,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.login = login
        self.state: State = "connecting"
        self.listeners: list[Callable[[], None]] = []
        self._settings = settings
        self._publisher = publisher
        self._clock = clock
        self._make = make
        self._sleep = sleep
        self._sdk: Session | None = None
        self._stack = AsyncExitStack()
        self._opened = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self._refusals = 0
        self._refused_at_s = float("-inf")
        self._refused_tokens = 0
        self._paused_until_s = float("-inf")
        self._replace = False
        self._trouble = asyncio.Event()
        self.generation = 0
        self.refreshes = 0

    async def run(self) -> None:
        """Open the session and keep it fresh until cancelled.

        Raises:
            StageFailed: when that fails in ways that nobody thought of, again and again.
        """
        self._publish("connecting", None)
        try:
            # The session stays open meanwhile: others are at work with it.
            await supervise("the session", self._keep_fresh, RestartLimiter(self._clock))
        finally:
            if self._renewal is not None:
                self._renewal.cancel()
            await self._stack.aclose()

    async def _keep_fresh(self) -> None:
        policy = RetryPolicy(Backoff(initial_s=0.5, cap_s=RETRY_CAP_S))
        refused = Backoff(initial_s=0.5, cap_s=RETRY_CAP_S)
        while True:
            try:
                await self.renew(self.generation)
            except TROUBLE as error:
                delay_s = policy.next_delay_s(error)
                if delay_s is None:
                    delay_s = self._refused_delay_s(refused)
                    logger.error("sign in again with a new refresh token: %s", error)
                else:
                    self._replace = policy.failures >= TRIES_BEFORE_NEW_SESSION
                    words = describe_error(error)
                    logger.warning("refreshing the session failed: %s", words)
                    self._publish("degraded", f"the session cannot be refreshed: {words}")
            else:
                policy.reset()
                refused.reset()
                await self._rest()
                continue
            await self._sleep(delay_s)

    async def ready(self) -> Session:
        """Return the session, as soon as it holds a token and nothing is to pause."""
        await self._opened.wait()
        left_s = self._paused_until_s - self._clock.monotonic_s()
        if left_s > 0:
            await asyncio.sleep(left_s)
            return await self.ready()  # the pause may have become longer
        assert self._sdk is not None
        return self._sdk

    async def call(self, request: Callable[[Session], Awaitable[T]]) -> T:
        """Return what `request` returns; on "unauthorized" after one refresh and one more try.

        Raises:
            UpstreamError: or what the transport raises.
        """
        sdk = await self.ready()
        generation = self.generation
        try:
            answer = await self._ask(request, sdk)
        except Unauthorized:
            try:
                await self.renew(generation, is_refused=True)
            except Exception:
                self._trouble.set()  # do not leave it until the next period
                raise
            answer = await self._ask(request, await self.ready())
        if self._refused_tokens:
            self._refused_tokens = 0
            self._publish("live", None)
        return answer

    async def _ask(self, request: Callable[[Session], Awaitable[T]], sdk: Session) -> T:
        try:
            return await ask(request, sdk)
        except RuntimeError as error:
            if not is_closed(sdk):
                raise
            # It was replaced, or the login ended, while the request waited for its turn.
            raise UpstreamError("the session was replaced meanwhile") from error
        except RateLimited as error:
            self.pause(error.retry_after_s or LIMIT_PAUSE_S)
            raise

    def pause(self, seconds: float) -> None:
        """Let nothing of this login ask for anything for so long."""
        self._paused_until_s = max(self._paused_until_s, self._clock.monotonic_s() + seconds)

    async def renew(self, generation: int, *, is_refused: bool = False) -> None:
        """Get a token newer than `generation`; those who ask at the same time share one refresh.

        `is_refused` says that the token of this generation was refused.

        Raises:
            GrantRevoked: when the grant is refused, or was so often that trying has become rare.
            UpstreamError: or what the transport raises.
        """
        if generation != self.generation:
            return
        if self._renewal is None or self._renewal.done():
            if is_refused:
                self._count_refused_token()
            self._renewal = asyncio.create_task(self._renew(), name="session renewal")
        await asyncio.shield(self._renewal)

    def report(self) -> SessionReport:
        """Return what `/status` shows: ages and counts, never a token."""
        expires_in_s = None
        if self._sdk is not None and self._sdk.session_expiration:
            expires_in_s = round(self._sdk.session_expiration - self._clock.wall_s(), 1)
        return SessionReport(token_expires_in_s=expires_in_s, refreshes=self.refreshes)

    def _count_refused_token(self) -> None:
        """Pause when token after token is refused, each time longer."""
        self._refused_tokens += 1
        over = self._refused_tokens - MAX_REFUSED_TOKENS
        if over >= 0:
            pause_s = min(TOKEN_PAUSE_CAP_S, TOKEN_PAUSE_S * 2.0 ** min(over, 10))
            logger.error(
                "Tastytrade refused %d access tokens in a row; pausing for %.0f s",
                self._refused_tokens,
                pause_s,
            )
            self.pause(pause_s)

    async def _renew(self) -> None:
        if self._refusals >= MAX_REFUSALS:
            left_s = self._refused_at_s + REFUSED_PAUSE_S - self._clock.monotonic_s()
            if left_s > 0:
                raise GrantRevoked("Tastytrade refused the login; sign in again")
        try:
            if self._sdk is None or self._replace:
                await self._open()
            else:
                await refresh(self._sdk)
        except GrantRevoked as error:
            self._refusals += 1
            self._refused_at_s = self._clock.monotonic_s()
            self._opened.clear()
            self._publish("closed", f"sign in again with a new refresh token: {error}")
            raise
        self._refusals = 0
        self._replace = False
        self.generation += 1
        self.refreshes += 1
        self._opened.set()
        if self._refused_tokens >= MAX_REFUSED_TOKENS:
            self._publish("degraded", "Tastytrade refuses every new access token; pausing")
        else:
            self._publish("live", None)

    async def _open(self) -> None:
        """Swap in a new session once it has a token; the old one serves until then."""
        stack = AsyncExitStack()
        try:
            await asyncio.to_thread(load_tls)
            sdk = await stack.enter_async_context(self._make(self._settings))
            await refresh(sdk)
        except BaseException:
            await stack.aclose()
            raise
        old, self._stack = self._stack, stack
        self._sdk = sdk
        await old.aclose()
        logger.info("session opened")

    async def _rest(self) -> None:
        """Wait for the next refresh, or until a renewal that somebody asked for failed."""
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
        life_s = self._sdk.session_expiration - self._clock.wall_s()
        await self._sleep(max(1.0, min(self._settings.refresh_s, life_s * REFRESH_SHARE)))

    def _refused_delay_s(self, backoff: Backoff) -> float:
        return REFUSED_PAUSE_S if self._refusals >= MAX_REFUSALS else backoff.next_delay_s() + 1.0

    def _publish(self, state: State, reason: str | None) -> None:
        publish_status(
            self._publisher,
            "session",
            state,
            reason,
            now_ms=self._clock.now_ms(),
            login=self.login,
        )
        if state != self.state:
            self.state = state
            for listener in self.listeners:
                listener()
