"""The web process's side of the backplane: a hub that holds what the feed process publishes.

It reads every newest record, follows the stream from there, tells what its viewers want, and marks
everything stale when nothing is heard for a while, be it the feed process or the server.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from gateway.errors import BackplaneError
from gateway.streams.backoff import Backoff
from gateway.streams.backplane.codec import Lease, Wish
from gateway.streams.backplane.outbox import Change, Complete, Forget
from gateway.streams.backplane.server import Backplane
from gateway.streams.backplane.stats import BackplaneStats, LeaderStats
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.hub.position import Origin, order_of
from gateway.streams.hub.subscription import Subscription
from gateway.streams.publisher import publish_stale, publish_status
from gateway.streams.records import DATA_TYPES, MARKET_TYPES, Record
from gateway.streams.topics import Topic

logger = logging.getLogger(__name__)

SILENT_S = 3.0
"""Without a sign of life, which comes every half second; a viewer is to know within five."""

WATCH_S = 0.25

RETRY_CAP_S = 1.0
"""Between two tries to reach the server: everybody is to be current within seconds."""

READ_PAUSE_S = 0.002
"""Between two reads: what comes meanwhile is read together, well before the hub's own tick."""

WISH_S = 5.0
"""How long a wish outlives its web process."""

WISH_AGAIN_S = 1.5

WISH_GATHER_S = 0.05
"""A page that opens wants several things at once."""

GOODBYE_S = 0.5
"""For taking a wish back: a shutdown does not wait for a server that hangs."""

GAP_REASON = "backplane"
"""Of what this process could not read any more; that of a slow reader is another."""

YIELD_RECORDS = 500
"""Records taken over before other tasks get a turn."""

LOADING = "the newest records are being read"

EVERYTHING = Subscription(types=DATA_TYPES)


