"""Every form of a symbol passes, nothing else does, and no list takes long to split."""

import re
import time
from contextlib import suppress
from datetime import date

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
    "BAC/PRL",
    "SPX",
    "$TICK",
    "3188.T",
    ".SPY261218C600",
    ".SPXW260318C7015",
    "/ES:XCME",
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
    "100",
    "229.48",
    "12/18",
    "600C",
    "261218C00600000",
    ".SPYX",
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


@given(
    st.text()
    | st.text(st.sampled_from("SPY,{}=5m./:$ ſ\n\0<>"), max_size=70)
    | st.text(st.sampled_from("BRKPESZ26C0./:$^-_@ '"), max_size=24)
)
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


@pytest.mark.parametrize(
    "text",
    [
        *("," * 60_000, "A," * 30_000, "{" * 60_000, "A{" * 30_000, "A " * 30_000),
        *("A1 " * 20_000, "BTC" * 20_000, "/" * 60_000, "SPY 1 " * 10_000, "'" * 60_000),
        *("“" * 60_000, "- " * 30_000, "Dec 18, " * 8_000, "0" * 60_000),
    ],
    ids=lambda text: text[:8],
)
def test_a_list_as_long_as_a_request_line_is_split_in_no_time(text: str) -> None:
    """A pattern that looks ahead from each comma held the loop for 1.5 s here."""
    begin_s = time.process_time()  # whatever else the machine does
    with suppress(ValueError):
        split_symbols(text)
    assert time.process_time() - begin_s < scaled(0.25)


def test_event_types_by_kind_of_symbol() -> None:
    base = ("Quote", "Trade", "Summary")
    assert event_types("SPY") == (*base, "Underlying")
    assert event_types("/ESZ26:XCME") == (*base, "Underlying")
    assert event_types("BTC/USD:CXTALP") == base
    for option in (".SPY261218C600", "./ESZ26C6000:XCME"):
        assert is_option(option)
        assert event_types(option) == (*base, "Greeks", "TheoPrice")
    assert not is_option("/ESZ26:XCME")


TODAY = date(2026, 11, 28)

SPELLINGS = {
    # As the exchanges and brokers write options.
    "SPY   261218C00600000": ".SPY261218C600",
    "SPY261218C00600000": ".SPY261218C600",
    "BRK/B  261218C00400000": ".BRKB261218C400",
    "SPXW  261218P06000500": ".SPXW261218P6000.5",
    "AAPL1 261218C00200000": ".AAPL1261218C200",
    "SPY 18 Dec 26 600 C": ".SPY261218C600",
    # Futures and their options, as Tastytrade and TradingView write them.
    "./ESZ6 EW4X6 261127C6000": "./EW4X26C6000:XCME",
    "./ZBU5 OZBN5 250620C142.5": "./OZBN25C142.5:XCBT",
    "/ESZ6": "/ESZ26:XCME",
    "ESZ2026": "/ESZ26:XCME",
    "GCZ5:XCME": "/GCZ25:XCEC",
    "./OZCH27C450": "./OZCH27C450:XCBT",
    # The rest.
    "BTC/USD": "BTC/USD:CXTALP",
    "BTCUSD": "BTC/USD:CXTALP",
    "BRK.B": "BRK/B",
    "BRK B": "BRK/B",
    "$SPX": "SPX",
    "NASDAQ:AAPL": "AAPL",
}


@pytest.mark.parametrize(("text", "symbol"), SPELLINGS.items())
def test_other_spellings_become_the_canonical_one(text: str, symbol: str) -> None:
    assert parse_symbol(text, TODAY) == symbol
    assert split_symbols(text, TODAY) == [symbol], "never a part of it"
    assert parse_symbol(f" {text.lower()} ", TODAY) == symbol
    assert parse_symbol(symbol) == symbol, "and that without a date"


def test_every_spelling_is_one_of_a_list_however_it_is_cut() -> None:
    for comma in (",", ", ", "; ", "\n", "\r\n", "\u00a0,\u200b", ",,"):
        assert split_symbols(comma.join(SPELLINGS), TODAY) == list(
            dict.fromkeys(SPELLINGS.values())
        )
    text = " ".join(SPELLINGS)
    assert split_symbols(text, TODAY) == list(dict.fromkeys(SPELLINGS.values()))


def test_a_list_says_which_name_it_cannot_take() -> None:
    with pytest.raises(ValueError, match=r"^600C: a symbol has"):
        split_symbols("SPY,600C,QQQ")
    with pytest.raises(ValueError, match=r"^name 2 of the list: a symbol has"):
        split_symbols("SPY,<b>,QQQ")
    with pytest.raises(ValueError, match=r"^AAPL 100 229\.48: it is no instrument"):
        split_symbols("MSFT\nAAPL\t100\t229.48")


def test_five_hundred_names_are_all_taken() -> None:
    names = [f"A{chr(65 + i // 26 % 26)}{chr(65 + i % 26)}" for i in range(500)]
    assert split_symbols(", ".join(names)) == names
    assert split_symbols("\n".join(names)) == names


def test_the_last_digit_of_a_year_needs_a_date() -> None:
    with pytest.raises(ValueError, match="two digits of its year, as in /ESZ26:XCME"):
        parse_symbol("/ESZ6")
