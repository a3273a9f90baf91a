"""Counts of what was dropped, nulled or looks wrong on the way to a viewer, by reason; pure.

A type is dxFeed's name of an event, the account stream's name of a notification, or `frame` for
what is not known to be any; a reason is one of those below, so neither grows with what is sent.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from gateway.streams.reports import DropsReport

DropStats = Counter[tuple[str, str]]
"""How many, by type and reason."""

Fate = Literal["dropped", "nulled", "suspicious"]
"""Dropped as a whole; one value replaced by null; passed on although it looks wrong."""

FRAME = "frame"

REASONS: dict[str, str] = {
    # Frames and messages.
    "not JSON": "could not be read as JSON",
    "not an object": "were JSON, but no message",
    "unknown message": "were of a type that the gateway does not know",
    "unknown channel": "named a channel that was not opened",
    "unknown state": "held a state that the protocol does not have",
    "unknown type": "were of another type than their channel",
    "malformed": "did not have the form that was agreed",
    "no symbol": "named no symbol",
    "not wanted": "were of symbols that nobody follows any more",
    "failed": "could not be handled; the log says why",
    # Values.
    "unknown": "were not known upstream (as where nobody bids)",
    "unreadable": "were of another kind than the field",
    "not finite": "were infinite",
    "negative price": "were prices below zero of what never trades there",
    "negative size": "were sizes or volumes below zero",
    "too large": "were larger than any market's",
    # Records.
    "crossed": "had a bid above the ask",
    "below zero": "had a price below zero",
    "no value": "came without a net liquidating value",
}
"""Every reason, as the end of a sentence about records or values."""

_BEGINNINGS: dict[Fate, tuple[str, str]] = {
    "dropped": ("messages or rows", "and were dropped"),
    "nulled": ("values", "and are shown as unknown"),
    "suspicious": ("records", "and were passed on as they came"),
}


def describe(drop_stats: Mapping[Fate, DropStats]) -> list[str]:
    """Return sentences for an operator, most frequent first."""
    counted = sorted(
        ((count, fate, *key) for fate, drops in drop_stats.items() for key, count in drops.items()),
        key=lambda each: (-each[0], each[1:]),
    )
    return [
        f"{count:,} {_BEGINNINGS[fate][0]} of type {kind} {REASONS[reason]} {_BEGINNINGS[fate][1]}."
        for count, fate, kind, reason in counted
        if count
    ]


def report_drops(drop_stats: Mapping[Fate, DropStats]) -> DropsReport:
    """Return fate, type, reason and count of each, and the same in sentences."""
    counts: list[tuple[str, str, str, int]] = [
        (fate, kind, reason, count)
        for fate, drops in drop_stats.items()
        for (kind, reason), count in sorted(drops.items())
        if count
    ]
    return DropsReport(counts=counts, in_words=describe(drop_stats))
