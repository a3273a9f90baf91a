"""What to say of a well-formed symbol that nothing is known of, and which one was meant; pure."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.streams.products import (
    COIN_VENUE,
    COINS,
    COMPANIES,
    INTERNALS,
    MONTH_LETTERS,
    PRODUCTS,
    find_lead,
    format_future,
    is_over,
)

UNKNOWN_AFTER_S = 5.0
"""A symbol without any data for this long, on a working feed, is reported as unknown."""

NOTHING_KNOWN = "nothing is known under this name"
FORMS = f"futures are written /ESZ26:XCME, crypto BTC/USD:{COIN_VENUE}"

FRIDAY = 4

_FUTURE = re.compile(
    rf"/(?P<root>[A-Z0-9]+?)(?:(?P<month>[{MONTH_LETTERS}])(?P<year>\d\d))?:(?P<exchange>[A-Z]+)\Z"
)
_OPTION = re.compile(r"\.(?P<root>[A-Z0-9]+?)(?P<date>\d{6})(?P<rest>[CP][\d.]+)\Z")
_CLASS = re.compile(r"(?P<root>[A-Z]{1,5})/(?P<letter>[A-Z])\Z")


@dataclass(frozen=True, slots=True)
class UnknownSymbol:
    """Why nothing may be known of a symbol, and the one that was probably meant."""

    symbol: str
    reason: str
    """A sentence without its full stop."""
    suggestion: str | None


def explain_unknown(symbol: str, today: date) -> UnknownSymbol:
    """Return what to tell somebody who waits for a symbol of which nothing has come."""
    name, brace, attributes = symbol.partition("{")
    ended, suggestion = _find_end(name, today), suggest(name, today)
    reason = NOTHING_KNOWN if ended is None else f"{NOTHING_KNOWN}: {ended}"
    if suggestion is not None:
        reason += f"; did you mean {suggestion}?"
        suggestion += brace + attributes
    elif ended is None:
        reason += f"; {FORMS}"
    return UnknownSymbol(symbol, reason, suggestion)


def suggest(symbol: str, today: date) -> str | None:
    """Return the symbol that was probably meant by one that nobody knows; None without an idea."""
    if found := _FUTURE.match(symbol):
        return _suggest_future(found, today)
    if found := _OPTION.match(symbol):
        return _suggest_option(found)
    if found := _CLASS.match(symbol):
        return f"{found['root']}/PR{found['letter']}"
    name = symbol.lstrip("$^")
    if name in COMPANIES:
        return COMPANIES[name]
    if name in PRODUCTS:
        return find_lead(PRODUCTS[name], today)
    coin = name.partition("/")[0]
    if coin in COINS and symbol != f"{coin}/USD:{COIN_VENUE}":
        return f"{coin}/USD:{COIN_VENUE}"
    if name in INTERNALS:
        return f"${name}" if symbol == name else None
    return name if name != symbol and name.isalpha() else None


def _suggest_future(found: re.Match[str], today: date) -> str | None:
    product = PRODUCTS.get(found["root"])
    if product is None:
        return None
    letter, year = found["month"], found["year"]
    is_listed = letter is not None and letter in product.months
    if not is_listed or is_over(letter, 2000 + int(year), today):
        return find_lead(product, today)
    if found["exchange"] != product.exchange:
        return format_future(product, letter, int(year))
    return None


def _suggest_option(found: re.Match[str]) -> str | None:
    day = _read_day(found["date"])
    is_monthly = day is not None and day.weekday() == FRIDAY and 15 <= day.day <= 21
    if found["root"] == "SPX" and not is_monthly:  # those of Cboe's weeks have a root of their own
        return f".SPXW{found['date']}{found['rest']}"
    return None


def _find_end(symbol: str, today: date) -> str | None:
    """Return why there can be no such contract on this day, if that can be told."""
    if (found := _OPTION.match(symbol)) and (day := _read_day(found["date"])):
        # A day of grace: it may be tomorrow in one place and today in another.
        if day < today - timedelta(days=1):
            return f"the option expired on {day.day} {day:%b %Y}"
        if day.weekday() > FRIDAY:
            return f"options expire on no {day:%A}"
    found = _FUTURE.match(symbol)
    if found and found["month"] and is_over(found["month"], 2000 + int(found["year"]), today):
        month = date(2000, MONTH_LETTERS.index(found["month"]) + 1, 1)
        return f"the contract of {month:%B} 20{found['year']} has ended"
    return None


def _read_day(digits: str) -> date | None:
    try:
        return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return None
