"""Heads sort: the first click by the largest, the second the other way, the third not at all."""

import pytest

from gateway.pages.authoring.address import Address
from gateway.pages.panels.sorting import Head, Sorting

COLUMNS = ("symbol", "value")


def sorting(chosen: str, own: str = "") -> Sorting:
    choices = {"~table.sort": chosen} if chosen else {}
    return Sorting(
        Address({}, choices), "table", own, COLUMNS, lambda sort: not sort.startswith("-")
    )


def heads(chosen: str, own: str = "") -> dict[str, Head]:
    found = sorting(chosen, own).complete({each: Head(each) for each in (*COLUMNS, "account")})
    return {each.title: each for each in found}


@pytest.mark.parametrize(
    ("column", "clicks"),
    [("value", ["-value", "value", ""]), ("symbol", ["symbol", "-symbol", ""])],
)
def test_three_clicks_come_back(column: str, clicks: list[str]) -> None:
    chosen = ""
    for click in clicks:
        link = heads(chosen)[column].link
        assert link == (f"?~table.sort={click}" if click else "?")
        chosen = click


def test_the_sorted_head_says_so() -> None:
    assert heads("-value")["value"].direction == "descending"
    assert heads("", "value")["value"].direction == "ascending"
    assert heads("-value")["symbol"].direction == ""


def test_what_cannot_be_sorted_by_has_no_link() -> None:
    assert heads("")["account"].link == ""
    assert sorting("account", "value").sort == "value"
