"""Every form of a symbol passes, nothing else does, and no list takes long to split."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.symbols import (
    MAX_SYMBOL_LENGTH,
    event_types,
    is_option,
    parse_symbol,
    split_symbols,
)
from tests.waiting import scaled

GOOD = [
    "SPY",
    "BRK/B",
    "BRK.B",
    "SPX",
    "$SPX",
    "^VIX",
    "3188.T",
    ".SPY261218C600",
    ".SPXW260318C7015",
    "/ES",
    "/ESZ26:XCME",
    "./ESZ26C6000:XCME",
    "BTC/USD:CXTALP",
    "SPY{=5m,tho=true}",
    "SPY{=d}",
    "SPY&Q",
]
BAD = [
    "",
    " ",
    ".",
    "/",
    "./",
    "{=5m}",
    "SPY{",
    "SPY{}",
    "SPY{=5m",
    "SPY}",
    "SPY{=5m}X",
    "SPY{=5m}{=1m}",
    "SPY QQQ",
    "SPY\nQQQ",
    "SPY\0",
    "<b>",
    'S"PY',
    "S'PY",
    "S\\PY",
    "..SPY",
    "SPY,QQQ",
    "ſpy",
    "straße",
    "ЅРY",
    "S" * (MAX_SYMBOL_LENGTH + 1),
]
BRACED = re.compile(r"\{[^}]*\}")


@pytest.mark.parametrize("symbol", GOOD)
def test_forms_of_symbols(symbol: str) -> None:
    assert parse_symbol(symbol) == symbol
    head, brace, tail = symbol.partition("{")
    assert parse_symbol(f" {head.lower()}{brace}{tail}\t") == symbol


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_symbol(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a symbol (is|has)") as error:
        parse_symbol(text)
    # The message goes back to whoever asked; what they sent does not.
    assert len(text) < 3 or text not in str(error.value)


@given(st.text() | st.text(st.sampled_from("SPY,{}=5m./:$ ſ\n\0<>"), max_size=70))
def test_a_symbol_is_canonical_and_harmless(text: str) -> None:
    try:
        symbol = parse_symbol(text)
    except ValueError:
        return
    assert parse_symbol(symbol) == symbol
    assert 0 < len(symbol) <= MAX_SYMBOL_LENGTH
    assert symbol.isascii()
    assert symbol.isprintable()
    assert not set(symbol) & set(" <>\"'\\`;()")
    assert BRACED.sub("", symbol) == BRACED.sub("", symbol).upper()
    assert split_symbols(symbol) == [symbol]


@given(st.lists(st.sampled_from(GOOD)), st.sampled_from([",", " , ", ",,", ",\t"]))
def test_a_list_is_split_outside_braces_and_keeps_its_order(symbols: list[str], comma: str) -> None:
    assert split_symbols(comma.join(symbols)) == list(dict.fromkeys(symbols))


@pytest.mark.parametrize("text", ["SPY,QQQ}", "SPY{=5m,QQQ", "SPY,{=5m}", "SPY,<b>", "}", "{"])
def test_a_list_with_one_bad_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a symbol"):
        split_symbols(text)


@pytest.mark.parametrize("text", ["," * 60_000, "A," * 30_000, "{" * 60_000, "A{" * 30_000])
def test_a_list_as_long_as_a_request_line_is_split_in_no_time(text: str) -> None:
    """A pattern that looks ahead from each comma held the loop for 1.5 s here."""
    begin_s = time.perf_counter()
    with suppress(ValueError):
        split_symbols(text)
    assert time.perf_counter() - begin_s < scaled(0.25)


def test_event_types_by_kind_of_symbol() -> None:
    base = ("Quote", "Trade", "Summary")
    assert event_types("SPY") == (*base, "Underlying")
    assert event_types("/ESZ26:XCME") == (*base, "Underlying")
    assert event_types("BTC/USD:CXTALP") == base
    for option in (".SPY261218C600", "./ESZ26C6000:XCME"):
        assert is_option(option)
        assert event_types(option) == (*base, "Greeks", "TheoPrice")
    assert not is_option("/ESZ26:XCME")
