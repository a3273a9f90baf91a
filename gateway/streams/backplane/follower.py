"""The web process's side of the backplane: keeps a hub equal to what the feed process publishes.

It reads every newest record, follows the stream from there, publishes what its viewers want, and
marks everything stale when neither the feed process nor the server has been heard for a while.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import BackplaneError
from gateway.streams.account_records import AccountRecord, removal_of
from gateway.streams.backoff import Backoff
from gateway.streams.backplane.codec import Lease, ProcessDemand
from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.backplane.outbox import Change, EpochComplete, Tombstone
from gateway.streams.backplane.server import Backplane
from gateway.streams.backplane.stats import BackplaneStats
from gateway.streams.demand import Demand
from gateway.streams.hub.position import StreamPosition
from gateway.streams.hub.subscription import Subscription
from gateway.streams.publisher import publish_stale, publish_status
from gateway.streams.records import DATA_TYPES, MARKET_TYPES, Record
from gateway.streams.reports import BackplaneReport, UpstreamReport
from gateway.streams.topics import Topic

logger = logging.getLogger(__name__)

SILENT_S = 3.0
"""Without an entry, which comes every half second; a viewer must know within five."""

WATCH_S = 0.25

RETRY_CAP_S = 1.0
"""Between two tries to reach the server: everybody must be current within seconds."""

READ_PAUSE_S = 0.002
"""Between two reads: what arrives meanwhile is read together, well before the hub's own tick."""

DEMAND_S = 5.0
"""How long what a web process wants outlives it."""

DEMAND_AGAIN_S = 1.5

DEMAND_GATHER_S = 0.05
"""A page that opens wants several things at once."""

GOODBYE_S = 0.5
"""For withdrawing what was wanted: a shutdown does not wait for a server that hangs."""

GAP_REASON = "backplane"
"""Of what was trimmed before this process read it; a slow subscriber has another reason."""

YIELD_RECORDS = 500
"""Records applied before other tasks get a turn."""

LOADING = "the newest records are being read"

EVERYTHING = Subscription(types=DATA_TYPES)


