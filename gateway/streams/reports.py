"""What each part of the gateway reports for `/status`: counts, ages, words, never a secret; pure.

With a backplane the feed process writes its report for the web processes, which may be of another
version: a part that cannot be read is left out, and no other.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The session of a login."""

    token_expires_in_s: float | None
    """None before the first token."""
    refreshes: int


class AccountsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The balances of a login: how often they came, and how."""

    connects: int
    polls: int
    pushes: int
    readings: int
    """Of positions and orders, by REST."""
    holes: int
    """In the counter of the account stream: something was lost."""


class DeskReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a login holds, as counts; never an amount."""

    positions: int
    orders: int
    not_followed: int
    """Held symbols for which there is no room among those that are followed."""
    net_liq_drift: float | None
    """How far the last net liquidating value was off from the broker's, as a fraction of it."""


class FeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """The market data connection; `received` counts events by their type."""

    connects: int
    last_error: str | None
    last_event_age_s: float | None
    symbols: int
    silent_symbols: int
    received: dict[str, int]


class NextChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a market is next, and from when on: ISO 8601 in UTC, whole seconds."""

    state: str | None
    at: str


class MarketReport(msgspec.Struct, frozen=True, kw_only=True):
    """A market now; None where it is not known."""

    state: str | None
    next: NextChange | None


class CalendarReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every market by its name."""

    disagreements_with_broker: int
    markets: dict[str, MarketReport]


class DropsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was dropped, nulled or looks wrong: fate, type, reason and count; and in sentences."""

    counts: list[tuple[str, str, str, int]]
    in_words: list[str]


class LeaderReport(msgspec.Struct, frozen=True, gc=False):
    """Counters of the feed process that publishes, since it began."""

    appended: int
    """Entries that it appended to the stream."""
    reconnects: int
    """Times that it reached the server again."""
    waiting: int
    """Changes that have yet to be sent."""
    conflated: int
    """Updates that a newer one replaced before they were sent."""


class BackplaneReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a web process reaches what the feed process publishes; None for what it does not know."""

    trouble: str | None
    silent_s: float | None
    lag_s: float | None
    entries: int
    loads: int
    gaps: int
    reconnects: int
    unreadable: int
    fenced: int | None
    holder: str | None
    lease_age_s: float | None


class UpstreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of the way from the broker; a part that nobody reports is not there."""

    session: SessionReport | UnsetType = UNSET
    accounts: AccountsReport | UnsetType = UNSET
    desk: DeskReport | UnsetType = UNSET
    feed: FeedReport | UnsetType = UNSET
    market_hours: CalendarReport | UnsetType = UNSET
    left_out: DropsReport | UnsetType = UNSET
    leader: LeaderReport | UnsetType = UNSET
    backplane: BackplaneReport | UnsetType = UNSET


def read_report(document: dict[str, Any]) -> UpstreamReport:
    """Return the report of a process of any version, without the parts that are not as here."""
    known = {}
    for field in msgspec.structs.fields(UpstreamReport):
        if field.name in document:
            try:
                known[field.name] = msgspec.convert(document[field.name], field.type)
            except msgspec.ValidationError:
                continue
    return UpstreamReport(**known)
