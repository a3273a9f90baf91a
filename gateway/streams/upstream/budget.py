"""How often one login may ask the broker for what: every kind of request has a pace of its own.

Tastytrade publishes limits of one request a second for positions, balances and accounts, two for
quotes and chains, and fifty in all. A 429 pauses the whole login (`session.py`), and so do new
access tokens that are refused again and again, because failures block an address for hours.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Literal

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import UpstreamError
from gateway.streams.upstream.sdk import Query, Session, get
from gateway.streams.upstream.session import BrokerSession

Kind = Literal["accounts", "balances", "positions", "quotes", "chains", "other"]

PACES_S: dict[Kind, float] = {
    "accounts": 1.0,
    "balances": 1.0,
    "positions": 1.0,
    "quotes": 0.5,
    "chains": 0.5,
    "other": 0.0,
}
"""Between two requests of a kind."""
TOTAL_PACE_S = 1 / 50
MARGIN = 1.05
"""For clocks that do not agree."""
MAX_WAIT_S = 20.0
"""A turn that is further away is refused: whoever asked has given up by then."""

ORDER_VERSION = "20261012"
"""Of orders: the SDK (13.2.3) asks for one that Tastytrade switches off on or after 12 April 2027.
From this one on a search has to say from when."""


class RequestBudget:
    """The requests of one login, each in its turn, first come, first served within a kind.

    A turn ends with the answer, and the next of its kind begins a pace after that: whenever the
    broker counted the request, none of the kind comes sooner. A request that is sent again at once
    because its token was refused takes no other turn: that happens once in the life of a token.
    """

    def __init__(
        self,
        session: BrokerSession,
        *,
        clock: Clock = SYSTEM_CLOCK,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._now_s = clock.monotonic_s
        self._sleep = sleep
        self._locks: dict[Kind, asyncio.Lock] = {kind: asyncio.Lock() for kind in PACES_S}
        self._waiting: dict[Kind, int] = dict.fromkeys(PACES_S, 0)
        self._free_s: dict[Kind, float] = dict.fromkeys(PACES_S, float("-inf"))
        self._total_free_s = float("-inf")

    async def get(
        self, kind: Kind, path: str, query: Query = (), *, version: str | None = None
    ) -> dict[str, Any]:
        """Return the `data` of an answer, when it is this request's turn.

        Raises:
            UpstreamError: also when too many wait; or what the transport raises.
        """
        has_turn = False

        async def request(session: Session) -> dict[str, Any]:
            # Here, behind a pause of the login: what waited for its end must not come at once.
            nonlocal has_turn
            if has_turn:
                return await get(session, path, query, version=version)
            has_turn = True
            async with self.turn(kind):
                return await get(session, path, query, version=version)

        return await self._session.call(request)

    @asynccontextmanager
    async def turn(self, kind: Kind) -> AsyncIterator[None]:
        """Wait for the next turn of a kind, which lasts as long as the block.

        Raises:
            UpstreamError: when it would not come soon.
        """
        pace_s = MARGIN * PACES_S[kind]
        if self._waiting[kind] * pace_s > MAX_WAIT_S:
            raise UpstreamError("too many requests to Tastytrade wait for their turn")
        self._waiting[kind] += 1
        try:
            async with self._locks[kind] if pace_s else nullcontext():
                await self._wait(kind)
                try:
                    yield
                finally:
                    self._free_s[kind] = self._now_s() + pace_s
        finally:
            self._waiting[kind] -= 1

    async def _wait(self, kind: Kind) -> None:
        now_s = self._now_s()
        at_s = max(now_s, self._free_s[kind], self._total_free_s)
        # One that waits for its kind holds up no other.
        self._total_free_s = max(now_s, self._total_free_s) + MARGIN * TOTAL_PACE_S
        if at_s > now_s:
            await self._sleep(at_s - now_s)
