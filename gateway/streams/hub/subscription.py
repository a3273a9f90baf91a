"""What a subscriber is to see, and all who are to see the same as one group."""

import asyncio
from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING

import msgspec

from gateway.streams.hub.position import CONTROL_TYPES
from gateway.streams.records import ACCOUNT_TYPES, DEFAULT_TYPES, MARKET_TYPES, Key

if TYPE_CHECKING:
    from gateway.streams.hub.subscribers import Pushed


class Subscription(msgspec.Struct, frozen=True):
    """What a subscriber is to see. None means all that exist; `accounts` is already cut to grants.

    Status, heartbeat and gap events belong to every subscription.
    """

    types: frozenset[str] = DEFAULT_TYPES
    symbols: frozenset[str] | None = None
    accounts: frozenset[str] | None = None

    def matches(self, key: Key) -> bool:
        """Whether a record with this key belongs to it."""
        kind, subject = key
        if kind in CONTROL_TYPES:
            return True
        if kind not in self.types:
            return False
        wanted = self.symbols if kind in MARKET_TYPES else self.accounts
        return wanted is None or subject in wanted


def subscription_for(
    *,
    types: frozenset[str] = DEFAULT_TYPES,
    symbols: Iterable[str] | None = None,
    accounts: Iterable[str] | None = None,
) -> Subscription:
    """A subscription in canonical form, so that equal wishes share one group and its bytes."""
    return Subscription(
        types=types,
        symbols=None if symbols is None or not types & MARKET_TYPES else frozenset(symbols),
        accounts=None if accounts is None or not types & ACCOUNT_TYPES else frozenset(accounts),
    )


class Group:
    """All subscribers of one subscription: they share one waiter, one key set and the chunks."""

    __slots__ = ("chunks", "keys", "kinds", "members", "pushed", "subscription", "waiter")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.members = 0
        # What `Subscription.matches` says, as two sets: asked for every event of every group.
        kinds, keys = set(CONTROL_TYPES), set[Key]()
        for all_kinds, wanted in (
            (MARKET_TYPES, subscription.symbols),
            (ACCOUNT_TYPES, subscription.accounts),
        ):
            if wanted is None:
                kinds |= subscription.types & all_kinds
            else:
                keys |= set(product(subscription.types & all_kinds, wanted))
        self.kinds = frozenset(kinds)
        self.keys = frozenset(keys)
        self.chunks: dict[int, tuple[bytes, int]] = {}
        self.waiter: asyncio.Future[int] | None = None
        # Those who have taken everything up to the last flush; a dict for its order.
        self.pushed: dict[Pushed, None] = {}

    def matches(self, key: Key) -> bool:
        """Whether a record with this key belongs to it."""
        return key in self.keys or key[0] in self.kinds

    def matches_any(self, keys: set[Key], kinds: set[str]) -> bool:
        """Whether one of these keys, which are of these kinds, belongs to it."""
        return not (self.kinds.isdisjoint(kinds) and self.keys.isdisjoint(keys))

    def wake(self, begin: int) -> None:
        """Wake the waiting; nothing of theirs lies between their cursor and `begin`."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(begin)
        self.waiter = None
