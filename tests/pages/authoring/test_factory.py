"""Describing pages: once for each set of parameters, and every mistake says how to write it."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gateway.pages import (
    PageError,
    Symbols,
    balance,
    columns,
    metric,
    page,
    section,
    status,
    tabs,
    text,
    watchlist,
)
from gateway.pages.authoring.factory import PageFactory, ParameterError, check_book, open_book
from gateway.pages.layout import Group, Page, Static


def make(function: Callable[..., None], path: str = "/desk", **options: Any) -> PageFactory:
    return page(path, **options)(function)


def quoted(page: Page) -> tuple[str, ...]:
    """The symbols without those of candles."""
    return tuple(each for each in page.symbols if "{" not in each)


def describe(body: Callable[[], Any]) -> Any:
    """The page that is described by one function without parameters."""

    def desk() -> None:
        body()

    return make(desk).describe()


def test_the_import_is_light() -> None:
    heavy = "('tastytrade', 'pandas', 'starlette', 'uvicorn', 'markdown_it')"
    code = f"import gateway.pages, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found.strip() == "[]"


def test_a_page_is_a_tree_of_panels() -> None:
    def desk() -> None:
        with columns(2):
            metric("qqq")
            balance()
        watchlist("SPY", "AAPL")
        text("*Hello*")

    described = make(desk, title="My desk").describe()
    assert (described.name, described.title, described.query) == ("desk", "My desk", "")
    assert [each.id for each in described.panels] == [
        *("status", "told", "metric", "metric-day", "balance", "watchlist"),
        *("watchlist-SPY .keep", "watchlist-AAPL .keep"),
    ]
    assert quoted(described) == ("QQQ", "SPY", "AAPL")
    pair, _, note = described.body
    assert isinstance(pair, Group)
    assert (len(pair.children), pair.options) == (2, {"count": 2})
    assert isinstance(note, Static)


def test_the_function_runs_once_for_each_set_of_parameters() -> None:
    runs = []

    def stock(symbol: str, days: int = 5) -> None:
        runs.append((symbol, days))
        metric(symbol)

    factory = make(stock, "/stock/{symbol}", title="{symbol} for {days} days")
    first = factory.describe(**factory.read({"symbol": "SPY"}))
    assert factory.describe(**factory.read({"symbol": "SPY", "days": "5", "other": "x"})) is first
    second = factory.describe(**factory.read({"symbol": "SPY", "days": "7"}))
    assert runs == [("SPY", 5), ("SPY", 7)]
    assert (first.title, second.title) == ("SPY for 5 days", "SPY for 7 days")
    assert (first.query, second.query) == ("symbol=SPY&days=5", "symbol=SPY&days=7")
    assert first.key != second.key
    assert factory.match("/stock/QQQ") == {"symbol": "QQQ"}
    assert factory.match("/stock/QQQ/more") is None
    assert factory.format_path({"symbol": "/ESZ26:XCME", "days": 5}) == "/stock/%2FESZ26%3AXCME"


def test_a_page_of_many_parameters_does_not_fill_the_memory() -> None:
    factory = make(lambda number=0: metric(f"A{number}"), "/many")
    for number in range(600):
        factory.describe(number=number)
    assert len(factory._kept) == 256


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "symbol: is missing"),
        ({"symbol": "SPY", "days": "five"}, "days: must be a whole number"),
        ({"symbol": "SPY", "share": "x"}, "share: must be a number"),
        ({"symbol": "SPY", "wide": "maybe"}, "wide: must be true or false"),
        ({"symbol": "S" * 201}, "symbol: is longer than 200 characters"),
        ({"symbol": "SPY", "watched": "<"}, "watched: a symbol has a character"),
    ],
)
def test_a_parameter_that_cannot_be_read_says_so(given: dict[str, str], words: str) -> None:
    def stock(
        symbol: str,
        watched: Symbols,
        days: int = 5,
        share: float = 0.5,
        wide: bool = False,
    ) -> None:
        metric(symbol)

    factory = make(stock, "/stock/{symbol}")
    assert factory.watchlist_parameter == "watched"
    with pytest.raises(ParameterError, match=words):
        factory.read(given)


def test_names_of_streams_are_as_different_as_paths() -> None:
    paths = ["/", "/home", "/a/b", "/a-b", "/a.b", "/a/{b}", "/{a}/b"]

    def desk(a: str = "", b: str = "") -> None:
        """Every parameter that a path may have."""

    names = [make(desk, each).name for each in paths]
    assert len(set(names)) == len(paths)
    assert names[0] == "home"


def two_lists() -> None:
    watchlist("SPY", editable=True)
    watchlist("QQQ", editable=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: metric("sp y"), "metric: 'sp y' is no symbol: .*write it like SPY"),
        (lambda: metric(450), r'write metric\("QQQ"\), not 450'),  # type: ignore[arg-type]
        (lambda: metric("SPY{=5m}"), "without {…}"),
        (lambda: metric("SPY", label=1), 'label="Nasdaq"'),  # type: ignore[arg-type]
        (lambda: watchlist(), r'watchlist\("SPY", "AAPL"\)'),
        (lambda: watchlist(["SPY"]), r"give a list as watchlist\(\*symbols\)"),  # type: ignore[arg-type]
        (lambda: watchlist("SPY", columns=["prize"]), "no column 'prize'; there are last, change"),
        (lambda: watchlist("SPY", columns="last"), r'write columns=\["last"\]'),
        (lambda: watchlist("SPY", sort="bid"), "cannot be sorted by 'bid', but by symbol, last"),
        (two_lists, "a page has one editable list"),
        (lambda: balance("my account"), r'balance\("5WX00001"\)'),
        (lambda: text(5), r'text\("\*\*Markdown\*\*"\)'),  # type: ignore[arg-type]
        (lambda: columns(0).__enter__(), r"with columns\(2\):"),
        (lambda: section("").__enter__(), r'with section\("Indices"\):'),
        (lambda: 5, None),
    ],
)
def test_a_mistake_in_a_page_says_how_to_write_it(
    body: Callable[[], Any], words: str | None
) -> None:
    if words is None:
        with pytest.raises(PageError, match="returned a int: a page calls its panels"):
            make(body).describe()
    else:
        with pytest.raises(PageError, match=words):
            describe(body)


def test_tabs_hold_sections() -> None:
    def right() -> None:
        with tabs():
            with section("One"):
                metric("SPY")
            with section("Two"), columns(2):
                status()

    (found,) = describe(right).body
    assert [each["title"] for each in found.options["sections"]] == ["One", "Two"]

    def panel_in_tabs() -> None:
        with tabs():
            metric("SPY")

    def columns_in_tabs() -> None:
        with tabs(), columns(2):
            metric("SPY")

    def empty() -> None:
        with tabs():
            pass

    for wrong in (panel_in_tabs, columns_in_tabs, empty):
        with pytest.raises(PageError, match=r'with section\("Title"\):'):
            describe(wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metric("SPY"),
        lambda: watchlist("SPY"),
        lambda: balance(),
        lambda: status(),
        lambda: text("a"),
        lambda: columns(2).__enter__(),
        lambda: section("a").__enter__(),
        lambda: tabs().__enter__(),
    ],
)
def test_a_panel_outside_a_page_says_where_it_belongs(call: Callable[[], Any]) -> None:
    with pytest.raises(PageError, match=r'outside a page: call it in a function below @page\("/p'):
        call()


async def later() -> None:
    """A page cannot wait."""


def yielding() -> Any:
    yield


@pytest.mark.parametrize(
    ("path", "function", "words"),
    [
        ("desk", lambda: None, 'write the address as "/", "/desk"'),
        ("/a b", lambda: None, "write the address as"),
        ("/a/", lambda: None, "write the address as"),
        ("/events/mine", lambda: None, "this address is reserved; choose another"),
        ("/login", lambda: None, "this address is reserved; choose another"),
        ("/{symbol}", lambda: None, r"needs a parameter of that name: def <lambda>\(symbol\)"),
        ("/a", lambda symbol: None, 'so give it a default: def <lambda>\\(symbol="…"\\)'),
        ("/a", lambda *symbols: None, r"no \*args"),
        ("/a", later, "plain def, without async"),
        ("/a", yielding, "plain def, without async"),
    ],
)
def test_a_wrong_page_says_how_to_write_it(
    path: str, function: Callable[..., None], words: str
) -> None:
    with pytest.raises(PageError, match=words):
        page(path)(function)


def test_a_parameter_of_another_type_is_refused() -> None:
    def desk(days: list[int] = []) -> None:  # noqa: B006 - what a person may write
        """A list is no parameter."""

    with pytest.raises(PageError, match="days must be str, int, float, bool or Symbols"):
        make(desk)


def test_two_pages_at_one_address_are_refused() -> None:
    with open_book() as book:

        @page("/stock/{symbol}")
        def one(symbol: str) -> None:
            metric(symbol)

        @page("/stock/{name}")
        def other(name: str) -> None:
            metric(name)

    with pytest.raises(PageError, match="one and other are both at"):
        check_book(book)


def test_a_page_can_hold_another() -> None:
    @page("/small")
    def small() -> None:
        metric("SPY")

    def large() -> None:
        small()
        metric("QQQ")

    assert quoted(make(large).describe()) == ("SPY", "QQQ")
