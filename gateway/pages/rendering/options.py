"""Options as people write them: `SPY 18 Dec 26 600 C`; pure."""

import re
from datetime import date
from functools import lru_cache

REMEMBERED = 4096

_PARTS = re.compile(r"\.(?P<root>[A-Z0-9/]+?)(?P<date>\d{6})(?P<side>[CP])(?P<strike>[\d.]+)\Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(REMEMBERED)
def describe_option(symbol: str) -> tuple[str, str]:
    """Return the root and the contract for people: `SPY`, `18 Dec 26 600 C`.

    What has no date is returned as it is, without its point, and without a contract.
    """
    parts = _PARTS.match(symbol)
    if parts is None:
        return symbol.removeprefix("."), ""
    try:
        day = date(2000 + int(parts["date"][:2]), int(parts["date"][2:4]), int(parts["date"][4:]))
    except ValueError:
        return symbol.removeprefix("."), ""
    return (
        parts["root"],
        f"{day.day} {_MONTHS[day.month - 1]} {day:%y} {parts['strike']} {parts['side']}",
    )
