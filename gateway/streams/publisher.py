"""What the upstream half is given to publish with, and how it tells its state.

The hub is one; the outlet to the backplane between processes is the other.
"""

from collections.abc import Collection, Iterable
from typing import Literal, Protocol

from gateway.streams.latest import LatestValues
from gateway.streams.records import Record, State, Status, Upstream, format_time
from gateway.streams.topics import MAIN_LOGIN, Topic, status_topic


class Publisher(Protocol):
    """Where records go, and what is known of them afterwards."""

    def publish(self, record: Record) -> int:
        """Make the record the newest of its key."""

    def latest(self, topic: Topic) -> Record | None:
        """Return the newest record of a key."""

    def mark_stale(self, stale: bool = True, symbols: Collection[str] | None = None) -> int:
        """Publish every market record again whose mark is another; or only of these symbols."""

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop the records of symbols that are followed no more."""


def publish_status(
    publisher: Publisher,
    upstream: Upstream,
    state: State,
    reason: str | None,
    *,
    now_ms: int,
    market: Literal["open", "closed"] | None = None,
    login: str = MAIN_LOGIN,
    data_quality: Literal["real-time", "delayed", "demo"] | None = None,
) -> None:
    """Publish the state of an upstream if it is news; `since` is when the state began."""
    since = format_time(now_ms)
    known = publisher.latest(status_topic(upstream, login))
    if isinstance(known, Status):
        if (known.state, known.reason, known.market, known.data_quality) == (
            state,
            reason,
            market,
            data_quality,
        ):
            return
        if known.state == state:
            since = known.since
    publisher.publish(
        Status(
            upstream=upstream,
            state=state,
            since=since,
            reason=reason,
            market=market,
            login=login,
            data_quality=data_quality,
        )
    )


def publish_stale(publisher: LatestValues, reason: str, *, now_ms: int) -> None:
    """Publish that nothing of what is known is fresh any more, and why; of every login."""
    for known in publisher.statuses():
        publish_status(
            publisher,
            known.upstream,
            "stale",
            reason,
            now_ms=now_ms,
            market=known.market,
            login=known.login,
            data_quality=known.data_quality,
        )
    publisher.mark_all_stale()
