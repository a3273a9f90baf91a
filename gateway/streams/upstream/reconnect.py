"""One loop that keeps a connection to the broker, for market data and for accounts alike.

What flows over the connection is its owner's business; here is only when to open it again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.errors import (
    ConfigurationError,
    QuoteTokenRefused,
    RateLimited,
    Unauthorized,
    UpstreamError,
)
from gateway.streams.backoff import PLATEAU_S
from gateway.streams.upstream.retry import TROUBLE, RetryPolicy, describe_error, find_cause
from gateway.streams.upstream.sdk import Session
from gateway.streams.upstream.session import BrokerSession
from gateway.streams.upstream.supervisor import StageFailed

logger = logging.getLogger(__name__)

GIVEN_UP_S = 5.0
"""Before the session is waited for after an error that no try of ours can mend."""


class Reconnect:
    """Opens one connection of a login again and again, until cancelled.

    The backoff counts what is now: whoever owns the connection calls `on_flow` when data flow.
    """

    def __init__(self, name: str, session: BrokerSession) -> None:
        self._name = name
        self._session = session
        self.policy = RetryPolicy()
        self._was_unauthorized = False

    def on_flow(self) -> None:
        """Note that the connection works: the next failure is the first."""
        self.policy.reset()
        self._was_unauthorized = False

    async def run(
        self,
        connect: Callable[[Session], Awaitable[None]],
        on_disconnect: Callable[[Exception], None],
    ) -> None:
        """Stay connected; `connect` serves one connection until that ends with an error.

        Raises:
            StageFailed: when a stage of the connection cannot be kept alive.
            ConfigurationError: when no connection can ever be made.
        """
        while True:
            generation = self._session.generation
            try:
                await connect(await self._session.ready())
                raise UpstreamError("the connection ended")
            except (Exception, BaseExceptionGroup) as error:
                # Whatever ended the connection, the way on is another one; except for the end of
                # the process, for a stage that cannot be kept alive, and for a wrong setting.
                cause = find_cause(error)
                if not isinstance(cause, Exception):
                    raise
                if isinstance(cause, StageFailed | ConfigurationError):
                    raise cause from None
                if not isinstance(cause, TROUBLE):
                    logger.exception("the connection for %s ended in an unexpected way", self._name)
                else:
                    logger.warning("%s disconnected: %s", self._name, describe_error(cause))
                delay_s = self.policy.next_delay_s(cause)
                on_disconnect(cause)
                await asyncio.sleep(await self._prepare(cause, delay_s, generation))

    async def _prepare(self, cause: Exception, delay_s: float | None, generation: int) -> float:
        """Do what helps the next try; return the seconds to wait for it."""
        if delay_s is None:
            # The session tries on, rarely; `ready` returns when it has a token again.
            await self._renew(generation)
            return GIVEN_UP_S
        if isinstance(cause, RateLimited):
            self._session.pause(delay_s)
        is_unauthorized = isinstance(cause, Unauthorized)
        is_first, self._was_unauthorized = not self._was_unauthorized, is_unauthorized
        # A quote token is asked for with each connection: no new access token is needed for that.
        needs_token = is_unauthorized and not isinstance(cause, QuoteTokenRefused)
        if needs_token and await self._renew(generation) and is_first:
            # The token ended, in an outage perhaps; refused again, the new one waits.
            return min(delay_s, PLATEAU_S)
        return delay_s

    async def _renew(self, generation: int) -> bool:
        """Whether there is a newer token."""
        try:
            await self._session.renew(generation, is_refused=True)
        except TROUBLE as error:
            logger.warning("renewing the session failed: %s", describe_error(error))
            return False
        return True
