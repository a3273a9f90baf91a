"""One feed upstream, however many stand by: acquire the lease, publish under it, hand it over.

The lease is renewed by publishing, at least every `HEARTBEAT_S`. A holder that cannot renew it in
time leaves upstream, so that there is one at most; a holder that lost it may not publish, because
the server checks every batch together with the position that it continues (fencing, as in
M. Kleppmann, "How to do distributed locking", 2016).
"""

import asyncio
import logging
import os
import random
import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Protocol

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import BackplaneError, LeaseLost
from gateway.streams.backoff import Backoff
from gateway.streams.backplane.codec import make_holder
from gateway.streams.backplane.outbox import Outbox
from gateway.streams.backplane.server import Backplane, Verdict
from gateway.streams.demand import Demand, TooManySymbols
from gateway.streams.hub.position import StreamPosition
from gateway.streams.latest import LatestValues
from gateway.streams.publisher import publish_stale
from gateway.streams.records import MarketRecord, Status
from gateway.streams.reports import LeaderReport, UpstreamReport
from gateway.streams.topics import market_topic, status_topic

logger = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
"""Between two entries at most; a web process that misses several calls the feed silent."""

GATHER_S = 0.002
"""What is published in this time travels together; less would cost a request each."""

BATCH = 500
"""Records of one request: the server does nothing else for about two milliseconds."""

POLL_S = 0.4
"""Between two requests for a lease that another holds."""

RETRY_CAP_S = 1.0
"""Between two tries to reach the server: everybody must be current within seconds."""

WANTED_S = 1.0
"""Between two reads of what is wanted; a change that the server counts is read at once."""

REPORT_S = 2.0

WARM_S = 5.0
"""How long a successor may take to hear from upstream before it takes over all the same."""

MAX_HOST_LENGTH = 32

HAND_OVER_S = 10.0
"""How long the holder waits for the successor it invited."""


class Source(Protocol):
    """What runs upstream while the lease is held."""

    async def run(self) -> None:
        """Publish until cancelled."""

    def report(self) -> UpstreamReport:
        """Return what `/status` shows of it."""


