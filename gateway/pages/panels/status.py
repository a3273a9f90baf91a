"""The state of the upstreams in words, the market's hours, the exchange's clock.

In the header of every page, whose heartbeat its clock is: a message a second, however quiet the
market is. As a panel of its own, with every upstream in full.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from gateway.pages.authoring.builder import current_builder
from gateway.pages.panel import FragmentPanel, Key, Region
from gateway.pages.rendering.formats import (
    EXCHANGE_TIME_NAME,
    format_clock,
    format_iso,
    parse_iso,
)
from gateway.streams.records import Record, Status
from gateway.streams.topics import TopicPattern, status_topic

UPSTREAMS = ("feed", "session", "accounts")
NAMES = {"feed": "Feed", "session": "Broker connection", "accounts": "Accounts"}
WORDS = {
    "connecting": "connecting",
    "live": "live",
    "stale": "stale",
    "degraded": "partly working",
    "closed": "lost",
}
QUALITIES = {
    "delayed": ("Delayed data", "The broker says that these quotes are delayed"),
    "demo": ("Demo data", "The broker says that these quotes are not of the real market"),
}
"""A badge and what it means, for what is no data of this moment."""

QUIET = "quiet"
"""How a feed that is closed with its market is shown: nothing is wrong with it."""


def status() -> None:
    """Place the state of every upstream: the feed, the login, the accounts."""
    builder = current_builder("status")
    builder.add(UpstreamsPanel(builder.new_id("upstreams")))


STARTING = {"state": "connecting", "words": "starting", "since": None, "reason": None}
"""A feed that has not spoken yet."""

KEYS: tuple[Key, ...] = (status_topic("feed"), TopicPattern("status"))
"""The feed's status is everybody's; those of a login are for who may see them."""


class UpstreamsPanel(FragmentPanel):
    """Every upstream of the viewer's with its state, since when, and why."""

    is_private: bool = True

    template: ClassVar[str] = "panels/upstreams.html"
    frame: ClassVar[str] = "panels/upstreams_frame.html"

    def keys(self) -> tuple[Key, ...]:
        """The status of every upstream that the viewer may see."""
        return KEYS

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """A line for each; a feed that has not spoken yet is starting."""
        lines = [_line(each) for each in _list_statuses(records)]
        if records[0] is None:
            lines.insert(0, {**STARTING, "name": NAMES["feed"]})
        return {"lines": lines}


class StatusPanel(FragmentPanel):
    """The feed always; the viewer's login and accounts when something is wrong with them."""

    is_private: bool = True
    template: ClassVar[str] = "panels/status.html"
    frame: ClassVar[str] = "panels/status_frame.html"
    region: ClassVar[Region] = "header"
    refresh_s: float | None = 1.0

    def keys(self) -> tuple[Key, ...]:
        """The status of every upstream that the viewer may see."""
        return KEYS

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Lines of name, state, words, since and reason; the market; the clock."""
        statuses = _list_statuses(records)
        feed = next((each for each in statuses if each.upstream == "feed"), None)
        others = [each for each in statuses if each.upstream != "feed" and each.state != "live"]
        shown = [feed] if feed else []
        if login := [each for each in others if _is_refused(each)]:
            shown, others = [], login  # whatever else is wrong follows from it
        return {
            "lines": [_line(each) for each in shown + others],
            "market": feed.market if feed else None,
            "quality": QUALITIES.get(feed.data_quality or "") if feed else None,
            "clock": format_clock(now_ms),
            "clock_iso": format_iso(now_ms),
            "zone": EXCHANGE_TIME_NAME,
        }


def _list_statuses(records: Sequence[Record | None]) -> list[Status]:
    found = [each for each in records if isinstance(each, Status)]
    return sorted(found, key=lambda each: UPSTREAMS.index(each.upstream))


def _is_refused(status: Status) -> bool:
    return status.upstream == "session" and status.state == "closed"


def _line(status: Status) -> dict[str, str | None]:
    since_ms = parse_iso(status.since)
    is_live = status.state == "live"
    state = QUIET if (status.upstream, status.state) == ("feed", "closed") else status.state
    return {
        "name": NAMES.get(status.upstream, status.upstream),
        "state": state,
        "words": WORDS.get(state, state),
        "since": None if is_live or since_ms is None else format_clock(since_ms),
        "since_iso": format_iso(since_ms),
        "reason": None if is_live else status.reason,
    }
