"""What every publisher does with the newest record of each topic; pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from operator import attrgetter

import msgspec

from gateway.streams.account_records import BalanceUpdate
from gateway.streams.records import MARKET_TYPES, MarketRecord, MetricsUpdate, Record, Status
from gateway.streams.topics import Grant, Topic, covers, list_market_topics


class LatestValues(ABC):
    """The newest record of each topic. The hub and the outbox are the two that hold them."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Record], None]] = []
        """Called with each record that is published here, when it is the newest; must not raise."""

    @abstractmethod
    def publish(self, record: Record) -> int:
        """Make the record the newest of its topic and return how many were published.

        A removal makes an end of the topic's newest record.
        """

    @abstractmethod
    def latest(self, topic: Topic) -> Record | None:
        """Return the newest record of a topic."""

    @abstractmethod
    def records(self) -> Iterable[Record]:
        """Iterate over the newest record of each topic."""

    @abstractmethod
    def forget_topics(self, topics: Iterable[Topic]) -> None:
        """Drop the records of these topics; those that have none are ignored."""

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop all market data of symbols that nobody follows any more, to bound memory."""
        self.forget_topics(list_market_topics(MARKET_TYPES, symbols))

    def mark_stale(self, stale: bool = True, symbols: Collection[str] | None = None) -> int:
        """Publish market records again whose `stale` differs, and return how many.

        Of all symbols, or only of these. Metrics do not come from the feed, so they are as good
        without it.
        """
        changed = [
            record
            for record in self.records()
            if isinstance(record, MarketRecord)
            and not isinstance(record, MetricsUpdate)
            and record.stale is not stale
            and (symbols is None or record.symbol in symbols)
        ]
        for record in changed:
            self.publish(msgspec.structs.replace(record, stale=stale))
        return len(changed)

    def mark_all_stale(self) -> None:
        """Publish every record again that says whether it is stale and is not: also private ones.

        For who has lost the publisher, and with it whatever would say so of a part.
        """
        for record in list(self.records()):
            if getattr(record, "stale", True) is False:
                self.publish(msgspec.structs.replace(record, stale=True))

    def statuses(self, grant: Grant = None) -> list[Status]:
        """Return the newest status of every upstream that a grant includes."""
        found = [record for record in self.records() if isinstance(record, Status)]
        return [record for record in found if covers(grant, record.topic.owner)]

    def balances(self) -> list[BalanceUpdate]:
        """Return the newest balance of every account, sorted by account number."""
        found = [record for record in self.records() if isinstance(record, BalanceUpdate)]
        return sorted(found, key=attrgetter("account"))
