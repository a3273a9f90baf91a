"""What a subscriber is to see, and all who are to see the same as one group."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from gateway.streams.hub.position import CONTROL_TYPES
from gateway.streams.records import ACCOUNT_TYPES, DEFAULT_TYPES, MARKET_TYPES
from gateway.streams.topics import Topic, balance_topic, list_market_topics

if TYPE_CHECKING:
    from gateway.streams.hub.subscribers import Subscriber


class Subscription(msgspec.Struct, frozen=True):
    """What a subscriber is to see. None means all that exist; `accounts` is already cut to grants.

    Status, heartbeat and gap events belong to every subscription.
    """

    types: frozenset[str] = DEFAULT_TYPES
    symbols: frozenset[str] | None = None
    accounts: frozenset[str] | None = None

    def matches(self, topic: Topic) -> bool:
        """Say whether a record of this topic belongs to it."""
        if topic.kind in CONTROL_TYPES:
            return True
        if topic.kind not in self.types:
            return False
        if topic.kind in MARKET_TYPES:
            return self.symbols is None or topic.subject in self.symbols
        return self.accounts is None or topic.owner.account in self.accounts


def subscription_for(
    *,
    types: frozenset[str] = DEFAULT_TYPES,
    symbols: Iterable[str] | None = None,
    accounts: Iterable[str] | None = None,
) -> Subscription:
    """Return a subscription in canonical form, so that equal ones share a group and its bytes."""
    return Subscription(
        types=types,
        symbols=None if symbols is None or not types & MARKET_TYPES else frozenset(symbols),
        accounts=None if accounts is None or not types & ACCOUNT_TYPES else frozenset(accounts),
    )


class Group:
    """All subscribers of one subscription: they share the topics that match, and the chunks."""

    __slots__ = ("chunks", "kinds", "members", "paced", "ready", "subscription", "topics")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.members = 0
        # What `Subscription.matches` says, as two sets: asked for every event of every group.
        kinds, topics = set(CONTROL_TYPES), set[Topic]()
        market, private = subscription.types & MARKET_TYPES, subscription.types & ACCOUNT_TYPES
        if subscription.symbols is None:
            kinds |= market
        else:
            topics.update(list_market_topics(market, subscription.symbols))
        if subscription.accounts is None:
            kinds |= private
        elif private:
            topics.update(map(balance_topic, subscription.accounts))
        self.kinds = frozenset(kinds)
        self.topics = frozenset(topics)
        self.chunks: dict[int, tuple[bytes, int]] = {}
        # Those whose sink can take more, without a rate and with one; dicts for their order.
        self.ready: dict[Subscriber, None] = {}
        self.paced: dict[Subscriber, None] = {}

    def matches(self, topic: Topic) -> bool:
        """Say whether a record of this topic belongs to it."""
        return topic in self.topics or topic.kind in self.kinds

    def matches_any(self, topics: set[Topic], kinds: set[str]) -> bool:
        """Say whether one of these topics, which are of these kinds, belongs to it."""
        return not (self.kinds.isdisjoint(kinds) and self.topics.isdisjoint(topics))
