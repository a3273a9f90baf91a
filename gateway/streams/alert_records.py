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

    `value`, `bid`, `ask`, `at` and `missed` are of the last firing, None before the first; `id`
    and `fired_arm` tell it from every other, and it may come more than once. `current` is the
    figure now, None while it cannot be relied on. Of a deleted alert it is the last record.
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
    current: Decimal | None
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
