"""Rows that are made bad, and those around them that stay good."""

from gateway.simulator.broker.spoiling import Spoil, spoil_row, spoil_rows

ROWS = [{"symbol": "SPY", "quantity": 1}, {"symbol": "QQQ", "quantity": 2}]


def test_only_the_rows_that_match_are_spoilt() -> None:
    spoils = [Spoil("/positions", {"symbol": "SPY"}, {"kind": "new"}, ("quantity",))]
    assert spoil_rows(spoils, "/accounts/1/positions", ROWS) == [
        {"symbol": "SPY", "kind": "new"},
        ROWS[1],
    ]
    assert spoil_rows(spoils, "/accounts/1/orders", ROWS) == ROWS


def test_rows_are_added_to_lists_and_spoils_follow_each_other() -> None:
    spoils = [Spoil("/p", added=({"symbol": "X"},)), Spoil("/p", {"symbol": "X"}, {"a": 1})]
    assert spoil_rows(spoils, "/p", ROWS) == [*ROWS, {"symbol": "X", "a": 1}]
    assert spoil_row(spoils, "/p", ROWS[0]) == ROWS[0]


def test_what_is_no_object_stays_as_it_is() -> None:
    assert spoil_row([Spoil("", fields={"a": 1})], "/p", "text") == "text"
    assert ROWS[0] == {"symbol": "SPY", "quantity": 1}
