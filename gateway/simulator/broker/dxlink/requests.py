"""What clients write in their messages, read with care; pure."""

import math

from gateway.simulator.broker.dxlink.channel import BadAction

KEEPALIVE_S = 60.0  # the longest that a client may ask us to promise or promise itself


def read_seconds(value: object) -> float:
    """Return a keep-alive time, the longest there is for what is no positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return KEEPALIVE_S
    return float(value) if math.isfinite(value) else KEEPALIVE_S


def whole(seconds: float) -> int | float:
    """Return whole seconds as an integer, as the protocol writes them."""
    return int(seconds) if seconds.is_integer() else seconds


def read_items(value: object) -> list[tuple[str, str, float | None]]:
    """Return the (type, symbol, fromTime) of a subscription list. Raises: BadAction."""
    if value is None:
        return []
    found: list[tuple[str, str, float | None]] = []
    for item in value if isinstance(value, list) else [None]:
        kind = item.get("type") if isinstance(item, dict) else None
        symbol = item.get("symbol") if isinstance(item, dict) else None
        if not isinstance(kind, str) or not isinstance(symbol, str):
            raise BadAction("A subscription has a type and a symbol")
        start = item.get("fromTime") if isinstance(item, dict) else None
        known = isinstance(start, int | float) and not isinstance(start, bool)
        found.append((kind, symbol, float(start) if known and start is not None else None))
    return found
