"""What a symbol looks like, its canonical form, and which event types exist for it.

Pure. Forms are dxFeed's: equities `SPY`, options `.SPY261218C600`, futures `/ESZ26:XCME`, options
on futures `./ESZ26C6000:XCME`, crypto `BTC/USD:CXTALP`, candles `SPY{=5m,tho=true}`.
"""

import re

MAX_SYMBOL_LENGTH = 64
"""Longer than any dxFeed symbol seen; bounds what one subscriber can make us keep."""

_SYMBOL = re.compile(r"(?:\.?/|\.)?[A-Z0-9$^][A-Z0-9./:_$&^#@+-]*(?:\{=?[a-z0-9=,.]+\})?\Z")
_PART = re.compile(r"(?:[^,{]+|\{[^}]*\}?)+")
"""What stands between two commas; linear, because a request line has room for 60,000 commas."""


def parse_symbol(text: str) -> str:
    """The canonical form: trimmed, upper case outside braces.

    Raises:
        ValueError: with a sentence for people, when it has not the form of a symbol.
    """
    head, brace, tail = text.strip().partition("{")
    symbol = head.upper() + brace + tail
    if not text.isascii():
        # Upper case makes "S" of a long s and "SS" of a sharp s: other symbols than were written.
        raise ValueError("a symbol has a character that no symbol has")
    if not symbol:
        raise ValueError("a symbol is empty")
    if len(symbol) > MAX_SYMBOL_LENGTH:
        raise ValueError(f"a symbol is longer than {MAX_SYMBOL_LENGTH} characters")
    if not _SYMBOL.match(symbol):
        raise ValueError(
            "a symbol has a character or form that no symbol has; "
            "write it like SPY, .SPY261218C600, /ESZ26:XCME or BTC/USD:CXTALP"
        )
    return _shorten_candle(symbol) if is_candle(symbol) else symbol


def _shorten_candle(symbol: str) -> str:
    """The name under which dxFeed sends it: `{=1d}` is `{=d}`, and attributes are in order."""
    head, _, tail = symbol.partition("{=")
    period, *others = tail.removesuffix("}").split(",")
    if period[:1] == "1" and not period[1:2].isdigit() and period[1:]:
        period = period[1:]
    return f"{head}{{={','.join([period, *sorted(others)])}}}"


def is_candle(symbol: str) -> bool:
    """Whether it is a series of candles."""
    return "{=" in symbol


def split_symbols(text: str) -> list[str]:
    """The canonical symbols of a comma-separated list, in order, each once; commas in braces stay.

    Raises:
        ValueError: as `parse_symbol`.
    """
    return list(dict.fromkeys(parse_symbol(part) for part in _PART.findall(text) if part.strip()))


def is_option(symbol: str) -> bool:
    """Whether greeks and theoretical prices exist for it."""
    return symbol.startswith(".")


def event_types(symbol: str) -> tuple[str, ...]:
    """The dxFeed event types worth subscribing to for this symbol."""
    if is_candle(symbol):
        return ("Candle",)
    if is_option(symbol):
        return ("Quote", "Trade", "Summary", "Greeks", "TheoPrice")
    if ":" in symbol and not symbol.startswith("/"):
        return ("Quote", "Trade", "Summary")  # crypto: no listed options behind it
    return ("Quote", "Trade", "Summary", "Underlying")
