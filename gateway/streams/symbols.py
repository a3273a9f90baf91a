"""What a symbol looks like, its canonical form, and which event types exist for it; pure.

Forms are dxFeed's: equities `SPY`, options `.SPY261218C600`, futures `/ESZ26:XCME`, options on
futures `./ESZ26C6000:XCME`, crypto `BTC/USD:CXTALP`, candles `SPY{=5m,tho=true}`. Every door takes
other spellings as well, through `parse_symbol` and `split_symbols`.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from gateway.streams.lists import NOT_ONE, split_names
from gateway.streams.spelling import respell

MAX_SYMBOL_LENGTH = 64
"""Longer than any dxFeed symbol seen; bounds what one subscriber can make us keep."""

MAX_SHOWN_LENGTH = 40
"""Of a name that is quoted in a message."""

REMEMBERED = 4096

_SYMBOL = re.compile(r"(?:\.?/|\.)?[A-Z0-9$^][A-Z0-9./:_$&^#@+-]*(?:\{=?[a-z0-9=,.]+\})?\Z")
_OPTION = re.compile(r"\./[^:]+:[A-Z]+\Z|\.[A-Z0-9]+\d{6}[CP][\d.]+\Z")
_FIGURE = re.compile(r"[\d.,$/%+-]+\Z|\d{6}[CP][\d.]+\Z|\d[\d.]*[CP]\Z")
"""A figure, a date or a strike: a part of something else."""

_HARMLESS = re.compile(r"[A-Z0-9 ./:$^&@=!_{},a-z+#-]+\Z")
"""What a message may quote, whoever reads it."""


def parse_symbol(text: str, today: date | None = None) -> str:
    """Return the canonical form of one instrument, written as any platform writes it.

    `today` says which year the last digit of one means; without it such a future is refused.

    Raises:
        ValueError: with a sentence for people that says how the instrument is written.
    """
    _check_characters(text)
    names = list(split_names(text))
    if not names:
        raise ValueError("a symbol is empty")
    if len(names) > 1:
        raise ValueError(f"a symbol is one instrument: {NOT_ONE}")
    return _parse_name(names[0], today)


MAX_LIST_LENGTH = 16_384
"""Of characters: room for 700 options as brokers write them, read in a tenth of a second."""


def split_symbols(text: str, today: date | None = None) -> list[str]:
    """Return the canonical symbols of a list in order, each once.

    Lists are cut at commas (not within braces), semicolons, line ends and blanks, but never within
    an instrument that has blanks.

    Raises:
        ValueError: as `parse_symbol`; the message names what cannot be taken.
    """
    _check_characters(text)
    if len(text) > MAX_LIST_LENGTH:
        raise ValueError(f"a list is longer than {MAX_LIST_LENGTH:,} characters")
    return list(dict.fromkeys(_parse_names(dict.fromkeys(split_names(text)), today)))


def _parse_names(names: dict[str, None], today: date | None) -> Iterator[str]:
    for place, name in enumerate(names, 1):
        try:
            yield _parse_name(name, today)
        except ValueError as error:
            if len(names) == 1:
                raise
            raise ValueError(f"{_quote(name, place)}: {error}") from None


def _quote(name: str, place: int) -> str:
    if len(name) <= MAX_SHOWN_LENGTH and _HARMLESS.match(name):
        return name
    return f"name {place} of the list"


def _check_characters(text: str) -> None:
    """Refuse what would change under `upper`: a long s becomes an S, a sharp s two."""
    if any(letter.isalpha() and not _is_plain_letter(letter) for letter in text):
        raise ValueError("a symbol has a character that no symbol has")


def _is_plain_letter(letter: str) -> bool:
    return letter.isascii() or "\uff01" <= letter <= "\uff5e"


@lru_cache(REMEMBERED)
def _parse_name(name: str, today: date | None) -> str:
    head, brace, tail = name.partition("{")
    if not name.isascii():
        raise ValueError("a symbol has a character that no symbol has")
    if len(name) > MAX_SYMBOL_LENGTH:
        raise ValueError(f"a symbol is longer than {MAX_SYMBOL_LENGTH} characters")
    head = respell(head, today)
    symbol = f"{head}{brace}{tail}"
    if not _SYMBOL.match(symbol) or _FIGURE.match(head):
        raise ValueError(
            "a symbol has a character or form that no symbol has; "
            "write it like SPY, .SPY261218C600, /ESZ26:XCME or BTC/USD:CXTALP"
        )
    if head[0] == "." and not _OPTION.match(head):
        raise ValueError("a symbol is an option without date or strike; write it .SPY261218C600")
    return _shorten_candle(symbol) if is_candle(symbol) else symbol


def _shorten_candle(symbol: str) -> str:
    """Return the name under which dxFeed sends it: `{=1d}` is `{=d}`, attributes are in order."""
    head, _, tail = symbol.partition("{=")
    period, *others = tail.removesuffix("}").split(",")
    if period[:1] == "1" and not period[1:2].isdigit() and period[1:]:
        period = period[1:]
    return f"{head}{{={','.join([period, *sorted(others)])}}}"


def is_candle(symbol: str) -> bool:
    """Return whether it is a series of candles."""
    return "{=" in symbol


def is_option(symbol: str) -> bool:
    """Return whether greeks and theoretical prices exist for it."""
    return symbol.startswith(".")


def event_types(symbol: str) -> tuple[str, ...]:
    """Return the dxFeed event types worth subscribing to for this symbol."""
    if is_candle(symbol):
        return ("Candle",)
    if is_option(symbol):
        return ("Quote", "Trade", "Summary", "Greeks", "TheoPrice")
    if ":" in symbol and not symbol.startswith("/"):
        return ("Quote", "Trade", "Summary")  # crypto: no listed options behind it
    return ("Quote", "Trade", "Summary", "Underlying")
