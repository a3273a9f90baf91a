"""What the feed process publishes, on its way to the backplane; pure.

The newest record of every topic, and the changes that have yet to be sent. Nothing here waits or
knows Valkey; `gateway.streams.backplane.election` sends.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable

import msgspec

from gateway.streams.account_records import Removed
from gateway.streams.alert_records import AlertUpdate
from gateway.streams.latest import LatestValues
from gateway.streams.records import MarketRecord, Record, Status
from gateway.streams.topics import Topic, status_topic

MAX_PENDING = 20_000
"""Changes that wait before updates of one topic are merged: seconds of a busy market, 10 MB."""


class Tombstone(msgspec.Struct, frozen=True):
    """The records of these topics are gone."""

    topics: tuple[Topic, ...]


class EpochComplete(msgspec.Struct, frozen=True):
    """Everything that its publisher knew at the beginning of its epoch has been published."""


Change = Record | Tombstone | EpochComplete


class Outbox(LatestValues):
    """A publisher whose changes are drained in batches.

    Ordered. May drop: intermediate updates of a topic while more than `max_pending` wait, counted
    in `conflated`; never the newest. No `gap` follows from that: every record is the whole state of
    its topic, and what was merged never had an id. Bounded by `max_pending` and by the number of
    topics. A batch that was drained and could not be sent comes again with `restart`.
    `on_change` is called when there is something to drain.
    """

    def __init__(
        self, on_change: Callable[[], None] = lambda: None, *, max_pending: int = MAX_PENDING
    ) -> None:
        super().__init__()
        self.conflated = 0
        self.published = 0
        self._on_change = on_change
        self._max_pending = max_pending
        self._latest: dict[Topic, Record] = {}
        self._pending: deque[Change] = deque()
        self._inherited: set[Topic] = set()

    @property
    def pending(self) -> int:
        """How many changes wait."""
        return len(self._pending)

    @property
    def topics(self) -> Collection[Topic]:
        """What there is a newest record of."""
        return self._latest.keys()

    def publish(self, record: Record) -> int:
        """Make the record the newest of its topic and return how many were published."""
        self.published += 1
        if isinstance(record, Removed):
            self._latest.pop(record.topic, None)
        else:
            self._latest[record.topic] = record
        self._add(record)
        if self._inherited and isinstance(record, Status) and record.upstream == "accounts":
            self._settle_accounts(record.login)
        published = self.published
        for listener in self.listeners:
            listener(record)
        return published

    def latest(self, topic: Topic) -> Record | None:
        """Return the newest record of a topic."""
        return self._latest.get(topic)

    def records(self) -> Collection[Record]:
        """Return the newest record of each topic."""
        return self._latest.values()

    def forget_topics(self, topics: Iterable[Topic]) -> None:
        """Drop the records of these topics; those that have none are ignored."""
        self._bury([each for each in topics if each in self._latest])

    def inherit(self, records: Iterable[Record], symbols: Collection[str]) -> None:
        """Adopt what a publisher before this one left and this one does not know yet.

        Market data is kept for these symbols, stale, and dropped for others. Balances stay until
        this publisher knows all accounts of their login.
        """
        for record in records:
            topic = record.topic
            if topic in self._latest:
                continue
            if isinstance(record, MarketRecord):
                if record.symbol in symbols:
                    self._latest[topic] = msgspec.structs.replace(record, stale=True)
                else:
                    self._add(Tombstone((topic,)))
            elif isinstance(record, AlertUpdate):
                # Whoever watches alerts here publishes all that there are.
                self._add(Tombstone((topic,)))
            elif not isinstance(record, Status):
                self._inherited.add(topic)
        for login in {topic.owner.login for topic in self._inherited}:
            self._settle_accounts(login)

    def restart(self) -> None:
        """Queue everything known again, as at the beginning of an epoch."""
        tombstones = [each for each in self._pending if isinstance(each, Tombstone | Removed)]
        self.conflated += sum(
            not isinstance(each, Tombstone | Removed | EpochComplete)
            and self._latest.get(each.topic) is not each
            for each in self._pending
        )
        statuses = [each for each in self._latest.values() if isinstance(each, Status)]
        others = [each for each in self._latest.values() if not isinstance(each, Status)]
        self._pending = deque([*tombstones, *statuses, *others, EpochComplete()])
        self._on_change()

    def drain(self, limit: int) -> list[Change]:
        """Remove and return the oldest changes that wait, at most so many."""
        pending = self._pending
        return [pending.popleft() for _ in range(min(limit, len(pending)))]

    def _add(self, change: Change) -> None:
        pending = self._pending
        pending.append(change)
        # The second bound keeps the cost of merging per record constant.
        if len(pending) >= self._max_pending and len(pending) >= 2 * len(self._latest):
            self._conflate()
        self._on_change()

    def _conflate(self) -> None:
        """Merge the waiting updates of each topic into the newest, in the newest's place."""
        seen: set[Topic] = set()
        kept: list[Change] = []
        for change in reversed(self._pending):
            if not isinstance(change, Tombstone | EpochComplete):
                if change.topic in seen:
                    continue
                seen.add(change.topic)
            kept.append(change)
        self.conflated += len(self._pending) - len(kept)
        self._pending = deque(reversed(kept))

    def _bury(self, topics: Collection[Topic]) -> None:
        for topic in topics:
            self._latest.pop(topic, None)
        if topics:
            self._add(Tombstone(tuple(topics)))

    def _settle_accounts(self, login: str) -> None:
        """Bury a login's balances that nobody follows, once all other accounts have theirs."""
        status = self.latest(status_topic("accounts", login))
        if isinstance(status, Status) and status.state == "live":
            inherited = {topic for topic in self._inherited if topic.owner.login == login}
            self._inherited -= inherited
            self._bury(inherited - self._latest.keys())
