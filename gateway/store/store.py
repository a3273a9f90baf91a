"""The store as the event loop sees it: every call in a thread, with a limit, and never in the way.

Nothing heavy is imported before the first call. A database that is slow, locked, full or gone
fails the call with a sentence for people, and the next ones at once for a while.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.settings import StoreSettings
from gateway.store.workers import Workers

if TYPE_CHECKING:
    # brings SQLAlchemy
    from gateway.store.database import Database
    from gateway.store.rows import Transaction

logger = logging.getLogger(__name__)

T = TypeVar("T")

CALL_TIMEOUT_S = 2.0
"""How long a person waits for the database before being told that it does not answer."""

RETRY_S = 2.0
"""How long after a failure the next call is made; until then calls fail at once."""

CLOSE_TIMEOUT_S = 1.0

LATE = "the database does not answer"


class Store:
    """Reads and writes what people keep, from one event loop.

    A write that returned is kept. One that raised may be kept nevertheless: a database that
    answers too late has perhaps done it.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._timeout_s = timeout_s
        self._workers = Workers("store")
        self._database: Database | None = None
        self._opening: asyncio.Task[Database] | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self._was_open = False
        self._retry_at_s = 0.0
        self.trouble: str | None = None
        """Why nothing can be kept at the moment, as a clause; None while it works."""

    async def read(self, work: Callable[["Transaction"], T]) -> T:
        """Return what `work` makes of one transaction that only reads; it runs in a thread.

        Raises:
            StoreUnavailable: with a clause for people.
        """
        return await self._call(work, writes=False)

    async def write(self, work: Callable[["Transaction"], T]) -> T:
        """Return what `work` makes of one transaction, all of which is kept when this returns.

        Raises:
            StoreUnavailable: with a clause for people.
        """
        return await self._call(work, writes=True)

    async def warm_up(self) -> None:
        """Open the database before somebody asks; a failure is only logged."""
        try:
            await self.read(lambda _: None)
        except StoreUnavailable:
            return

    async def close(self) -> None:
        """Close the database; what hangs is left behind."""
        if self._opening is not None:
            self._opening.cancel()
        self._drop()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*self._closing, return_exceptions=True)
        except TimeoutError:
            logger.warning("the store could not be closed in time")
        self._workers.close()

    async def _call(self, work: Callable[["Transaction"], T], *, writes: bool) -> T:
        now_s = self._clock.monotonic_s()
        if self.trouble is not None and now_s < self._retry_at_s:
            raise StoreUnavailable(self.trouble)
        try:
            async with asyncio.timeout(self._timeout_s):
                database = self._database
                if database is None:
                    database = await asyncio.shield(self._begin_opening())
                result = await self._workers.run(partial(_run, database, work, writes))
        except TimeoutError:
            raise self._fail(LATE) from None
        except ConfigurationError as error:
            raise self._fail(str(error)) from None
        except StoreUnavailable as error:
            raise self._fail(str(error)) from error.__cause__
        if self.trouble is not None:
            logger.info("the store works again")
            self.trouble = None
        return result

    def _fail(self, trouble: str) -> StoreUnavailable:
        if self.trouble != trouble:
            logger.warning("nothing can be kept: %s", trouble)
        self.trouble = trouble
        self._retry_at_s = self._clock.monotonic_s() + RETRY_S
        # The next call opens it afresh: the file may be another, the server another's place.
        if trouble != LATE:
            self._drop()
        return StoreUnavailable(trouble)

    def _drop(self) -> None:
        """Close the database in a thread: it may have to wait for the disk or a server."""
        if self._database is not None:
            closing = asyncio.ensure_future(self._workers.run(self._database.close))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._database = None

    def _begin_opening(self) -> "asyncio.Task[Database]":
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="store")
            self._opening.add_done_callback(self._end_opening)
        return self._opening

    async def _open(self) -> "Database":
        may_create = not self._was_open
        return await self._workers.run(partial(_open, self._settings, self._clock, may_create))

    def _end_opening(self, task: "asyncio.Task[Database]") -> None:
        self._opening = None
        # Asked for here, so that nobody misses it when all who waited are gone.
        if not task.cancelled() and task.exception() is None:
            self._database = task.result()
            self._was_open = True


def _open(settings: StoreSettings, clock: Clock, may_create: bool) -> "Database":
    try:
        from gateway.store.database import open_database

        return open_database(settings, may_create=may_create, clock=clock)
    except (ConfigurationError, StoreUnavailable):
        raise
    except Exception:
        # Whatever it is, prices go on.
        logger.exception("the database cannot be opened")
        raise StoreUnavailable("the database cannot be opened") from None


def _run(database: "Database", work: Callable[["Transaction"], T], writes: bool) -> T:
    with database.begin(writes=writes) as transaction:
        return work(transaction)
