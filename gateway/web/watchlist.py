"""A viewer's watchlist: the symbols in order, kept in a cookie; what adding and removing mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from gateway.streams.symbols import parse_symbol, split_symbols

COOKIE = "watchlist"
COOKIE_MAX_AGE_S = 365 * 24 * 3600
EMPTY = "-"
"""A cookie with an empty value is dropped by some clients, and the default would come back."""

MAX_COOKIE_BYTES = 3500
"""Browsers refuse a cookie beyond 4096 bytes with its attributes, without a word."""


@dataclass(frozen=True, slots=True)
class Change:
    """The list after a wish, and what to tell the person when the wish was not granted."""

    symbols: tuple[str, ...]
    problem: str | None = None


def read_cookie(value: str | None, default: Sequence[str], limit: int) -> tuple[str, ...]:
    """The symbols of the cookie; the default when there is none, or nothing in it can be read."""
    if value is None:
        return tuple(default)[:limit]
    if value == EMPTY:
        return ()
    symbols = []
    for part in unquote(value).split(","):
        try:
            symbols.append(check_symbol(part))
        except ValueError:
            continue
    return tuple(dict.fromkeys(symbols))[:limit] or tuple(default)[:limit]


def write_cookie(symbols: Sequence[str]) -> str:
    """The cookie's value: only characters that need no quoting."""
    return quote(",".join(symbols), safe="") if symbols else EMPTY


def check_symbol(text: str) -> str:
    """The canonical symbol.

    Raises:
        ValueError: with a sentence for people.
    """
    symbol = parse_symbol(text)
    if "{" in symbol:
        raise ValueError("a watchlist shows quotes: write the symbol without {…}")
    return symbol


def add(symbols: Sequence[str], text: str, limit: int, before: str = "") -> Change:
    """Add what was typed, a symbol or several with commas or spaces, and return the list.

    It goes in front of the symbol `before`, or to the end when the list has no such symbol.
    """
    try:
        wanted = [check_symbol(each) for each in split_symbols(text.replace(" ", ","))]
    except ValueError as error:
        return Change(tuple(symbols), _sentence(str(error)))
    if not wanted:
        return Change(tuple(symbols), "Type a symbol, for example SPY.")
    place = symbols.index(before) if before in symbols else len(symbols)
    result = tuple(dict.fromkeys([*symbols[:place], *wanted, *symbols[place:]]))
    if len(result) > limit or len(write_cookie(result)) > MAX_COOKIE_BYTES:
        return Change(tuple(symbols), "The list is full: remove a symbol first.")
    return Change(result)


def remove(symbols: Sequence[str], text: str) -> Change:
    """The list without a symbol; removing one that is not there does no harm."""
    return Change(tuple(each for each in symbols if each != text))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
