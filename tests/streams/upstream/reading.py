"""Events of rows, and the records that come of them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.streams.records import (
    encode,
)
from gateway.streams.upstream.normalize import Normalizer
from gateway.streams.upstream.sdk import EVENT_CLASSES, EVENT_TYPES, wire_fields

NOW_MS = 1_795_188_600_123


OPTION = ".SPXW260318C7015"


FIELDS = {name: list(wire_fields(name)) for name in EVENT_TYPES}


def make_events(event_type: str, symbol: str = "SPY", **values: Any) -> list[Any]:
    """What comes of a row in which the rest is as when nothing is known."""
    assert set(values) <= set(FIELDS[event_type])
    row = [values.get(name, "NaN") for name in FIELDS[event_type]]
    row[0] = symbol
    return EVENT_CLASSES[event_type].from_stream(row)


def normalize(normalizer: Normalizer, event_type: str, *args: Any, **values: Any) -> Any:
    """The last record of one event."""
    (event,) = make_events(event_type, *args, **values)
    return normalizer.normalize(event, NOW_MS)[-1]


def known(record: Any) -> dict[str, Any]:
    """The values of a record that are not null."""
    body = json.loads(encode(record), parse_float=Decimal, parse_constant=pytest.fail)
    for name in ("type", "symbol", "updated_at", "source", "stale", "refused", "last_at"):
        body.pop(name, None)
    return {name: value for name, value in body.items() if value is not None}
