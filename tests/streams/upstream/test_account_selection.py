"""Which accounts are followed: never a closed one, and others than the wanted only if none is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.upstream.account_selection import select_accounts

NUMBERS = st.sampled_from([f"5WX0000{digit}" for digit in range(6)])
FLAGS = st.sampled_from([True, False, None])
ACCOUNTS = st.lists(st.tuples(NUMBERS, FLAGS, FLAGS), unique_by=lambda each: each[0])


def list_accounts(accounts: list[tuple[str, bool | None, bool | None]]) -> dict[str, Any]:
    return {
        "items": [
            {"account": {"account-number": number, "is-closed": closed, "is-test-drive": test}}
            for number, closed, test in accounts
        ]
    }


@given(ACCOUNTS, st.lists(NUMBERS, unique=True))
def test_what_is_followed_is_open_and_wanted(
    accounts: list[tuple[str, bool | None, bool | None]], wanted: list[str]
) -> None:
    selection = select_accounts(list_accounts(accounts), wanted)
    is_open = {number: not closed for number, closed, _ in accounts}
    is_test = {number: bool(test) for number, _, test in accounts}
    assert all(is_open[number] for number in selection.numbers)
    if wanted:
        assert {*selection.numbers, *selection.missing} == set(wanted)
        assert set(selection.numbers).isdisjoint(selection.missing)
        assert selection.numbers == [each for each in is_open if each in selection.numbers]
    else:
        assert selection.missing == []
        kept = [number for number in is_open if is_open[number] and not is_test[number]]
        assert selection.numbers == kept


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"items": None},
        {"items": [None, "odd", {}, {"account": None}, {"account": {"account-number": None}}]},
    ],
)
def test_an_odd_answer_has_no_account(data: dict[str, Any]) -> None:
    assert select_accounts(data, []) == ([], [])
    assert select_accounts(data, ["5WX00001"]) == ([], ["5WX00001"])
