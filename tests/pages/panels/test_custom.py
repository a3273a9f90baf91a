"""Panels of one's own: rendered from records, private when they must be, alone in their faults."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from markupsafe import Markup

from gateway.pages import PageError, page, panel
from gateway.pages.authoring.loader import load_pages
from gateway.pages.rendering import author_code
from gateway.streams.account_records import BalanceUpdate, PositionUpdate
from gateway.streams.records import QuoteUpdate
from gateway.streams.topics import market_topic
from tests.pages.reading import make_balance, make_quote, make_status
from tests.pages.showing import place, render


def make_position(account: str, symbol: str) -> PositionUpdate:
    """A position of which nothing is known but that it is there."""
    unknown: dict[str, Any] = dict.fromkeys(PositionUpdate.__struct_fields__)
    del unknown["login"], unknown["stale"]
    given = {"account": account, "broker_symbol": symbol, "source": "rest"}
    return PositionUpdate(**{**unknown, **given})


def quotes(*symbols: str) -> list[tuple[str, str]]:
    return [("quote_update", symbol) for symbol in symbols]


@panel("<b>{{ symbol }}</b><i>{{ spread | number }}</i>", keys=quotes, title="Spread of {symbol}")
def spread(records: list[Any], symbol: str) -> dict[str, Any]:
    """What it costs to trade at once."""
    (quote,) = records
    known = isinstance(quote, QuoteUpdate) and quote.bid is not None and quote.ask is not None
    return {"spread": quote.ask - quote.bid if known else None}


def test_it_is_rendered_from_the_newest_records() -> None:
    (placed,) = place(lambda: spread("qqq"))
    assert (placed.id, placed.keys()) == ("spread", (market_topic("quote_update", "QQQ"),))
    assert not placed.is_private
    assert render(placed).words == "qqq –"
    quote = make_quote("QQQ", bid=Decimal("450.20"), ask=Decimal("450.27"))
    assert render(placed, quote).words == "qqq 0.07"
    assert spread.__doc__ == "What it costs to trade at once."


def test_what_comes_from_records_is_escaped() -> None:
    @panel("<p>{{ words }}</p>", keys=lambda: quotes("SPY"))
    def words(records: list[Any]) -> dict[str, Any]:
        return {"words": "<script>alert(1)</script>"}

    (placed,) = place(words)
    assert render(placed).find("script") == []


def test_balances_make_it_private_and_only_what_is_granted_comes() -> None:
    @panel("{{ total | money }} of {{ count }}", keys=lambda: [("balance_update", "*")])
    def total(records: list[BalanceUpdate]) -> dict[str, Any]:
        return {"total": sum(each.balance for each in records), "count": len(records)}

    @panel("{{ known }}", keys=lambda: [("balance_update", "222"), *quotes("SPY")])
    def one(records: list[Any]) -> dict[str, Any]:
        return {"known": [each is not None for each in records]}

    (placed,) = place(total)
    assert placed.is_private
    known = make_balance("111", "5.00"), make_balance("222", "7.00")
    assert render(placed, *known).words == "$12.00 of 2"
    assert render(placed, *known, accounts=frozenset({"111"})).words == "$5.00 of 1"
    (placed,) = place(one)
    assert render(placed, *known, make_quote("SPY")).words == "[True, True]"
    granted = frozenset({"111"})
    assert render(placed, *known, accounts=granted).words == "[False, False]"
    assert render(placed, *known, make_quote("SPY"), accounts=granted).words == "[False, True]"


def failing(records: list[Any]) -> dict[str, Any]:
    return {"x": 1 / 0}


def returning_nothing(records: list[Any]) -> Any:
    return None


@pytest.mark.parametrize(
    ("fragment", "function", "words"),
    [
        (
            "{{ x }}",
            failing,
            "failing failed test_custom.py, line .* ZeroDivisionError: division by",
        ),
        ("{{ x }}", returning_nothing, "returned a NoneType: return the fragment's variables"),
        ("a\n\n{{ y }}", lambda records: {"x": 1}, "the fragment of <lambda>, line 3 .*'y' is un"),
    ],
)
def test_a_fault_stands_in_its_place(
    fragment: str, function: Callable[..., Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    (placed,) = place(panel(fragment, keys=lambda: quotes("SPY"))(function))
    shown = " ".join(render(placed).words.split())
    assert re.search(words, shown), shown
    assert len(caplog.records) == 1


def test_a_fault_is_logged_once_and_goes_away(caplog: pytest.LogCaptureFixture) -> None:
    @panel("{{ half }}", keys=lambda: quotes("SPY"))
    def half(records: list[Any]) -> dict[str, Any]:
        return {"half": records[0].last / 2}

    (placed,) = place(half)
    for _ in range(3):
        assert "half failed" in render(placed).words
    assert len(caplog.records) == 1
    assert render(placed, make_quote("SPY", "5.00")).words == "2.50"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: panel("<b>x</b>")(failing),
            'add keys=lambda symbol: \\[\\("quote_update", symbol',
        ),
        (lambda: panel("{% if %}", refresh_s=1)(failing), "failing: line 1 of its fragment: Exp"),
        (lambda: panel("none.html", refresh_s=1)(failing), "none.html cannot be read: No such"),
        (lambda: place(panel("x", keys=lambda: [5])(failing)), "5 is no key"),  # type: ignore[list-item]
        (
            lambda: place(panel("x", keys=lambda: [("quote", "A")])(failing)),
            "no event 'quote'; the",
        ),
        (lambda: place(panel("x", keys=lambda: quotes("a b"))(failing)), "'a b' is no symbol"),
        (lambda: panel("x", refresh_s=1)(failing)(), r"failing\(\) is called outside a page"),
    ],
)
def test_a_wrong_panel_says_how_to_write_it(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(PageError, match=words):
        make()


def test_a_fragment_may_be_a_file_beside_the_page(tmp_path: Path) -> None:
    (tmp_path / "spread.html").write_text("<i>{{ spread | number(3) }}</i>\n")
    (tmp_path / "mine.py").write_text(
        dedent(
            """
            from gateway.pages import page, panel

            @panel("spread.html", keys=lambda symbol: [("quote_update", symbol)])
            def spread(records, symbol):
                return {"spread": records[0].ask - records[0].bid}

            @page("/mine")
            def mine():
                spread("SPY")
            """
        )
    )
    (factory,) = load_pages(tmp_path / "mine.py")
    placed = factory.describe().panels[-1]
    quote = make_quote("SPY", bid=Decimal(1), ask=Decimal("1.5"))
    assert render(placed, quote).words == "0.500"


def test_a_wrong_call_is_told_where_it_stands(tmp_path: Path) -> None:
    @page("/wrong")
    def wrong() -> None:
        spread()

    with pytest.raises(TypeError, match="symbol"):
        wrong.describe()


def test_positions_of_an_account_or_of_all_come_in_any_number() -> None:
    @panel("{{ seen }}", keys=lambda account: [("position_update", account)])
    def holdings(records: list[Any], account: str) -> dict[str, Any]:
        return {"seen": " ".join(each.broker_symbol for each in records)}

    known = [make_position("111", "SPY"), make_position("111", "IWM"), make_position("222", "QQQ")]
    for granted, account, expected in (
        (None, "*", "IWM SPY QQQ"),
        (None, "111", "IWM SPY"),
        ({"222"}, "*", "QQQ"),
        ({"222"}, "111", ""),
        (None, "333", ""),
    ):
        (placed,) = place(partial(holdings, account))
        assert placed.is_private
        accounts = None if granted is None else frozenset(granted)
        assert render(placed, *known, accounts=accounts).words == expected


def test_the_status_of_a_login_makes_a_panel_private() -> None:
    @panel("{{ states }}", keys=lambda: [("status", "feed"), ("status", "session")])
    def lights(records: list[Any]) -> dict[str, Any]:
        return {"states": [each and each.state for each in records]}

    (placed,) = place(lights)
    assert placed.is_private
    known = [make_status("live"), make_status("closed", upstream="session")]
    assert render(placed, *known, accounts=frozenset({"111"})).words == "['live', None]"
    assert render(placed, *known).words == "['live', 'closed']"


def test_a_stale_balance_says_so_beside_what_is_made_of_it() -> None:
    @panel("{{ count }}", keys=lambda: [("balance_update", "*")])
    def accounts(records: list[Any]) -> dict[str, Any]:
        return {"count": len(records)}

    (placed,) = place(accounts)
    fresh, stale = make_balance("111", "5.00"), make_balance("222", "7.00", stale=True)
    assert render(placed, fresh).words == "1"
    assert {*render(placed, fresh, stale).words.split()} == {"stale", "2"}


def test_what_browsers_refuse_is_told_where_it_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mine.py").write_text(
        dedent(
            """
            from gateway.pages import page, panel

            @panel(
                '''
                <p>{{ symbol }}</p>
                <b style="color: red">x</b>
                ''',
                keys=lambda symbol: [("quote_update", symbol)],
            )
            def loud(records, symbol):
                return {}

            @page("/mine")
            def mine():
                loud("SPY")
            """
        )
    )
    (factory,) = load_pages(tmp_path / "mine.py")
    words = render(factory.describe().panels[-1]).words
    assert "mine.py, line 7" in words
    assert "browsers refuse style=: give the element a class" in words
    assert "SPY" in words, "what is allowed is shown"
    assert ["mine.py, line 7" in each.getMessage() for each in caplog.records] == [True]


def test_the_line_of_a_fragment_of_its_own_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "loud.html").write_text("<p>x</p>\n\n<img src='data:image/png;base64,AA=='/>\n")
    (tmp_path / "mine.py").write_text(
        dedent(
            """
            from gateway.pages import page, panel

            @panel("loud.html", refresh_s=1)
            def loud(records):
                return {}

            @page("/mine")
            def mine():
                loud()
            """
        )
    )
    (factory,) = load_pages(tmp_path / "mine.py")
    words = render(factory.describe().panels[-1]).words
    assert "loud.html, line 3" in words
    assert "write src=/files/…" in words


def test_what_a_variable_brings_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    @panel("{{ html }}", keys=lambda: quotes("SPY"))
    def loud(records: list[Any]) -> dict[str, Any]:
        return {"html": Markup("<b onclick='x()'>x</b>")}

    (placed,) = place(loud)
    for _ in range(2):
        assert "onclick=: scripts within a page are not run" in render(placed).words
    assert len(caplog.records) == 1


def test_a_fragment_that_is_too_long_is_not_sent() -> None:
    @panel("{{ html }}", keys=lambda: quotes("SPY"))
    def long(records: list[Any]) -> dict[str, Any]:
        return {"html": "x" * 1_000_000}

    (placed,) = place(long)
    words = render(placed).words
    assert "the fragment of long is 1,000,000 letters long; at most 262,144 may be" in words


@pytest.fixture(autouse=True)
def _every_function_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not decide what these tests see; slow ones have tests of their own."""
    monkeypatch.setattr(author_code, "QUICK_S", 10.0)