class Election:
    """Runs a source while this process holds the lease, and sends what it publishes.

    Ordered: what is sent is what was published, in order, under one epoch at a time. Never two:
    nothing is sent without the lease. Bounded by the outbox. Whatever was not sent when the server
    was lost is sent again, newest values only, under a new epoch.
    """

    def __init__(
        self,
        backplane: Backplane,
        demand: Demand,
        make_source: Callable[[LatestValues], Source],
        *,
        lease_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._backplane = backplane
        self._demand = demand
        self._make_source = make_source
        self._lease_s = lease_s
        self._now_s = clock.monotonic_s
        self._now_ms = clock.now_ms
        self._holder = make_holder(_make_name(), lease_s)
        self._appended = 0
        self._reconnects = 0
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._demand_changed = asyncio.Event()
        self._demand_changes = -1
        self._wanted = frozenset[str]()
        self._hold = ExitStack()
        self._is_checked = False
        self._floor = 0
        self._held_until_s = float("-inf")
        self._trouble: str | None = None
        self.position: StreamPosition | None = None
        """Where the stream ends; None while another publishes."""

    async def run(self) -> None:
        """Stand by, lead, stand by again; returns after `stop`.

        Raises:
            ExceptionGroup: when the source fails for good.
        """
        backoff = Backoff(cap_s=RETRY_CAP_S)
        try:
            while not self._stopping.is_set():
                try:
                    verdict = await self._request_lease(accept=False)
                    backoff.reset()
                    self._note(None)
                except BackplaneError as error:
                    self._note(str(error))
                    await self._pause(max(0.05, backoff.next_delay_s()))
                    continue
                if verdict == "held":
                    await self._pause(POLL_S * random.uniform(0.8, 1.2))
                else:
                    await self._serve(is_invited=verdict == "invited")
        finally:
            self._hold.close()
            with suppress(BackplaneError):
                await self._backplane.release(self._holder)

    def stop(self) -> None:
        """Hand over, if there is anything to hand over, and let `run` return."""
        self._stopping.set()
        self._changed.set()

    async def _request_lease(self, *, accept: bool) -> Verdict:
        """Ask for the lease; when it is ours a new epoch begins."""
        if not self._is_checked:
            await self._backplane.check()
            self._is_checked = True
        asked_s = self._now_s()
        verdict, epoch = await self._backplane.acquire(
            self._holder,
            self._lease_s,
            self._now_ms(),
            floor=self._floor,
            accept=accept,
            stand_by_s=3 * POLL_S,
        )
        if verdict == "leading":
            self._held_until_s = asked_s + self._lease_s
            self._floor = int(epoch)
            self.position = StreamPosition(epoch, 0)
            logger.info("publishing, epoch %s", epoch)
        return verdict

    async def _serve(self, *, is_invited: bool) -> None:
        """Lead until the lease is lost, handed over, or given up."""
        outbox = Outbox(self._changed.set)
        source = self._make_source(outbox)
        helpers: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:

            def start_source() -> "asyncio.Task[None]":
                task = tasks.create_task(source.run(), name="upstream")
                helpers.append(task)
                return task

            upstream: asyncio.Task[None] | None = None
            try:
                await self._read_demand()
                helpers.append(tasks.create_task(self._follow_demand(), name="demand"))
                if is_invited:
                    logger.info("taking over: going upstream before the other leaves")
                    upstream = start_source()
                    await self._warm_up(outbox)
                    if await self._request_lease(accept=True) != "leading":
                        return
                await self._inherit(outbox)
                upstream = upstream or start_source()
                helpers.append(tasks.create_task(self._report(source, outbox), name="report"))
                await self._lead(outbox, upstream)
            except BackplaneError as error:
                self._note(str(error))
            finally:
                self.position = None
                for task in helpers:
                    task.cancel()
        logger.info("left upstream")

    async def _lead(self, outbox: Outbox, upstream: "asyncio.Task[None]") -> None:
        """Send what is published, for as long as the lease can be kept."""
        while True:
            try:
                await self._send(outbox)
                await self._stop_publishing(outbox, upstream)
                return
            except LeaseLost:
                if self._stopping.is_set():
                    logger.info("handed over")
                    return
                logger.warning("the lease is lost, or the server has lost what was published")
            except BackplaneError as error:
                self._note(str(error))
            if self._stopping.is_set() or not await self._reclaim():
                return
            await self._inherit(outbox)

    async def _reclaim(self) -> bool:
        """Acquire the lease again before another can, and return whether it is ours."""
        while self._now_s() < self._held_until_s:
            try:
                verdict = await self._request_lease(accept=False)
                self._note(None)
                return verdict == "leading"
            except BackplaneError as error:
                self._note(str(error))
                await self._pause(RETRY_CAP_S / 4)
        return False

    async def _send(self, outbox: Outbox) -> None:
        """Publish batch after batch; returns when the process is to stop and nobody follows.

        Raises:
            LeaseLost: also when an invited successor has taken over, as it should.
        """
        invited_until_s: float | None = None
        while True:
            if outbox.pending <= BATCH:  # else there is more than one batch: no time to gather
                await self._gather(outbox)
            if self._stopping.is_set() and invited_until_s is None:
                if not await self._backplane.invite(self._holder, HAND_OVER_S):
                    return
                logger.info("handing over")
                invited_until_s = self._now_s() + HAND_OVER_S
            if invited_until_s is not None and self._now_s() > invited_until_s:
                return
            assert self.position is not None
            if self._floor > int(self.position.epoch):
                raise LeaseLost("a later epoch has been seen")
            asked_s = self._now_s()
            changes = await self._publish(outbox)
            self._held_until_s = asked_s + self._lease_s
            if changes != self._demand_changes:
                self._demand_changes = changes
                self._demand_changed.set()

    async def _publish(self, outbox: Outbox) -> int:
        """Send a batch, and return how often what is wanted has changed."""
        assert self.position is not None
        before = self.position
        self.position, changes = await self._backplane.publish(
            self._holder, self._lease_s, before, outbox.drain(BATCH)
        )
        self._appended += self.position.offset - before.offset
        return changes

    async def _gather(self, outbox: Outbox) -> None:
        """Return when there is something to publish, or a heartbeat is due."""
        self._changed.clear()
        if not outbox.pending:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._changed.wait()
            except TimeoutError:
                return
        await asyncio.sleep(GATHER_S)

    async def _stop_publishing(self, outbox: Outbox, upstream: "asyncio.Task[None]") -> None:
        """Publish that nothing follows, and release the lease."""
        upstream.cancel()
        await asyncio.wait([upstream], timeout=1.0)
        publish_stale(outbox, "the feed process was stopped", now_ms=self._now_ms())
        while outbox.pending:
            await self._publish(outbox)
        await self._backplane.release(self._holder)

    async def _inherit(self, outbox: Outbox) -> None:
        """Begin the epoch with everything that is known, here or from the publisher before."""
        snapshot = await self._backplane.read_snapshot()
        records = [record for _, record in snapshot.records]
        left = {each.symbol for each in records if isinstance(each, MarketRecord)}
        # What nobody wants any more lingers like a symbol whose last viewer has just left.
        for symbols in (left, left & self._demand.wanted):
            try:
                with self._demand.acquire(symbols):
                    pass
                break
            except TooManySymbols:
                continue
        outbox.inherit(records, self._demand.wanted)
        outbox.restart()

    async def _warm_up(self, outbox: Outbox) -> None:
        """Return when everything wanted has a price, or has had its time."""
        deadline_s = self._now_s() + WARM_S
        while self._now_s() < deadline_s:
            status = outbox.latest(status_topic("feed"))
            is_live = isinstance(status, Status) and status.state in ("live", "closed")
            if is_live and all(
                outbox.latest(market_topic("quote_update", s)) for s in self._demand.wanted
            ):
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self._changed.wait()
            except TimeoutError:
                # Also without news: stopped meanwhile, or the inviter is gone.
                if self._stopping.is_set():
                    return

    async def _follow_demand(self) -> None:
        """Want what the web processes want."""
        while True:
            self._demand_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(WANTED_S):
                    await self._demand_changed.wait()
            with suppress(BackplaneError):  # the task that sends logs it; what was wanted still is
                await self._read_demand()

    async def _read_demand(self) -> None:
        wanted, newest_epoch = await self._backplane.read_demand()
        self._floor = max(self._floor, newest_epoch)
        if wanted == self._wanted:
            return
        hold = ExitStack()
        try:
            hold.enter_context(self._demand.acquire(wanted))
        except TooManySymbols as error:
            logger.warning("not everything that is wanted can be followed: %s", error)
            kept = sorted(wanted & self._wanted) + sorted(wanted - self._wanted)
            self._hold.close()  # first, because there is no room for both
            wanted = self._demand.fit(kept)
            hold.enter_context(self._demand.acquire(wanted))
        before, self._hold, self._wanted = self._hold, hold, wanted
        before.close()

    async def _report(self, source: Source, outbox: Outbox) -> None:
        """Publish what the web processes show of this process in `/status`."""
        while True:
            stats = LeaderReport(
                appended=self._appended,
                reconnects=self._reconnects,
                waiting=outbox.pending,
                conflated=outbox.conflated,
            )
            report = msgspec.structs.replace(source.report(), leader=stats)
            with suppress(BackplaneError):  # the task that sends logs it
                await self._backplane.write_report(report, 3 * REPORT_S)
            await asyncio.sleep(REPORT_S)

    async def _pause(self, delay_s: float) -> None:
        """Sleep, unless the process is to stop."""
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _note(self, trouble: str | None) -> None:
        """Log what is wrong, once, and when it is over."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._is_checked = False
            if trouble is None:
                self._reconnects += 1
                logger.info("the server answers again")
            else:
                logger.warning("%s; trying again", trouble)


def _make_name() -> str:
    """Return a name that no other process has, and by which an operator finds this one."""
    return f"{socket.gethostname()[:MAX_HOST_LENGTH]}/{os.getpid()}/{secrets.token_hex(8)}"
