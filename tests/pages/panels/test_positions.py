"""The positions panel: rows by underlying, sums that add up, and nothing that is not known."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages import PageError, positions
from gateway.pages.authoring.address import Address
from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import list_panels
from gateway.pages.panels.positions import FIELDS, SORTS
from gateway.pages.rendering.formats import UNKNOWN, format_change, format_number
from gateway.streams.records import Record
from tests.pages.panels.holding import make_position
from tests.pages.reading import Node
from tests.pages.showing import place, render

AMOUNTS = st.one_of(
    st.none(), st.decimals(-10_000, 10_000, places=2, allow_nan=False, allow_infinity=False)
)


def rows_of(*records: Record, accounts: frozenset[str] | None = None, **given: Any) -> list[Node]:
    (panel,) = place(lambda: positions(**given))
    return render(panel, *records, accounts=accounts).find("tr")


def names_of(rows: list[Node]) -> list[str]:
    return [row.find("b")[0].words for row in rows]


def cells_of(row: Node) -> list[str]:
    return [cell.words for cell in row.children]


def test_parts_stand_under_the_sum_of_their_underlying() -> None:
    rows = rows_of(
        make_position("SPY   261218C00600000", underlying="SPY", description="SPY 18 Dec 26 600 C"),
        make_position("TLT"),
        make_position("SPY"),
        make_position("AAPL"),
    )
    assert names_of(rows) == ["All positions", "AAPL", "SPY", "SPY", "SPY 18 Dec 26 600 C", "TLT"]
    classes = [row.children[0].attributes.get("class") for row in rows]
    assert classes == ["total", None, "group", "part", "part", None]
    assert "2 positions" in rows[2].words


def test_one_position_has_no_sum() -> None:
    (row,) = rows_of(make_position("SPY"))
    assert names_of([row]) == ["SPY"]


def test_nothing_held_says_so() -> None:
    (row,) = rows_of()
    assert "No positions" in row.words


def test_what_is_not_known_is_a_dash_and_never_0() -> None:
    (row,) = rows_of(make_position("SPY"))
    name, quantity, *figures = cells_of(row)
    assert (name, quantity) == ("SPY", "100")
    assert set(figures) <= {UNKNOWN, ""}


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, st.sampled_from("ABC")), min_size=2, max_size=12))
def test_the_sum_is_the_sum_of_its_parts(held: list[tuple[Any, Any, str]]) -> None:
    """A position without a value is in no sum, and the line says how many there are."""
    records = [
        make_position(f"{group}{number}", underlying=group, value=value, pnl_day=gain)
        for number, (value, gain, group) in enumerate(held)
    ]
    rows = rows_of(*records)
    total = rows[0]
    known = [each for each in records if each.value is not None]
    figures = cells_of(total)
    value = sum((each.value or Decimal(0) for each in known), Decimal(0))
    assert figures[-1] == format_number(value)
    day = sum((each.pnl_day or Decimal(0) for each in known), Decimal(0))
    assert figures[4] == format_change(day)
    missing = len(records) - len(known)
    assert (f"{missing} without a mark" in total.words) == bool(missing)
    without = len(known)  # none of these has a price that its gain since opening starts from
    assert (f"{without} without a basis" in total.words) == bool(without)
    groups = [row for row in rows if row.children[0].attributes.get("class") == "group"]
    counts = {group: sum(each.underlying == group for each in records) for group in "ABC"}
    assert names_of(groups) == [group for group, count in sorted(counts.items()) if count > 1]
    assert len(rows) == 1 + len(groups) + len(records)


@pytest.mark.parametrize("sort", SORTS)
def test_rows_are_sorted_with_the_unknown_last(sort: str) -> None:
    field = FIELDS.get(sort, sort)
    values = [3, None, 1, 2]
    records = [
        make_position(
            f"S{number}", **({} if sort == "symbol" else {field: value and Decimal(value)})
        )
        for number, value in enumerate(values)
    ]
    rows = rows_of(*records, sort=sort, group=None)[1:]
    expected = ["S0", "S1", "S2", "S3"] if sort == "symbol" else ["S2", "S3", "S0", "S1"]
    assert names_of(rows) == expected
    if sort != "symbol":
        rows = rows_of(*records, sort=f"-{sort}", group=None)[1:]
        assert names_of(rows) == ["S0", "S3", "S2", "S1"]


def test_only_granted_positions_are_shown() -> None:
    records = [make_position("SPY"), make_position("TLT", account="5WY00002")]
    rows = rows_of(*records, accounts=frozenset({"5WY00002"}))
    assert names_of(rows) == ["TLT"]
    assert "5WX00001" not in str([cells_of(row) for row in rows])


def test_old_and_closed_positions_say_so() -> None:
    stale, closed = rows_of(
        make_position("A", stale=True), make_position("B", quantity=Decimal(0)), group=None
    )[1:]
    assert stale.find("small")[0].attributes["data-since"] == "2026-11-20T15:30:00.123Z"
    assert "closed today" in closed.words


def test_what_the_broker_writes_is_escaped() -> None:
    (row,) = rows_of(make_position("<b>x", description="<script>"), columns=["account"])
    assert not row.find("script")
    assert "<script>" in row.words


def held() -> tuple[Record, ...]:
    return (
        make_position("SPY   261218C00600000", underlying="SPY", description="SPY 18 Dec 26 600 C"),
        make_position("SPY"),
        make_position("/ESZ6", symbol="/ESZ26:XCME", description="/ESZ6"),
    )


def rows_at(choices: dict[str, str], *records: Record, **given: Any) -> list[Node]:
    with open_builder(address=Address({}, choices)) as builder:
        positions(**given)
    (panel,) = list_panels(builder.nodes)
    return render(panel, *records, accounts=None).find("tr")


def test_a_group_is_folded_in_the_address() -> None:
    rows = rows_at({"~positions.fold": "SPY"}, *held())
    assert names_of(rows) == ["All positions", "/ESZ6", "SPY"]
    (link,) = rows[2].find("a")
    assert (link.attributes["href"], link.attributes["aria-label"]) == ("?", "Unfold SPY")
    rows = rows_at({}, *held())
    assert rows[2].find("a")[0].attributes["href"] == "?~positions.fold=SPY"
    rows = rows_at({"~positions.fold": "*"}, *held())
    assert names_of(rows) == ["All positions", "/ESZ6", "SPY"]
    assert rows[0].find("a")[0].attributes["aria-label"] == "Unfold All positions"
    assert names_of(rows_at({"~positions.fold": "*,SPY"}, *held()))[-1] == "SPY 18 Dec 26 600 C"


def test_a_viewer_sorts_by_what_the_address_says() -> None:
    records = [make_position(each, value=Decimal(value)) for each, value in (("A", 1), ("B", 2))]
    chosen = {"~positions.sort": "-value"}
    assert names_of(rows_at(chosen, *records, group=None))[1:] == ["B", "A"]
    assert names_of(rows_at({"~positions.sort": "-nope"}, *records))[1:] == ["A", "B"]


def rows_of_positions(rows: list[Node]) -> list[Node]:
    return [row for row in rows if row.find("b") and row.find("b")[0].find("a")]


@pytest.mark.parametrize(("symbol", "count"), [("SPY", 2), ("/ESZ26:XCME", 1), ("QQQ", 0)])
def test_only_what_is_held_of_a_symbol_is_shown(symbol: str, count: int) -> None:
    rows = rows_at({}, *held(), symbol=symbol)
    assert len(rows_of_positions(rows)) == count


def test_a_name_leads_to_the_page_of_its_symbol() -> None:
    (row,) = rows_of(make_position("/ESZ6", symbol="/ESZ26:XCME"))
    assert row.find("a")[0].attributes["href"] == "?~open=%2FESZ26%3AXCME"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"columns": ["nope"]}, "no column 'nope'"),
        ({"group": "sector"}, "group is"),
        ({"sort": "nope"}, "sort is one of"),
    ],
)
def test_a_mistake_says_how_to_write_it(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PageError, match=words):
        place(lambda: positions(**given))


def test_the_sum_of_an_underlying_with_options_leads_to_its_chain() -> None:
    def links(*records: Record) -> list[str | None]:
        found = [a.attributes["href"] for row in rows_of(*records) for a in row.find("a")]
        return [each for each in found if each and "~chain" in each]

    shares = make_position("SPY", underlying="SPY")
    call = make_position("call", symbol=".SPY261218C600", underlying="SPY")
    other = make_position("QQQ", underlying="QQQ")
    more = make_position("SPY2", underlying="SPY")
    assert links(shares, call, other) == ["?~chain=SPY"]
    assert links(shares, more, other) == []
