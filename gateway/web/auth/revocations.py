"""What the web processes of one gateway tell each other, through the backplane.

Which logins were signed out, and how many wrong tokens came from where. Neither sessions nor
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
"""What a wrong token may wait for the others' count; after that each process counts by itself."""

START_S = 1.0
"""For the first look at what was signed out elsewhere, before anybody is served."""

RETRY_CAP_S = 1.0
"""Between two tries to reach the server."""


class Peers:
    """Keeps this process's logins and counts equal to those of the others.

    A sign-out arrives at the others within milliseconds, and on processes that start later. While
    the server is away each process goes by its own memory, and nobody waits for it; what was signed
    out meanwhile, or what the server has lost, is told when it is back.
    """

    def __init__(self, backplane: Backplane, *, ask_s: float = ASK_S) -> None:
        self._backplane = backplane
        self._ask_s = ask_s
        self._has_looked = asyncio.Event()
        self._changed = asyncio.Event()
        self._known: set[str] = set()
        self.is_reachable = True

    async def run(self, logins: SessionStore, on_end: Callable[[], None]) -> None:
        """Follow and tell until cancelled; `on_end` is called after sign-outs elsewhere."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(logins, on_end), name="sign-outs of others")
                tasks.create_task(self._tell(logins), name="own sign-outs")
        finally:
            self.is_reachable = False
            await self._backplane.close()

    async def look(self) -> None:
        """Return when it is known what was signed out elsewhere, or that it cannot be known."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._has_looked.wait()

    def tell(self) -> None:
        """Let the others know what was signed out here."""
        self._changed.set()

    async def count_failure(self, key: str) -> int:
        """Seconds until a try with this key is allowed; if it is now, one has failed just now."""
        return await self._ask(key, has_failed=True)

    async def wait_s(self, key: str) -> int:
        """Seconds until a try with this key is allowed; 0 when it is now, or nobody knows."""
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
            self.is_reachable = False  # until it is heard again; nobody else is to wait for it
            return 0
        return math.ceil(wait_s)

    async def _follow(self, logins: SessionStore, on_end: Callable[[], None]) -> None:
        backoff = Backoff(cap_s=RETRY_CAP_S)
        while True:
            try:
                self._known = set()
                mark = ""
                while (found := await self._backplane.read_revoked(mark)).mark != mark:
                    mark = self._take(found, logins, on_end)
                self._has_looked.set()
                self._changed.set()
                backoff.reset()
                while True:
                    found = await self._backplane.read_revoked(mark, waits=True)
                    mark = self._take(found, logins, on_end)
            except BackplaneError:  # the replica tells what is wrong
                self.is_reachable = False
                self._has_looked.set()
                await asyncio.sleep(max(0.05, backoff.next_delay_s()))

    def _take(self, found: Revoked, logins: SessionStore, on_end: Callable[[], None]) -> str:
        """Where to read on."""
        self.is_reachable = True
        self._known |= found.revoked.keys()
        news = found.revoked.keys() - logins.revoked.keys()
        if news:
            logins.learn({each: found.revoked[each] for each in news})
            on_end()
        return found.mark

    async def _tell(self, logins: SessionStore) -> None:
        """Write what the server does not have, whenever there may be something."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._known &= logins.revoked.keys()
            missing = {each: logins.revoked[each] for each in logins.revoked.keys() - self._known}
            try:
                if missing:
                    await self._backplane.write_revoked(missing)
                    self._known |= missing.keys()
            except BackplaneError:
                await asyncio.sleep(RETRY_CAP_S)
                self._changed.set()
