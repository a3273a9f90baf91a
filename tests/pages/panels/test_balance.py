"""Balances and their sum, with what is unknown or stale."""

from decimal import Decimal

import pytest

from gateway.pages import balance
from tests.pages.reading import make_balance
from tests.pages.showing import place, render


def test_balances_of_all_of_some_and_their_sum() -> None:
    one, other = make_balance("111", "1000.50"), make_balance("222", "2000.25")
    (all_,) = place(balance)
    assert all_.is_private
    assert [each.words for each in render(all_, one, other).find("h2")] == ["111", "222"]
    (some,) = place(lambda: balance("222", "333"))
    assert [each.words for each in render(some, one, other).find("h2")] == ["222"]
    (total,) = place(lambda: balance(total=True))
    shown = render(total, one, other)
    assert shown.find("h2")[0].words == "2 accounts"
    assert "$3,000.75" in shown.words
    only = render(total, one, other, accounts=frozenset({"111"}))
    assert only.find("h2")[0].words == "111"
    assert "$1,000.50" in only.words


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    (total,) = place(lambda: balance(total=True))
    records = make_balance("111", cash=Decimal(5)), make_balance("222", cash=None)
    assert "Cash –" in render(total, *records).words


def test_a_balance_that_is_not_live_says_so() -> None:
    """Who sees an account does not see how its login is doing."""
    fresh, stale = make_balance("111", "5.00"), make_balance("222", "7.00", stale=True)
    (every,) = place(balance)
    shown = render(every, fresh, stale)
    assert shown.words.count("stale") == 1
    assert [each.attributes["class"] for each in shown.find("span") if each.words == "$7.00"] == [
        "value stale"
    ]
    (total,) = place(lambda: balance(total=True))
    assert render(total, fresh, stale).words.count("stale") == 1
    assert "stale" not in render(total, fresh).words


@pytest.mark.parametrize("total", [False, True])
def test_a_balance_that_is_not_of_now_says_since_when(total: bool) -> None:
    (panel,) = place(lambda: balance(total=total))
    fresh, old = make_balance("111"), make_balance("222", stale=True)
    tiles = render(panel, fresh, old).find("article")
    ages = [each.find("small", **{"class": "age"}) for each in tiles]
    assert [len(each) for each in ages] == ([1] if total else [0, 1])
    assert ages[-1][0].attributes["data-since"] == "2026-11-20T15:30:00Z"
    assert not render(panel, fresh).find("small")
