"""Bad frames on demand, as text ready to send; pure.

`nan`: rows with every number "NaN"; `garbage`: not JSON; `arity`: a value too few; `empty`:
`data: []`; `oversized`: a good frame over 64 KiB; `error`: an ERROR message; `unknown`: a message
type that does not exist; `rows`: the caller's values as COMPACT data; `text`: the caller's text.
"""

import json
from typing import Any

from gateway.simulator.broker.dxlink.rows import FIELDS, Value

KINDS = ("text", "nan", "garbage", "arity", "empty", "oversized", "error", "unknown", "rows")
OVERSIZED_BYTES = 70_000


def make_bad_frame(
    kind: str,
    *,
    channel: int,
    event_type: str,
    symbol: str,
    text: str = "",
    error: str = "UNKNOWN",
    rows: list[Value] | None = None,
) -> str:
    """Return one bad frame for a channel. Raises: ValueError for an unknown kind or type."""
    if event_type not in FIELDS:
        raise ValueError(f"unknown type {event_type}")
    names = FIELDS[event_type]
    nan: list[Value] = [_nan_value(name, symbol) for name in names]
    if kind == "text":
        return text
    if kind == "garbage":
        return text or '{"type":"FEED_DATA","channel":'
    if kind == "error":
        return json.dumps(
            {
                "type": "ERROR",
                "channel": 0,
                "error": error,
                "message": text or "Session not found: api",
            }
        )
    if kind == "unknown":
        return json.dumps({"type": "SURPRISE", "channel": channel, "data": [1, 2, 3]})
    if kind == "empty":
        return _data(channel, [])
    if kind == "arity":
        return _data(channel, [event_type, nan[:-1]])
    if kind == "nan":
        return _data(channel, [event_type, nan])
    if kind == "oversized":
        return _data(channel, [event_type, nan * (1 + OVERSIZED_BYTES // len(json.dumps(nan)))])
    if kind == "rows":
        return _data(channel, [event_type, rows or []])
    raise ValueError(f"unknown kind {kind}")


def _data(channel: int, data: list[Any]) -> str:
    return json.dumps({"type": "FEED_DATA", "channel": channel, "data": data})


def _nan_value(name: str, symbol: str) -> Value:
    if name == "eventSymbol":
        return symbol
    if name in ("bidExchangeCode", "askExchangeCode", "exchangeCode"):
        return "\x00"
    whole = ("eventTime", "eventFlags", "index", "time", "sequence", "bidTime", "askTime", "dayId")
    return 0 if name in whole or name.endswith("NanoPart") else "NaN"
