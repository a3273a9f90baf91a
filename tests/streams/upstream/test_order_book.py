"""Orders from readings and pushes: the newest row of each, a chain of replacements as one."""

from datetime import UTC, datetime
from typing import Any

from gateway.streams.upstream.order_book import OrderBook, OrderKey
from gateway.streams.upstream.rows import OrderRow, read_order


def make_row(order_id: int, status: str = "Live", at: int = 1, **fields: Any) -> OrderRow:
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    stamp = datetime(2026, 11, 20, 15, 0, at, tzinfo=UTC).isoformat()
    row = {"id": order_id, "account-number": "A", "status": status, "updated-at": stamp}
    return read_order(row | given)


def ids(book: OrderBook) -> list[str]:
    return [row.order_id for row in book.rows()]


def test_a_reading_is_the_whole_truth() -> None:
    book = OrderBook()
    changes = book.read("A", [make_row(1), make_row(2)], 1.0)
    assert changes.changed == (OrderKey("A", "1"), OrderKey("A", "2"))
    changes = book.read("A", [make_row(2)], 2.0)
    assert changes == ((), (OrderKey("A", "1"),))
    assert ids(book) == ["2"]


def test_a_push_that_came_while_a_reading_was_on_its_way_stays() -> None:
    book = OrderBook()
    book.push(make_row(1, "Filled", 2), 5.0)
    assert book.read("A", [make_row(1, "Live", 1)], 4.0) == ((), ())
    assert book.rows()[0].status == "Filled"
    book.push(make_row(2), 5.0)
    assert book.read("A", [], 4.0).removed == ()
    assert len(book.read("A", [], 6.0).removed) == 2


def test_an_older_push_changes_nothing() -> None:
    book = OrderBook()
    book.push(make_row(1, "Filled", 5), 1.0)
    assert book.push(make_row(1, "Live", 4), 2.0) == ((), ())
    assert book.rows()[0].status == "Filled"


def test_a_replaced_order_makes_way_in_whatever_order_they_come() -> None:
    new, old = make_row(2, replaces_order_id=1), make_row(1, "Cancelled", replacing_order_id=2)
    book = OrderBook()
    book.push(make_row(1), 1.0)
    changes = book.push(new, 2.0)
    assert changes == ((OrderKey("A", "2"),), (OrderKey("A", "1"),))
    assert book.push(old, 3.0) == ((), ())
    other = OrderBook()
    other.push(new, 1.0)
    other.push(old, 2.0)
    assert ids(book) == ids(other) == ["2"]


def test_an_account_is_read_by_itself() -> None:
    book = OrderBook()
    book.read("A", [make_row(1)], 1.0)
    assert book.read("B", [make_row(9, account_number="B")], 1.0).removed == ()
    assert book.read("B", [make_row(8)], 2.0).removed == (OrderKey("B", "9"),)
    assert ids(book) == ["1"]
