"""What the feed process publishes, on its way to the backplane; pure.

The newest record of every key, and the changes that have yet to be carried. Nothing here waits or
knows Valkey; `gateway.streams.backplane.election` carries.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable

import msgspec

from gateway.streams.records import MARKET_TYPES, MarketRecord, Record, Status
from gateway.streams.topics import Topic, list_market_topics, status_topic

MAX_PENDING = 20_000
"""Changes that wait before updates of the same key are merged: seconds of a busy market, 10 MB."""


class Forget(msgspec.Struct, frozen=True):
    """The records with these keys are no more."""

    keys: tuple[Topic, ...]


class Complete(msgspec.Struct, frozen=True):
    """Everything that its publisher knew at the beginning of its epoch has been published."""


Change = Record | Forget | Complete


class Outbox:
    """A publisher whose changes are taken from it in batches.

    Ordered. May drop: intermediate updates of a key while more than `max_pending` wait, counted in
    `conflated`; never the newest. That is no loss, and no `gap` is told: every record is the whole
    one of its key, and what was merged never had an id, so no reader was to have it. What had one
    and does not come is told where that is noticed, in the hub and in the replica. Bounded by
    `max_pending` and by the number of keys. What has been taken and was not carried comes again
    with `restart`.
    """

    def __init__(self, *, max_pending: int = MAX_PENDING) -> None:
        self.conflated = 0
        self.published = 0
        self.on_change: Callable[[], None] = lambda: None
        self._max_pending = max_pending
        self._latest: dict[Topic, Record] = {}
        self._pending: deque[Change] = deque()
        self._inherited: set[Topic] = set()

    @property
    def pending(self) -> int:
        """How many changes wait."""
        return len(self._pending)

    @property
    def keys(self) -> Collection[Topic]:
        """What there is a newest record of."""
        return self._latest.keys()

    def publish(self, record: Record) -> int:
        """How many records were published; this is now the newest of its key."""
        self.published += 1
        self._latest[record.topic] = record
        self._add(record)
        if self._inherited and record.topic == status_topic("accounts"):
            self._settle_accounts()
        return self.published

    def latest(self, topic: Topic) -> Record | None:
        """The newest record of a key."""
        return self._latest.get(topic)

    def mark_stale(self, stale: bool = True, symbols: Collection[str] | None = None) -> int:
        """How many market records were published again because their mark changed."""
        changed = [
            record
            for record in self._latest.values()
            if isinstance(record, MarketRecord)
            and record.stale is not stale
            and (symbols is None or record.symbol in symbols)
        ]
        for record in changed:
            self.publish(msgspec.structs.replace(record, stale=stale))
        return len(changed)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop the records of symbols that are followed no more."""
        topics = list_market_topics(MARKET_TYPES, symbols)
        self._forget(topic for topic in topics if topic in self._latest)

    def inherit(self, records: Iterable[Record], symbols: Collection[str]) -> None:
        """Take over what a publisher before this one left and this one does not know yet.

        Market data is kept for these symbols, stale, and dropped for others. Balances stay until
        this publisher knows all of its own accounts.
        """
        for record in records:
            key = record.topic
            if key in self._latest:
                continue
            if isinstance(record, MarketRecord):
                if record.symbol in symbols:
                    self._latest[key] = msgspec.structs.replace(record, stale=True)
                else:
                    self._add(Forget((key,)))
            elif not isinstance(record, Status):
                self._inherited.add(key)
        self._settle_accounts()

    def restart(self) -> None:
        """Let everything known be carried again, as at the beginning of an epoch."""
        forgotten = [each for each in self._pending if isinstance(each, Forget)]
        self.conflated += sum(
            not isinstance(each, Forget | Complete) and self._latest.get(each.topic) is not each
            for each in self._pending
        )
        statuses = [each for each in self._latest.values() if isinstance(each, Status)]
        others = [each for each in self._latest.values() if not isinstance(each, Status)]
        self._pending = deque([*forgotten, *statuses, *others, Complete()])
        self.on_change()

    def take(self, limit: int) -> list[Change]:
        """The oldest changes that wait, at most so many."""
        pending = self._pending
        return [pending.popleft() for _ in range(min(limit, len(pending)))]

    def _add(self, change: Change) -> None:
        pending = self._pending
        pending.append(change)
        # The second bound keeps the cost of merging per record constant.
        if len(pending) >= self._max_pending and len(pending) >= 2 * len(self._latest):
            self._conflate()
        self.on_change()

    def _conflate(self) -> None:
        """Merge the waiting updates of each key into the newest, in the newest's place."""
        seen: set[Topic] = set()
        kept: list[Change] = []
        for change in reversed(self._pending):
            if not isinstance(change, Forget | Complete):
                if change.topic in seen:
                    continue
                seen.add(change.topic)
            kept.append(change)
        self.conflated += len(self._pending) - len(kept)
        self._pending = deque(reversed(kept))

    def _forget(self, keys: Iterable[Topic]) -> None:
        gone = tuple(keys)
        for key in gone:
            self._latest.pop(key, None)
        if gone:
            self._add(Forget(gone))

    def _settle_accounts(self) -> None:
        """Once every followed account has a balance, those of others are of the past."""
        status = self.latest(status_topic("accounts"))
        if isinstance(status, Status) and status.state == "live":
            gone = self._inherited - self._latest.keys()
            self._inherited.clear()
            self._forget(gone)
