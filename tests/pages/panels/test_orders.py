"""The orders panel: working orders first, each status in the broker's word, reasons beside it."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.pages import PageError, orders
from gateway.streams.records import Record
from tests.pages.panels.holding import make_order
from tests.pages.reading import Node
from tests.pages.showing import place, render


def rows_of(*records: Record, accounts: frozenset[str] | None = None, **given: Any) -> list[Node]:
    (panel,) = place(lambda: orders(**given))
    return render(panel, *records, accounts=accounts).find("tr")


def test_working_orders_come_first_then_the_newest() -> None:
    rows = rows_of(
        make_order("1", is_working=False, received_at="2026-11-20T15:00:00.000Z"),
        make_order("2", received_at="2026-11-20T14:00:00.000Z"),
        make_order("3", is_working=False, received_at="2026-11-20T16:00:00.000Z"),
        make_order("4", received_at="2026-11-20T15:00:00.000Z"),
    )
    names = [row.find("b")[0].words for row in rows]
    assert names == [f"Buy to Open {each} SPY" for each in (4, 2, 3, 1)]


def test_only_working_orders_where_the_page_says_so() -> None:
    records = [make_order("1", is_working=False), make_order("2")]
    (row,) = rows_of(*records, show="working")
    assert row.find("b")[0].words == "Buy to Open 2 SPY"
    (row,) = rows_of(records[0], show="working")
    assert "No orders" in row.words


def test_a_price_says_credit_or_debit() -> None:
    rows = rows_of(
        make_order("1", price=Decimal("1.25"), received_at=None),
        make_order("2", price=Decimal("-45.5"), received_at=None),
        make_order("3", received_at=None),
    )
    assert sorted(row.children[4].words for row in rows) == ["1.25 cr", "45.50 db", "–"]


def test_a_rejection_has_the_broker_s_reason() -> None:
    (row,) = rows_of(
        make_order("1", status="Rejected", reject_reason="<no> buying power", is_working=False)
    )
    assert row.find("small")[0].words == "<no> buying power"
    assert row.find("td")[1].attributes["class"] == "bad"


def test_an_unknown_status_stays_the_broker_s_word() -> None:
    (row,) = rows_of(make_order("1", status="Waiting <for> Godot"))
    assert row.find("td")[1].words == "Waiting <for> Godot"


def test_only_granted_orders_are_shown() -> None:
    records = [make_order("1"), make_order("2", account="5WY00002")]
    (row,) = rows_of(*records, accounts=frozenset({"5WY00002"}))
    assert row.find("b")[0].words == "Buy to Open 2 SPY"


@pytest.mark.parametrize(
    ("given", "words"), [({"columns": ["nope"]}, "no column"), ({"show": "x"}, "show is one of")]
)
def test_a_mistake_says_how_to_write_it(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PageError, match=words):
        place(lambda: orders(**given))
