"""What the web processes of one gateway share through the backplane.

Which sessions were signed out, and how many wrong tokens came from where. Neither sessions nor
addresses go there, only what stands for them: see `SessionStore.hide`.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

from gateway.errors import BackplaneError
from gateway.streams.backoff import Backoff
from gateway.streams.backplane.codec import Revoked
from gateway.streams.backplane.server import Backplane
from gateway.web.auth.sessions import SessionStore
from gateway.web.auth.throttle import FAILURE_WINDOW_S, MAX_FAILURES

ASK_S = 0.25
"""A wrong token waits at most so long for the shared count; then each process counts by itself."""

START_S = 1.0
"""For reading what was signed out elsewhere, before anybody is served."""

RETRY_CAP_S = 1.0
"""Between two tries to reach the server."""


class Peers:
    """Shares sign-outs and counts of wrong tokens with the other web processes.

    A sign-out reaches the others within milliseconds, and processes that start later as well.
    While the server is away each process goes by its own memory, and nobody waits for it. What was
    signed out meanwhile, and what the server has lost, is written when it is back.
    """

    def __init__(self, backplane: Backplane, *, ask_s: float = ASK_S) -> None:
        self._backplane = backplane
        self._ask_s = ask_s
        self._is_synced = asyncio.Event()
        self._changed = asyncio.Event()
        self._known: set[str] = set()
        self.is_reachable = True

    async def run(self, sessions: SessionStore, on_end: Callable[[], None]) -> None:
        """Read and write sign-outs until cancelled; call `on_end` after those from elsewhere."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(sessions, on_end), name="sign-outs of others")
                tasks.create_task(self._write(sessions), name="own sign-outs")
        finally:
            self.is_reachable = False
            await self._backplane.close()

    async def wait_until_synced(self) -> None:
        """Return when it is known what was signed out elsewhere, or that it cannot be known."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._is_synced.wait()

    def announce(self) -> None:
        """Have the others learn what was signed out here."""
        self._changed.set()

    async def count_failure(self, key: str) -> int:
        """Count a failure; return the seconds until a try with this key was allowed before it."""
        return await self._ask(key, has_failed=True)

    async def wait_s(self, key: str) -> int:
        """Return the seconds until a try with this key is allowed; 0 if it is or nobody knows."""
        return await self._ask(key, has_failed=False)

    async def _ask(self, key: str, *, has_failed: bool) -> int:
        if not self.is_reachable:
            return 0
        try:
            async with asyncio.timeout(self._ask_s):
                wait_s = await self._backplane.count_failure(
                    key, MAX_FAILURES, FAILURE_WINDOW_S, has_failed=has_failed
                )
        except (BackplaneError, TimeoutError):
            self.is_reachable = False  # until it answers again; nobody else is to wait for it
            return 0
        return math.ceil(wait_s)

    async def _follow(self, sessions: SessionStore, on_end: Callable[[], None]) -> None:
        backoff = Backoff(cap_s=RETRY_CAP_S)
        while True:
            try:
                self._known = set()
                cursor = ""
                while (found := await self._backplane.read_revoked(cursor)).mark != cursor:
                    cursor = self._apply(found, sessions, on_end)
                self._is_synced.set()
                self._changed.set()
                backoff.reset()
                while True:
                    found = await self._backplane.read_revoked(cursor, waits=True)
                    cursor = self._apply(found, sessions, on_end)
            except BackplaneError:  # the follower publishes what is wrong
                self.is_reachable = False
                self._is_synced.set()
                await asyncio.sleep(max(0.05, backoff.next_delay_s()))

    def _apply(self, found: Revoked, sessions: SessionStore, on_end: Callable[[], None]) -> str:
        """Apply what was read; return where to read on."""
        self.is_reachable = True
        self._known |= found.revoked.keys()
        news = found.revoked.keys() - sessions.revoked.keys()
        if news:
            sessions.add_revoked({each: found.revoked[each] for each in news})
            on_end()
        return found.mark

    async def _write(self, sessions: SessionStore) -> None:
        """Write what the server does not have, whenever there may be something."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._known &= sessions.revoked.keys()
            missing = {
                each: sessions.revoked[each] for each in sessions.revoked.keys() - self._known
            }
            try:
                if missing:
                    await self._backplane.write_revoked(missing)
                    self._known |= missing.keys()
            except BackplaneError:
                await asyncio.sleep(RETRY_CAP_S)
                self._changed.set()
