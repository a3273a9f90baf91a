"""The viewer's alerts: what each waits for, its state, and how it fired last."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from gateway.pages.authoring.builder import current_builder
from gateway.pages.panel import FragmentPanel, Key, Region
from gateway.streams.alert_records import AlertUpdate
from gateway.streams.records import Record
from gateway.streams.topics import TopicPattern

WORDS = {
    "crosses_above": "crosses above",
    "crosses_below": "crosses below",
    "above": "is above",
    "below": "is below",
}
UNKNOWN = "–"
MOST_TOLD = 5
"""Firings that a page is told of when it opens; it shows those of the last minute."""


def alerts() -> None:
    """Place the viewer's own alerts, those that fired last first."""
    builder = current_builder("alerts")
    builder.add(AlertsPanel(builder.new_id("alerts")))


class AlertsPanel(FragmentPanel):
    """A row an alert."""

    template: ClassVar[str] = "panels/alerts.html"
    frame: ClassVar[str] = "panels/alerts_frame.html"
    is_private: bool = True
    pause_s: float = 0.5

    def keys(self) -> tuple[Key, ...]:
        """All alerts of whoever looks."""
        return (TopicPattern("alert"),)

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Return a row for each alert that is not deleted."""
        return {"rows": [_row(each) for each in list_newest(records)]}


class ToldPanel(FragmentPanel):
    """Hidden on every page: the newest firings, of which the page's script makes toasts."""

    template: ClassVar[str] = "panels/told.html"
    frame: ClassVar[str] = "panels/told_frame.html"
    region: ClassVar[Region] = "notice"
    is_private: bool = True

    def keys(self) -> tuple[Key, ...]:
        """All alerts of whoever looks."""
        return (TopicPattern("alert"),)

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        """Return the newest firings."""
        fired = [each for each in list_newest(records) if each.at is not None]
        return {
            "firings": [
                {"key": f"{each.id}-{each.fired_arm}", "at": each.at, "text": describe(each)}
                for each in fired[:MOST_TOLD]
            ]
        }


def list_newest(records: Sequence[Record | None]) -> list[AlertUpdate]:
    """Return the alerts that are not deleted, those that fired last first."""
    found = [r for r in records if isinstance(r, AlertUpdate) and r.state != "deleted"]
    return sorted(found, key=lambda each: each.at or "", reverse=True)


def describe(alert: AlertUpdate) -> str:
    """Return a firing as a sentence."""
    verb = "was missed" if alert.missed else "fired"
    note = f": {alert.note}" if alert.note else ""
    return f"{_name(alert)} {verb} at {_format(alert.value)}{note}"


def _name(alert: AlertUpdate) -> str:
    subject = alert.key.partition(":")[2]
    field = alert.field.replace("_", " ")
    return f"{subject} {field} {WORDS.get(alert.op, alert.op)} {_format(alert.threshold)}"


def _row(alert: AlertUpdate) -> dict[str, Any]:
    return {
        "name": _name(alert),
        "note": alert.note,
        "state": alert.state,
        "at": alert.at,
        "value": _format(alert.value),
        "missed": alert.missed,
    }


def _format(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{value:f}"
