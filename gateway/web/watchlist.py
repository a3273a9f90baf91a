"""A viewer's watchlist: the symbols in order, as a cookie has them; what adding and removing mean.

Where the list of a viewer is, `own_list.py` says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, unquote

from gateway.streams.symbols import parse_symbol, split_symbols

COOKIE = "watchlist"
COOKIE_MAX_AGE_S = 365 * 24 * 3600
EMPTY = "-"
"""A cookie with an empty value is dropped by some clients, and the default would come back."""

SEPARATOR = "~"
"""No symbol has it, and a cookie takes it as it is: 500 symbols fit. Older cookies have commas."""

PLAIN = "$&:^#+"
"""Of a symbol's characters, those that a cookie takes as they are, besides letters and digits."""

MAX_COOKIE_BYTES = 3500
"""Browsers refuse a cookie beyond 4096 bytes with its attributes, without a word."""

MOST_NAMED = 5
"""Of the symbols in a message; the others are counted."""


@dataclass(frozen=True, slots=True)
class Change:
    """The list after a request, and what to tell the person."""

    symbols: tuple[str, ...]
    problem: str | None = None
    """Why nothing was done, as a sentence."""
    note: str | None = None
    """What is worth saying although it was done, as a sentence."""


def read_cookie(
    value: str | None, default: Sequence[str], limit: int, today: date | None = None
) -> tuple[str, ...]:
    """Return the cookie's symbols; the default when there is none, or nothing in it can be read."""
    if value is None:
        return tuple(default)[:limit]
    if value == EMPTY:
        return ()
    symbols = []
    for part in unquote(value).replace(SEPARATOR, ",").split(","):
        try:
            symbols.append(check_symbol(part, today))
        except ValueError:
            continue
    return tuple(dict.fromkeys(symbols))[:limit] or tuple(default)[:limit]


def write_cookie(symbols: Sequence[str]) -> str:
    """Return the cookie's value: only characters that need no quoting."""
    return SEPARATOR.join(quote(each, safe=PLAIN) for each in symbols) if symbols else EMPTY


def check_symbol(text: str, today: date | None = None) -> str:
    """Return the canonical symbol of a row.

    Raises:
        ValueError: with a sentence for people.
    """
    symbol = parse_symbol(text, today)
    _refuse_candles([symbol])
    return symbol


def add(
    symbols: Sequence[str],
    text: str,
    limit: int,
    before: str = "",
    *,
    today: date | None = None,
    is_in_cookie: bool = True,
) -> Change:
    """Add what was typed or pasted, all of it, or return the same list and the reason.

    It goes in front of the symbol `before`, or to the end when the list has no such symbol.
    """
    old = tuple(symbols)
    try:
        wanted = split_symbols(text, today)
        _refuse_candles(wanted)
    except ValueError as error:
        return Change(old, _sentence(str(error)))
    if not wanted:
        return Change(old, "Type a symbol, for example SPY.")
    new = tuple(each for each in wanted if each not in old)
    known = [each for each in wanted if each in old]
    place = old.index(before) if before in old else len(old)
    result = (*old[:place], *new, *old[place:])
    if len(result) > limit:
        return Change(old, _explain_limit(limit - len(old), len(new), limit))
    if is_in_cookie and len(write_cookie(result)) > MAX_COOKIE_BYTES:
        return Change(
            old, "The list is full: a browser keeps no longer one. Remove a symbol first."
        )
    return Change(result, note=_explain_known(known))


def remove(symbols: Sequence[str], texts: str | Iterable[str]) -> Change:
    """Return the list without these symbols; removing one that is not there does no harm."""
    wanted = {texts} if isinstance(texts, str) else set(texts)
    return Change(tuple(each for each in symbols if each not in wanted))


def _refuse_candles(symbols: Iterable[str]) -> None:
    if any("{" in each for each in symbols):
        raise ValueError("a watchlist shows quotes: write the symbol without {…}")


def _explain_limit(room: int, wanted: int, limit: int) -> str:
    if room <= 0:
        return f"The list is full: it has {limit} symbols. Remove a symbol first."
    rest = "1 more symbol" if room == 1 else f"{room} more symbols"
    return f"The list is full after {rest}, and these are {wanted}. Nothing was added."


def _explain_known(known: Sequence[str]) -> str | None:
    if not known:
        return None
    names = ", ".join(known[:MOST_NAMED])
    if len(known) > MOST_NAMED:
        names += f" and {len(known) - MOST_NAMED} more"
    return f"{names} {'is' if len(known) == 1 else 'are'} already in the list."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
