"""The watchlist's cookie, and what adding and removing mean."""

from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.watchlist import (
    COOKIE,
    MAX_COOKIE_BYTES,
    add,
    check_symbol,
    read_cookie,
    remove,
    write_cookie,
)

DEFAULT = ("SPY", "QQQ")
SYMBOLS = ("SPY", ".SPY261218C600", "/ESZ26:XCME", "BTC/USD:CXTALP", "BRK/B", "$SPX", "A&B")


@pytest.mark.parametrize("symbols", [(), ("SPY",), SYMBOLS])
def test_a_cookie_keeps_symbols_in_order(symbols: tuple[str, ...]) -> None:
    value = write_cookie(symbols)
    assert read_cookie(value, DEFAULT, 100) == symbols
    header: SimpleCookie = SimpleCookie()
    header[COOKIE] = value
    assert '"' not in header.output(), "needs no quoting"


def test_without_a_cookie_the_default_is_shown() -> None:
    assert read_cookie(None, DEFAULT, 100) == DEFAULT
    assert read_cookie(None, DEFAULT, 1) == ("SPY",)


@given(st.text(max_size=300))
def test_any_cookie_can_be_read(value: str) -> None:
    symbols = read_cookie(value, DEFAULT, 10)
    assert len(symbols) <= 10
    assert len(set(symbols)) == len(symbols)
    assert [check_symbol(each) for each in symbols] == list(symbols)


def test_what_is_no_symbol_is_left_out_of_a_cookie() -> None:
    assert read_cookie("SPY%2C%3Cb%3E%2CSPY%2Cqqq", DEFAULT, 10) == ("SPY", "QQQ")
    assert read_cookie("%3Cb%3E", DEFAULT, 10) == DEFAULT


@pytest.mark.parametrize(
    ("typed", "symbols"),
    [
        ("tsla", ("SPY", "TSLA")),
        (" tsla, amd  ibm ", ("SPY", "TSLA", "AMD", "IBM")),
        ("SPY", ("SPY",)),
        ("spy,spy", ("SPY",)),
    ],
)
def test_add(typed: str, symbols: tuple[str, ...]) -> None:
    change = add(["SPY"], typed, 10)
    assert (change.symbols, change.problem) == (symbols, None)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Type a symbol"),
        (" , ", "Type a symbol"),
        ("sp<y", "write it like SPY"),
        ("X" * 65, "longer than 64 characters"),
        ("SPY{=5m}", "without {…}"),
        ("A B C D", "The list is full"),
    ],
)
def test_what_cannot_be_added_changes_nothing(typed: str, words: str) -> None:
    change = add(["SPY"], typed, 4)
    assert change.symbols == ("SPY",)
    assert change.problem is not None
    assert words in change.problem
    assert change.problem[0].isupper()
    assert change.problem.endswith(".")


def test_the_list_is_full_before_the_cookie_is_too_large() -> None:
    long = [f"{'/' * 1}{'A' * 50}{index:03d}" for index in range(60)]
    symbols: tuple[str, ...] = ()
    while (change := add(symbols, long[len(symbols)], 500)).problem is None:
        symbols = change.symbols
    assert len(symbols) > 30
    assert len(write_cookie(symbols)) <= MAX_COOKIE_BYTES


def test_remove() -> None:
    assert remove(["SPY", "QQQ"], "SPY").symbols == ("QQQ",)
    assert remove(["SPY"], "QQQ").symbols == ("SPY",)
    assert remove(["SPY"], "SPY").symbols == ()
