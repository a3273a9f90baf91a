"""An alert's rule: read from JSON, with every mistake named; pure."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Operator = Literal["crosses_above", "crosses_below", "above", "below"]
Rearm = Literal["once", "cross", "daily"]

FIELDS = {
    "quote_update": {
        *("last", "bid", "ask", "change", "change_pct", "volume", "extended_last"),
        *("open", "high", "low"),
    },
    "greeks_update": {"price", "volatility", "delta", "gamma", "theta", "rho", "vega"},
    "underlying_update": {"volatility", "put_call_ratio", "option_volume"},
    "metrics_update": {
        "implied_volatility_index",
        "implied_volatility_rank",
        "implied_volatility_percentile",
    },
    "balance_update": {"balance", "buying_power", "cash"},
    "position_update": {
        *("mark", "value", "pnl_open", "pnl_open_pct", "pnl_day", "delta", "theta"),
        *("beta_delta", "days_to_expiration"),
    },
    "portfolio_update": {
        *("net_liq", "value", "pnl_open", "pnl_day", "day_change", "delta", "theta"),
        "beta_delta",
    },
}
"""What can be watched: the figures of a record, by its type."""

TICK = Decimal("0.01")
BAND_TICKS = 2
BAND_PART = Decimal("0.001")
"""The band within which an alert that fired is not armed again: two ticks, or this part of the
threshold if that is more."""

MAX_FOR_S = 24 * 3600
MAX_CHANNELS = 10
MAX_NOTE_LENGTH = 500


class RuleError(ValueError):
    """The rule cannot be used; the message is a sentence for people."""

    def __init__(self, parameter: str, words: str) -> None:
        super().__init__(f"{parameter}: {words}")
        self.parameter = parameter


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure of a record, and what it is compared with."""

    key: str
    """The record's type and subject: `quote_update:SPY`."""
    field: str
    op: Operator
    value: Decimal

    @property
    def kind(self) -> str:
        """The record's type."""
        return self.key.partition(":")[0]

    @property
    def subject(self) -> str:
        """What the record is of; a symbol may have colons of its own."""
        return self.key.partition(":")[2]

    @property
    def is_rising(self) -> bool:
        """Whether it becomes true by rising."""
        return self.op in ("crosses_above", "above")

    @property
    def is_cross(self) -> bool:
        """Whether the crossing counts, not how long it stays."""
        return self.op in ("crosses_above", "crosses_below")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to hear of, where, and how often."""

    when: Condition
    for_s: float = 0.0
    rearm: Rearm = "once"
    channels: tuple[str, ...] = ("page",)
    note: str = ""
    expires_at: datetime | None = None
    band: Decimal | None = None
    """How far back the figure must go before the alert is armed again; None for the usual."""

    def is_met(self, value: Decimal) -> bool:
        """Return whether a value fulfils the condition; the threshold itself does."""
        return value >= self.when.value if self.when.is_rising else value <= self.when.value

    @property
    def return_point(self) -> Decimal:
        """The value at which an alert that fired may be armed again."""
        band = self.band
        if band is None:
            band = max(BAND_TICKS * TICK, BAND_PART * abs(self.when.value))
        return self.when.value - band if self.when.is_rising else self.when.value + band

    def is_back(self, value: Decimal) -> bool:
        """Return whether a value is beyond the band, on the other side."""
        point = self.return_point
        return value <= point if self.when.is_rising else value >= point

    def is_over(self, at_ms: int) -> bool:
        """Return whether the rule has expired."""
        return self.expires_at is not None and at_ms >= self.expires_at.timestamp() * 1000


def parse_rule(content: bytes | str) -> Rule:
    """Return the rule of a JSON document.

    Raises:
        RuleError: with the parameter that is wrong.
    """
    try:
        rule = msgspec.json.decode(content, type=Rule)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$.")
        raise RuleError(place.rstrip("`") or "rule", words[:1].lower() + words[1:]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RuleError("rule", "is not JSON") from None
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    when = rule.when
    fields = FIELDS.get(when.kind)
    if fields is None or not when.subject:
        raise RuleError("when.key", "must be a type and a subject, such as quote_update:SPY")
    if when.field not in fields:
        raise RuleError("when.field", f"{when.kind} has {', '.join(sorted(fields))}")
    if not when.value.is_finite():
        raise RuleError("when.value", "must be a number")
    if not 0 <= rule.for_s <= MAX_FOR_S:
        raise RuleError("for_s", f"must be from 0 to {MAX_FOR_S} seconds")
    if rule.for_s and when.is_cross:
        raise RuleError("for_s", "a crossing takes no time; use above or below")
    if rule.band is not None and not (rule.band.is_finite() and rule.band >= 0):
        raise RuleError("band", "must be 0 or more")
    if not 1 <= len(rule.channels) <= MAX_CHANNELS or not all(rule.channels):
        raise RuleError("channels", f"name from 1 to {MAX_CHANNELS}")
    if len(rule.note) > MAX_NOTE_LENGTH:
        raise RuleError("note", f"has at most {MAX_NOTE_LENGTH} characters")
    if rule.expires_at is not None and rule.expires_at.tzinfo is None:
        raise RuleError("expires_at", "needs a time zone, such as Z")
