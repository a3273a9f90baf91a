"""A watchlist: its columns, its order and its words."""

from decimal import Decimal

import pytest

from gateway.pages import watchlist
from gateway.pages.panel import RowChange
from gateway.pages.panels.watchlist import QuoteTable
from tests.pages.reading import make_quote
from tests.pages.showing import place, render


def test_a_watchlist_has_the_columns_in_their_order() -> None:
    panels = place(lambda: watchlist("SPY", columns=["volume", "day", "last"]))
    table, day = panels
    quote = make_quote("SPY", "450.25", volume=Decimal(48_200))
    (row,) = render(table, quote).find("tr")
    assert [each.words for each in row.children] == ["SPY", "48.2K", "", "450.25"]
    assert row.children[2].attributes == {"class": "keep"}
    assert day.id == "watchlist-SPY .keep"


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (None, ["B", "A", "D", "C"]),
        ("last", ["C", "B", "A", "D"]),
        ("-last", ["A", "B", "C", "D"]),
        ("symbol", ["A", "B", "C", "D"]),
        ("-symbol", ["D", "C", "B", "A"]),
    ],
)
def test_a_watchlist_is_sorted(sort: str | None, order: list[str]) -> None:
    table = place(lambda: watchlist("B", "A", "D", "C", sort=sort, columns=["last"]))[0]
    quotes = [make_quote("A", "1"), make_quote("B", "2"), make_quote("C", "3")]
    rows = render(table, *quotes).find("tr")
    # The unknown one is at the bottom, whichever way.
    assert [each.children[0].words.split()[0] for each in rows] == order


def test_a_list_names_options_as_people_do_and_explains_unknown_names() -> None:
    table = QuoteTable("list", [".SPX261218C6000", "MGC"], ["last"])
    option, unknown = table.keys()
    name = table.row_cells(option, None, RowChange())[1]
    link = '<a href="?~open=.SPX261218C6000">SPX</a>'
    assert name.startswith(f'{link} <span title=".SPX261218C6000">18 Dec 26 6000 C</span>')
    note = table.row_cells(unknown, None, RowChange(is_overdue=True))[1]
    assert "nothing is known under this name; did you mean /MGC" in note
    assert "known" not in table.row_cells(unknown, None, RowChange())[1]