class Follower:
    """Keeps a hub equal to what is published; the hub promises what it always does.

    Nothing is lost while the server holds the stream that far back, also over a lost connection;
    else the newest records are read again, and every subscriber gets a `gap`, because what it
    missed had an id. What cannot be proved fresh is marked stale, without an id, until its
    publisher is heard again or another has published it.
    """

    def __init__(
        self,
        backplane: Backplane,
        hub: FollowerHub,
        demand: Demand,
        *,
        silent_s: float = SILENT_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._backplane = backplane
        self._hub = hub
        self._demand = demand
        self._silent_s = silent_s
        self._now_s = clock.monotonic_s
        self._now_ms = clock.now_ms
        self._name = secrets.token_hex(8)
        self._demand_changed = asyncio.Event()
        self._heard_s = float("-inf")
        self._trouble: str | None = LOADING
        self._is_loaded = False
        self._stale: dict[Topic, tuple[Record, Record]] = {}
        self._stale_epoch = ""
        self._stale_reason: str | None = None
        self._feed_report = UpstreamReport()
        self._position = hub.position
        self._lease: Lease | None = None
        self._lag_s: float | None = None
        self._sought: StreamPosition | None = None
        self._sought_s: float | None = None
        self._reconnects = 0
        self.loads = 0
        self.entries = 0
        self.gaps = 0

    async def run(self) -> None:
        """Follow until cancelled, whatever happens to the server."""
        self._demand.listeners.append(self._demand_changed.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(), name="follower")
                tasks.create_task(self._watch(), name="follower watchdog")
                tasks.create_task(self._publish_demand(), name="demand")
        finally:
            self._demand.listeners.remove(self._demand_changed.set)
            with suppress(BackplaneError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._backplane.clear_demand(self._name)
            await self._backplane.close()

    def find_trouble(self) -> str | None:
        """Return why there is nothing to serve yet; None once everything known has been read."""
        return None if self._is_loaded else self._trouble

    def report(self) -> UpstreamReport:
        """Return what `/status` shows: the feed process's own report, and how it is reached."""
        silent_s, lease, lag_s = self._now_s() - self._heard_s, self._lease, self._find_lag_s()
        backplane = BackplaneReport(
            trouble=self._trouble,
            silent_s=round(silent_s, 3) if silent_s < float("inf") else None,
            lag_s=None if lag_s is None else round(lag_s, 4),
            entries=self.entries,
            loads=self.loads,
            gaps=self.gaps,
            reconnects=self._reconnects,
            unreadable=self._backplane.unreadable,
            fenced=lease.fenced if lease else None,
            holder=lease.holder if lease else None,
            lease_age_s=lease.age_s if lease else None,
        )
        return msgspec.structs.replace(self._feed_report, backplane=backplane)

    def stats(self) -> BackplaneStats:
        """Return what `/metrics` shows."""
        lease = self._lease
        return BackplaneStats(
            is_reachable=self._trouble is None,
            lag_s=self._find_lag_s(),
            read=self.entries,
            loads=self.loads,
            gaps=self.gaps,
            reconnects=self._reconnects,
            unreadable=self._backplane.unreadable,
            epoch=int(self._hub.epoch),
            holder=lease.holder if lease else None,
            lease_age_s=lease.age_s if lease else None,
            fenced=lease.fenced if lease else None,
            leader=self._feed_report.leader or None,
        )

    async def _follow(self) -> None:
        backoff = Backoff(cap_s=RETRY_CAP_S)
        while True:
            try:
                await self._backplane.check()
                await self._load()
                backoff.reset()
                while True:
                    changes = await self._backplane.read_after(self._position)
                    if not await self._apply(changes):
                        await self._load()
                    await asyncio.sleep(READ_PAUSE_S)
            except BackplaneError as error:
                self._note(str(error))
                await asyncio.sleep(max(0.05, backoff.next_delay_s()))

    async def _load(self) -> None:
        """Adopt the newest records, and the position where the stream goes on behind them."""
        snapshot = await self._backplane.read_snapshot()
        if self._trouble not in (None, LOADING):
            self._reconnects += 1
        self._note(None)
        hub = self._hub
        if self._is_loaded and not await self._catch_up(snapshot.position):
            self.gaps += 1
            hub.publish_gap(GAP_REASON)
            logger.warning("the stream was trimmed too soon: reading the newest")
        if snapshot.position.order < hub.position.order:
            # The server lost what had been published. A later epoch than any ever seen will come,
            # because the publisher learns of the newest that was: see `ProcessDemand`.
            self._position = hub.position
        else:
            for index, (position, record) in enumerate(snapshot.records):
                hub.replicate(record, position)
                if index % YIELD_RECORDS == YIELD_RECORDS - 1:
                    await asyncio.sleep(0)
            hub.advance(snapshot.position)
            hub.recover_from(snapshot.epochs, snapshot.recoverable_from)
            self._position = snapshot.position
            if snapshot.is_complete:
                hub.confirm_epoch(snapshot.position.epoch)
                self._drop_missing({record.topic for _, record in snapshot.records})
            if snapshot.silent_s is not None:
                self._heard_s = max(self._heard_s, self._now_s() - snapshot.silent_s)
                self._on_recovered()
        self.loads += 1
        self._is_loaded = True
        self._measure()
        self._stale_reason = None
        self._demand_changed.set()  # who lost what was published lost what is wanted, too
        self._check_silence()

    async def _catch_up(self, position: StreamPosition) -> bool:
        """Read on to this position, and return whether nothing before it was trimmed."""
        while self._position.order < position.order:
            changes = await self._backplane.read_after(self._position)
            if not changes or not await self._apply(changes, is_news=False):
                return False
        return True

    async def _apply(
        self, changes: Iterable[tuple[StreamPosition, Change | None]], *, is_news: bool = True
    ) -> bool:
        """Apply changes in order; False when one is missing, and then none behind it is applied.

        News is a sign of life; what was missed may be from a publisher that has died since.
        """
        hub = self._hub
        for index, (position, change) in enumerate(changes):
            epoch, offset = self._position
            if position.offset != (offset + 1 if position.epoch == epoch else 1):
                return False
            self._position = position
            self.entries += 1
            if isinstance(change, Tombstone):
                hub.advance(position)
                self._drop(change.topics, position)
            elif isinstance(change, EpochComplete):
                hub.advance(position)
                hub.confirm_epoch(position.epoch)
                self._drop(hub.list_before(position.epoch), position)
            elif change is None:
                hub.advance(position)
            else:
                hub.replicate(change, position)
            if index % YIELD_RECORDS == YIELD_RECORDS - 1:
                await asyncio.sleep(0)
            if is_news:
                self._heard_s = self._now_s()
        self._measure()
        if is_news and self._stale and self._heard_s + self._silent_s > self._now_s():
            self._on_recovered()
        return True

    def _drop(self, topics: Iterable[Topic], position: StreamPosition) -> None:
        """Forget these; subscribers of all symbols see them stale, as they will not move again."""
        gone = list(topics)
        if gone:
            self._hub.mark_stale(
                symbols={topic.subject for topic in gone if topic.kind in MARKET_TYPES}
            )
            for topic in gone:
                # Nothing else would end a position or an order on the screens of those who see it.
                if isinstance(record := self._hub.latest(topic), AccountRecord):
                    self._hub.publish(removal_of(record))
            self._hub.forget_topics(gone)
            self._hub.recover_from((), position)

    def _drop_missing(self, present: set[Topic]) -> None:
        has_balances = any(
            topic.kind not in MARKET_TYPES and topic.kind != "status" for topic in present
        )
        held = [each.topic for each in self._hub.snapshot(EVERYTHING)]
        missing = [
            topic
            for topic in held
            if topic not in present
            and (topic.kind in MARKET_TYPES or (has_balances and topic.kind in DATA_TYPES))
        ]
        self._drop(missing, self._hub.position)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            self._check_silence()

    def _check_silence(self) -> None:
        """Mark everything stale when nothing has been heard for too long."""
        if self._now_s() - self._heard_s <= self._silent_s:
            return
        statuses = self._hub.statuses()
        if len(statuses) == self._hub.keys:  # there is nothing that could be stale
            reason = self._trouble or "no feed process has published yet"
            publish_status(self._hub, "feed", "connecting", reason, now_ms=self._now_ms())
            return
        reason = self._trouble or "the feed process is silent; waiting for one that is not"
        if reason == self._stale_reason:
            return
        self._stale_reason = reason
        before = [(each.topic, each.record) for each in self._hub.snapshot(EVERYTHING)]
        publish_stale(self._hub, reason, now_ms=self._now_ms())
        if self._stale_epoch != self._hub.epoch:
            # Another publisher's by now: it publishes again what is still right of that.
            self._stale.clear()
            self._stale_epoch = self._hub.epoch
        for topic, record in before:
            stale = self._hub.latest(topic)
            if stale is not None and stale is not record:
                # What has come since it was last marked is newer than what was replaced then.
                original, earlier = self._stale.get(topic, (record, record))
                self._stale[topic] = (original if earlier is record else record, stale)

    def _on_recovered(self) -> None:
        """Restore what was marked stale and not replaced: its publisher is heard again.

        Not of another publisher: it publishes again what it knows.
        """
        marked, self._stale = self._stale, {}
        self._stale_reason = None
        if self._stale_epoch == self._hub.epoch:
            for topic, (original, stale) in marked.items():
                if self._hub.latest(topic) is stale:
                    self._hub.publish(original)

    async def _publish_demand(self) -> None:
        """Publish what is wanted here when it changes, and again before it runs out."""
        while True:
            self._demand_changed.clear()
            self._demand.expire()
            symbols = tuple(sorted(self._demand.wanted))
            delay_s = DEMAND_AGAIN_S
            try:
                demand = ProcessDemand(int(self._hub.epoch), symbols)
                await self._backplane.write_demand(self._name, demand, DEMAND_S)
                self._feed_report = await self._backplane.read_report() or UpstreamReport()
                await self._probe_lag()
            except BackplaneError:
                self._lease = None
                delay_s = RETRY_CAP_S  # the task that follows logs it
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._demand_changed.wait()
            await asyncio.sleep(DEMAND_GATHER_S)

    async def _probe_lag(self) -> None:
        """Read who publishes, and begin to measure how long what is there now takes to get here.

        By this process's clock alone: those of two machines may differ by more than the lag.
        """
        asked_s = self._now_s()
        if self._sought_s is None:
            self._sought, self._sought_s = None, asked_s
        self._lease = await self._backplane.read_lease()
        if self._sought is None:
            self._sought = self._lease.position
            self._measure()

    def _measure(self) -> None:
        """Note the lag, if what was sought has arrived."""
        if self._sought is None or self._sought_s is None:
            return
        if self._position.order >= self._sought.order:
            self._lag_s = self._now_s() - self._sought_s
            self._sought = self._sought_s = None

    def _find_lag_s(self) -> float | None:
        """Return the last lag, or for how long something has been sought if that is more."""
        if self._sought_s is None:
            return self._lag_s
        return max(self._lag_s or 0.0, self._now_s() - self._sought_s)

    def _note(self, trouble: str | None) -> None:
        """Log what is wrong, once, and when it is over."""
        if trouble != self._trouble:
            if trouble is not None:
                logger.warning("%s; trying again", trouble)
            elif self._trouble != LOADING:
                logger.info("the server answers again")
            self._trouble = trouble
