"""What the upstream half is given to publish with, and how it tells its state.

The hub is one; the backplane between processes is to be another.
"""

from collections.abc import Collection, Iterable
from typing import Literal, Protocol

from gateway.streams.events import Record, State, Status, Upstream, format_time


class Publisher(Protocol):
    """Where records go, and what is known of them afterwards."""

    def publish(self, record: Record) -> int:
        """Make the record the newest of its key."""

    def latest(self, kind: str, subject: str) -> Record | None:
        """Return the newest record of a key."""

    def mark_stale(self, stale: bool = True, symbols: Collection[str] | None = None) -> int:
        """Publish every market record again whose mark is another; or only of these symbols."""

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop the records of symbols that are followed no more."""


def tell_status(
    publisher: Publisher,
    upstream: Upstream,
    state: State,
    reason: str | None,
    *,
    now_ms: int,
    market: Literal["open", "closed"] | None = None,
) -> None:
    """Publish the state of an upstream if it is news; `since` is when the state began."""
    since = format_time(now_ms)
    known = publisher.latest("status", upstream)
    if isinstance(known, Status):
        if (known.state, known.reason, known.market) == (state, reason, market):
            return
        if known.state == state:
            since = known.since
    publisher.publish(
        Status(upstream=upstream, state=state, since=since, reason=reason, market=market)
    )
