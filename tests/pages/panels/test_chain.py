"""The chain panel: what the broker answered, then what the feed says; what is held is marked."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway.pages import PageError, chain
from gateway.pages.authoring.address import Address
from gateway.pages.authoring.builder import open_builder
from gateway.pages.authoring.questions import Answer, ChainQuestion
from gateway.pages.layout import list_panels
from gateway.pages.panels.chain import MOST_STRIKES, ChainPanel
from gateway.pages.panels.chain_outlook import ChainOutlook
from gateway.pages.rendering.formats import UNKNOWN
from gateway.streams.records import GreeksUpdate, Record
from tests.pages.panels.chains import make_chain, make_expiration
from tests.pages.panels.holding import make_position
from tests.pages.reading import Node, make_quote
from tests.pages.showing import AT, place, render

BID, STRIKE, PUT_BID = 3, 5, 6


def place_chain(answer: Answer | None = None, **choices: str) -> ChainPanel:
    (_, panel) = place_both(answer, **choices)
    return panel


def place_both(answer: Answer | None = None, **choices: str) -> tuple[ChainOutlook, ChainPanel]:
    chosen = {f"~chain.{name}": value for name, value in choices.items()}
    day, _, root = choices.get("expiration", "").partition(",")
    question = ChainQuestion(
        "SPY",
        date.fromisoformat(day) if day else None,
        root or None,
        int(choices.get("strikes", 16)),
    )
    answers = {} if answer is None else {question: answer}
    with open_builder(address=Address({}, chosen), answers=answers) as builder:
        chain("spy")
    assert list(builder.questions) == [question]
    outlook, panel = list_panels(builder.nodes)
    assert isinstance(outlook, ChainOutlook)
    assert isinstance(panel, ChainPanel)
    return outlook, panel


def rows_of(*records: Record, answer: Answer | None = None, **given: Any) -> list[Node]:
    found = render(place_chain(answer or make_chain()), *records, **given)
    return found.find("tr")


def cell(row: Node, place: int) -> Node:
    return row.children[place]


def test_the_broker_fills_it_until_the_feed_does() -> None:
    before = rows_of()[1]
    assert [cell(before, each).words for each in (BID, STRIKE, PUT_BID)] == [
        "1.25",
        "600.00",
        "1.25",
    ]
    quote = make_quote(".SPY261218C600", None, bid=Decimal("4.10"), ask=Decimal("4.20"))
    after = rows_of(quote)[1]
    assert [cell(after, each).words for each in (BID, BID + 1, PUT_BID)] == ["4.10", "4.20", "1.25"]


@pytest.mark.parametrize(
    ("delta", "words"),
    [("0.456", "0.46"), ("0.0003", "<0.01"), ("-0.004", ">−0.01"), ("0", "0.00")],
)
def test_a_small_delta_is_never_0(delta: str, words: str) -> None:
    greeks = dict.fromkeys(GreeksUpdate.__struct_fields__)
    known = {"symbol": ".SPY261218C600", "updated_at": AT, "source": "dxfeed_stream"}
    record = GreeksUpdate(**{**greeks, **known, "stale": False, "delta": Decimal(delta)})  # type: ignore[arg-type]
    assert cell(rows_of(record)[1], 2).words == words


def test_a_bid_that_went_away_is_unknown_and_not_the_one_before() -> None:
    row = rows_of(make_quote(".SPY261218C600", None, bid=None, ask=Decimal("4.20")))[1]
    assert cell(row, BID).words == UNKNOWN


def test_the_money_is_where_the_underlying_stands() -> None:
    def shape(rows: list[Node]) -> list[tuple[bool, bool, bool]]:
        classes = [[each.attributes.get("class") or "" for each in row.children] for row in rows]
        return [
            ("itm" in each[BID], "atm" in each[STRIKE], "itm" in each[PUT_BID]) for each in classes
        ]

    low, middle, high = (True, False, False), (True, False, False), (False, True, True)
    assert shape(rows_of()) == [low, middle, high]
    moved = shape(rows_of(make_quote("SPY", "595")))
    assert moved == [(True, False, False), (False, True, True), (False, False, True)]


def test_what_the_viewer_holds_is_marked_and_others_are_not() -> None:
    held = make_position("x", symbol=".SPY261218P590", quantity=Decimal(-5))
    other = make_position("y", symbol=".SPY261218C590", account="5WY00002", quantity=Decimal(7))
    row = rows_of(held, other, accounts=frozenset({"5WX00001"}))[0]
    assert cell(row, 10).words == "−5"
    assert "held" in (cell(row, 10).attributes["class"] or "")
    assert cell(row, 0).words == ""


def test_adjusted_contracts_are_hidden_unless_chosen() -> None:
    others = [
        make_expiration(root="SPY1", is_standard=False),
        make_expiration(date(2027, 1, 15)),
    ]
    tabs = place_chain(make_chain(others=others)).tabs
    assert [each.day for each in tabs] == ["18 Dec", "15 Jan"]
    assert [each.is_chosen for each in tabs] == [True, False]
    assert tabs[1].link == "?~chain.expiration=2027-01-15,SPY"


def test_more_strikes_are_asked_for_up_to_a_bound() -> None:
    assert place_chain(make_chain()).more == "?~chain.strikes=32"
    most = str(MOST_STRIKES)
    wide = make_chain(strikes=range(500, 500 + MOST_STRIKES))
    assert place_chain(wide, strikes=most).more == ""


@pytest.mark.parametrize("answer", [None, "Tastytrade does not answer."])
def test_without_a_chain_it_says_why(answer: str | None) -> None:
    outlook, panel = place_both(answer)
    assert (panel.problem, panel.keys(), panel.tabs) == (answer, (), [])
    assert not render(panel).find("td")
    assert (outlook.keys(), render(outlook).words) == ((), "")


@pytest.mark.parametrize("given", ["2026-12-18", date(2026, 12, 18)])
def test_an_expiration_may_be_named(given: str | date) -> None:
    with open_builder() as builder:
        chain("/ES", given, strikes=8)
    assert list(builder.questions) == [ChainQuestion("/ES", date(2026, 12, 18), None, 8)]


def test_a_choice_wins_over_the_expiration_of_the_page() -> None:
    chosen = Address({}, {"~chain.expiration": "2027-01-15,SPXW", "~chain.strikes": "999"})
    with open_builder(address=chosen) as builder:
        chain("SPX", "2026-12-18")
    (question,) = builder.questions
    assert question == ChainQuestion("SPX", date(2027, 1, 15), "SPXW", MOST_STRIKES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("S P",), "no underlying"),
        (("SPY", None, 0), "strikes is 1 to"),
        (("SPY", "18 Dec"), "no day"),
    ],
)
def test_a_mistake_says_how_to_write_it(given: tuple[Any, ...], words: str) -> None:
    with pytest.raises(PageError, match=words):
        place(lambda: chain(*given))