class Follower:
    """Keeps a hub equal to what is published; the hub promises what it always does.

    Nothing is lost while the server holds the stream that far back, also over a lost connection;
    else the newest records are read again, and every subscriber is told of the `gap`, because what
    it did not get had an id. What cannot be proved fresh is marked stale, without an id, until its
    publisher is heard again or another has published it.
    """

    def __init__(
        self,
        backplane: Backplane,
        hub: Hub,
        demand: Demand,
        *,
        silent_s: float = SILENT_S,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._backplane = backplane
        self._hub = hub
        self._demand = demand
        self._silent_s = silent_s
        self._clock = clock
        self._now_ms = now_ms
        self._name = secrets.token_hex(8)
        self._wish_changed = asyncio.Event()
        self._heard_s = float("-inf")
        self._trouble: str | None = LOADING
        self._is_loaded = False
        self._marked: dict[Topic, tuple[Record, Record]] = {}
        self._marked_epoch = ""
        self._marked_reason: str | None = None
        self._feed_report: dict[str, Any] | None = None
        self._mark: Origin = hub.origin
        self._lease: Lease | None = None
        self._lag_s: float | None = None
        self._sought: Origin | None = None
        self._sought_s: float | None = None
        self._reconnects = 0
        self.loads = 0
        self.entries = 0
        self.gaps = 0

    async def run(self) -> None:
        """Follow until cancelled, whatever becomes of the server."""
        self._demand.on_change = self._wish_changed.set
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(), name="replica")
                tasks.create_task(self._watch(), name="replica watchdog")
                tasks.create_task(self._wish(), name="wishes")
        finally:
            with suppress(BackplaneError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._backplane.want_nothing(self._name)
            await self._backplane.close()

    def find_trouble(self) -> str | None:
        """Why there is nothing to serve yet; None once everything known has been read."""
        return None if self._is_loaded else self._trouble

    def report(self) -> dict[str, Any]:
        """What `/status` tells: the feed process's own report, and how it is reached."""
        silent_s, lease, lag_s = self._clock() - self._heard_s, self._lease, self._find_lag_s()
        return {
            **(self._feed_report or {}),
            "backplane": {
                "trouble": self._trouble,
                "silent_s": round(silent_s, 3) if silent_s < float("inf") else None,
                "lag_s": None if lag_s is None else round(lag_s, 4),
                "entries": self.entries,
                "loads": self.loads,
                "gaps": self.gaps,
                "reconnects": self._reconnects,
                "unreadable": self._backplane.unreadable,
                "fenced": lease.fenced if lease else None,
                "holder": lease.holder if lease else None,
                "lease_age_s": lease.age_s if lease else None,
            },
        }

    def figures(self) -> BackplaneStats:
        """What `/metrics` tells."""
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
            leader=_read_leader(self._feed_report),
        )

    async def _follow(self) -> None:
        backoff = Backoff(cap_s=RETRY_CAP_S)
        while True:
            try:
                await self._backplane.check()
                await self._load()
                backoff.reset()
                while True:
                    changes = await self._backplane.read_after(self._mark)
                    if not await self._take(changes):
                        await self._load()
                    await asyncio.sleep(READ_PAUSE_S)
            except BackplaneError as error:
                self._note(str(error))
                await asyncio.sleep(max(0.05, backoff.next_delay_s()))

    async def _load(self) -> None:
        """Take over the newest records, and where the stream goes on behind them."""
        newest = await self._backplane.read_newest()
        if self._trouble not in (None, LOADING):
            self._reconnects += 1
        self._note(None)
        hub = self._hub
        if self._is_loaded and not await self._catch_up(newest.mark):
            self.gaps += 1
            hub.publish_gap(GAP_REASON)
            logger.warning("the stream was trimmed too soon: reading the newest")
        if order_of(newest.mark) < order_of(hub.origin):
            # The server lost what had been published. A later epoch than any ever seen will come,
            # because the publisher is told of the newest that was: see `Wish`.
            self._mark = hub.origin
        else:
            for index, (origin, record) in enumerate(newest.records):
                hub.replicate(record, origin)
                if index % YIELD_RECORDS == YIELD_RECORDS - 1:
                    await asyncio.sleep(0)
            hub.advance(newest.mark)
            hub.know_history(newest.epochs, newest.provable_from)
            self._mark = newest.mark
            if newest.is_complete:
                self._drop_missing({record.topic for _, record in newest.records})
            if newest.silent_s is not None:
                self._heard_s = max(self._heard_s, self._clock() - newest.silent_s)
                self._revive()
        self.loads += 1
        self._is_loaded = True
        self._measure()
        self._marked_reason = None
        self._wish_changed.set()  # who lost what was published lost what is wanted, too
        self._look()

    async def _catch_up(self, mark: Origin) -> bool:
        """Whether everything up to this mark could be read."""
        while order_of(self._mark) < order_of(mark):
            changes = await self._backplane.read_after(self._mark)
            if not changes or not await self._take(changes, is_news=False):
                return False
        return True

    async def _take(
        self, changes: Iterable[tuple[Origin, Change | None]], *, is_news: bool = True
    ) -> bool:
        """Whether these changes go on from what is known; if not, none is missing before them.

        News is a sign of life; what was missed may be from a publisher that has died since.
        """
        hub = self._hub
        for index, (origin, change) in enumerate(changes):
            epoch, seq = self._mark
            if origin[1] != (seq + 1 if origin[0] == epoch else 1):
                return False
            self._mark = origin
            self.entries += 1
            if isinstance(change, Forget):
                hub.advance(origin)
                self._drop(change.keys, origin)
            elif isinstance(change, Complete):
                hub.advance(origin)
                self._drop(hub.list_before(origin[0]), origin)
            elif change is None:
                hub.advance(origin)
            else:
                hub.replicate(change, origin)
            if index % YIELD_RECORDS == YIELD_RECORDS - 1:
                await asyncio.sleep(0)
            if is_news:
                self._heard_s = self._clock()
        self._measure()
        if is_news and self._marked and self._heard_s + self._silent_s > self._clock():
            self._revive()
        return True

    def _drop(self, keys: Iterable[Topic], origin: Origin) -> None:
        """Forget these; who sees all symbols is told that they will not move again."""
        gone = list(keys)
        if gone:
            self._hub.mark_stale(
                symbols={topic.subject for topic in gone if topic.kind in MARKET_TYPES}
            )
            self._hub.forget_keys(gone)
            self._hub.know_history((), origin)

    def _drop_missing(self, present: set[Topic]) -> None:
        has_balances = any(
            topic.kind not in MARKET_TYPES and topic.kind != "status" for topic in present
        )
        held = [each.topic for each in self._hub.snapshot(EVERYTHING)]
        missing = [
            key
            for key in held
            if key not in present
            and (key[0] in MARKET_TYPES or (has_balances and key[0] in DATA_TYPES))
        ]
        self._drop(missing, self._hub.origin)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            self._look()

    def _look(self) -> None:
        """Mark everything stale when nothing has been heard for too long."""
        if self._clock() - self._heard_s <= self._silent_s:
            return
        statuses = self._hub.statuses()
        if len(statuses) == self._hub.keys:  # there is nothing that could be stale
            reason = self._trouble or "no feed process has published yet"
            publish_status(self._hub, "feed", "connecting", reason, now_ms=self._now_ms())
            return
        reason = self._trouble or "the feed process is silent; waiting for one that is not"
        if reason == self._marked_reason:
            return
        self._marked_reason = reason
        before = [(each.topic, each.record) for each in self._hub.snapshot(EVERYTHING)]
        publish_stale(self._hub, reason, now_ms=self._now_ms())
        if self._marked_epoch != self._hub.epoch:
            # Another publisher's by now: it publishes again what is still right of that.
            self._marked.clear()
            self._marked_epoch = self._hub.epoch
        for key, record in before:
            mark = self._hub.latest(key)
            if mark is not None and mark is not record:
                # What has come since the last mark is newer than what that mark replaced.
                original, earlier = self._marked.get(key, (record, record))
                self._marked[key] = (original if earlier is record else record, mark)

    def _revive(self) -> None:
        """The publisher is heard again: what was marked and not replaced is right as it was.

        Of another publisher that is not so: it publishes again what it knows.
        """
        marked, self._marked = self._marked, {}
        self._marked_reason = None
        if self._marked_epoch == self._hub.epoch:
            for key, (original, mark) in marked.items():
                if self._hub.latest(key) is mark:
                    self._hub.publish(original)

    async def _wish(self) -> None:
        """Make known what is wanted here, when it changes and often enough to be believed."""
        while True:
            self._wish_changed.clear()
            self._demand.expire()
            symbols = tuple(sorted(self._demand.wanted))
            delay_s = WISH_AGAIN_S
            try:
                wish = Wish(int(self._hub.epoch), symbols)
                await self._backplane.want(self._name, wish, WISH_S)
                self._feed_report = await self._backplane.read_report()
                await self._seek()
            except BackplaneError:
                self._lease = None
                delay_s = RETRY_CAP_S  # who follows tells
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wish_changed.wait()
            await asyncio.sleep(WISH_GATHER_S)

    async def _seek(self) -> None:
        """Look who publishes, and how long it takes until we have what is there now.

        By this process's clock alone: those of two machines may differ by more than the lag.
        """
        asked_s = self._clock()
        if self._sought_s is None:
            self._sought, self._sought_s = None, asked_s
        self._lease = await self._backplane.read_lease()
        if self._sought is None:
            self._sought = self._lease.mark
            self._measure()

    def _measure(self) -> None:
        """Note the lag, if what was sought has come."""
        if self._sought is None or self._sought_s is None:
            return
        if order_of(self._mark) >= order_of(self._sought):
            self._lag_s = self._clock() - self._sought_s
            self._sought = self._sought_s = None

    def _find_lag_s(self) -> float | None:
        """The last lag; longer when something has been sought for longer."""
        if self._sought_s is None:
            return self._lag_s
        return max(self._lag_s or 0.0, self._clock() - self._sought_s)

    def _note(self, trouble: str | None) -> None:
        """Log what is wrong, once, and that it is over."""
        if trouble != self._trouble:
            if trouble is not None:
                logger.warning("%s; trying again", trouble)
            elif self._trouble != LOADING:
                logger.info("the server answers again")
            self._trouble = trouble


def _read_leader(report: dict[str, Any] | None) -> LeaderStats | None:
    """What a feed process, which may be of another version, tells of its publishing."""
    try:
        return msgspec.convert((report or {}).get("leader"), LeaderStats | None)
    except msgspec.ValidationError:
        return None
