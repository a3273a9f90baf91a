"""The watchlist's cookie, and what adding and removing mean."""

from datetime import date
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.watchlist import (
    COOKIE,
    MAX_COOKIE_BYTES,
    Change,
    add,
    check_symbol,
    read_cookie,
    remove,
    write_cookie,
)

DEFAULT = ("SPY", "QQQ")
SYMBOLS = ("SPY", ".SPY261218C600", "/ESZ26:XCME", "BTC/USD:CXTALP", "BRK/B", "$TICK", "A&B")


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
        ("A B C D", "The list is full after 3 more symbols, and these are 4. Nothing was added"),
        ("SPY   269918C00600000", "a date that does not exist"),
        ("600C", "A symbol has"),
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
    long = [f"{'A' * 57}{index:03d}" for index in range(100)]
    symbols: tuple[str, ...] = ()
    while (change := add(symbols, long[len(symbols)], 500)).problem is None:
        symbols = change.symbols
    assert len(symbols) > 30
    assert len(write_cookie(symbols)) <= MAX_COOKIE_BYTES


def test_remove() -> None:
    assert remove(["SPY", "QQQ"], "SPY").symbols == ("QQQ",)
    assert remove(["SPY"], "QQQ") == Change(("SPY",))
    assert remove(["SPY"], "SPY").symbols == ()


def test_two_clicks_on_one_button_remove_one_symbol() -> None:
    once = remove(SYMBOLS, "SPY")
    assert remove(once.symbols, "SPY").symbols == once.symbols


def test_what_was_removed_can_be_put_back() -> None:
    change = remove(SYMBOLS, [SYMBOLS[1], SYMBOLS[2]])
    assert add(change.symbols, ",".join(SYMBOLS[1:3]), 10, SYMBOLS[3]).symbols == SYMBOLS


def test_a_symbol_that_is_there_is_named() -> None:
    change = add(["SPY", "QQQ"], "spy", 10)
    assert (change.symbols, change.note) == (("SPY", "QQQ"), "SPY is already in the list.")
    change = add(["SPY", "QQQ"], "qqq, tsla, spy", 10)
    assert change.symbols == ("SPY", "QQQ", "TSLA")
    assert change.note == "QQQ, SPY are already in the list."
    assert add(["SPY"], "tsla", 10).note is None


def test_an_option_is_added_as_its_broker_writes_it() -> None:
    assert add(["QQQ"], "SPY   261218C00600000", 10).symbols == ("QQQ", ".SPY261218C600")
    assert add([], "./ESZ6 EW4X6 261127C6000", 10).symbols == ("./EW4X26C6000:XCME",)
    assert add([], "/ESZ6", 10, today=date(2026, 11, 28)).symbols == ("/ESZ26:XCME",)


def test_five_hundred_symbols_are_pasted_and_kept() -> None:
    names = [f"{chr(65 + i // 26 % 26)}X{chr(65 + i % 26)}Y" for i in range(500)]
    change = add([], "\n".join(names), 500)
    assert (change.symbols, change.problem) == (tuple(names), None)
    assert read_cookie(write_cookie(names), DEFAULT, 500) == tuple(names)


def test_an_older_cookie_is_still_read() -> None:
    assert read_cookie("SPY%2C%2FESZ26%3AXCME%2CBRK.B", (), 10) == ("SPY", "/ESZ26:XCME", "BRK/B")
