"""What a subscriber is to see, and how that is asked of every event."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.streams.account_records import ACCOUNT_TYPES
from gateway.streams.hub.position import CONTROL_TYPES
from gateway.streams.records import DEFAULT_TYPES, MARKET_TYPES
from gateway.streams.topics import Grant, Owner, Topic, covers, list_market_topics


class Subscription(msgspec.Struct, frozen=True):
    """What a subscriber is to see. None means all that exist.

    `owners` are whose private records and statuses it may see: an account, all accounts of a login,
    or the login itself. They need not be listed one by one, and they are what was granted.
    Heartbeats, gaps and the statuses that are nobody's belong to every subscription.
    """

    types: frozenset[str] = DEFAULT_TYPES
    symbols: frozenset[str] | None = None
    owners: Grant = None

    def matches(self, topic: Topic) -> bool:
        """Say whether a record of this topic belongs to it."""
        if topic.kind in MARKET_TYPES:
            is_wanted = self.symbols is None or topic.subject in self.symbols
            return is_wanted and topic.kind in self.types
        is_wanted = topic.kind in CONTROL_TYPES or topic.kind in self.types
        return is_wanted and covers(self.owners, topic.owner)


def subscription_for(
    *,
    types: frozenset[str] = DEFAULT_TYPES,
    symbols: Iterable[str] | None = None,
    owners: Iterable[Owner] | None = None,
) -> Subscription:
    """Return a subscription in canonical form, so that equal ones share a group and its bytes."""
    is_private = bool(types & ACCOUNT_TYPES)
    granted = None
    if owners is not None:
        # Without a type of theirs these make no difference to what is seen.
        granted = frozenset(
            each
            for each in owners
            if (is_private or not each.account) and ("alert" in types or not each.viewer)
        )
    return Subscription(
        types=types,
        symbols=None if symbols is None or not types & MARKET_TYPES else frozenset(symbols),
        owners=granted,
    )


class TopicFilter:
    """Which topics belong to a subscription, for all who have it, and the chunks made of them."""

    __slots__ = ("chunks", "kinds", "subscription", "topics")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        # What `Subscription.matches` says of market data, as two sets: asked for every event of
        # every group. Private records are few, and asked for one by one.
        kinds, topics = set[str](), set[Topic]()
        market = subscription.types & MARKET_TYPES
        if subscription.symbols is None:
            kinds |= market
        else:
            topics.update(list_market_topics(market, subscription.symbols))
        self.kinds = frozenset(kinds)
        self.topics = frozenset(topics)
        self.chunks: dict[int, tuple[bytes, int]] = {}
        """The chunk behind each cursor, and the cursor behind it, until the next flush."""

    def matches(self, topic: Topic) -> bool:
        """Say whether a record of this topic belongs to it."""
        if topic.kind in MARKET_TYPES:
            return topic in self.topics or topic.kind in self.kinds
        return self.subscription.matches(topic)

    def matches_any(self, topics: set[Topic], kinds: set[str], others: Sequence[Topic]) -> bool:
        """Say whether one of these topics, which are of these kinds, belongs to it.

        `others` are those of them that are no market data.
        """
        if not (self.kinds.isdisjoint(kinds) and self.topics.isdisjoint(topics)):
            return True
        return any(map(self.subscription.matches, others))
