"""The record of an alert, private to the viewer who made it; pure."""

from decimal import Decimal
from typing import Literal

import msgspec

from gateway.streams.topics import Owner, Topic

AlertState = Literal["armed", "fired", "blind", "expired", "deleted"]


class AlertUpdate(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="alert"
):
    """An alert: its rule in short, its state, and how it fired last.

    Published when that changes, not with the figure: each firing is one event. `value`, `bid`,
    `ask`, `at` and `missed` are of the last firing, None before the first; `id` and `fired_arm`
    tell it from every other. Of a deleted alert it is the last record.
    """

    id: str
    viewer: str
    arm: int
    state: AlertState
    key: str
    field: str
    op: str
    threshold: Decimal
    note: str
    fired_arm: int | None
    value: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    at: str | None
    missed: bool | None

    @property
    def topic(self) -> Topic:
        """The topic of the alert."""
        return Topic("alert", Owner(viewer=self.viewer), self.id)
