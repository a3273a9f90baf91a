"""The net liquidating value over time: a line of each granted account, with now at its end."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.pages import PageError, net_liq
from gateway.pages.authoring.address import Address
from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import list_panels
from gateway.pages.panel import History, HistoryQuestion
from gateway.pages.panels.net_liq import (
    HEIGHT,
    MOST_POINTS,
    OF_THE_DAY,
    OF_THE_RANGE,
    RANGES,
    NetLiqPanel,
    draw,
)
from gateway.streams.documents import Back, NetLiqHistory, NetLiqPoint
from gateway.streams.topics import Owner, balance_topic
from tests.pages.reading import make_balance
from tests.pages.showing import place, render
from tests.streams.samples import make_portfolio

FIRST, SECOND = "5WX00001", "5WX00002"
TIMES = ("2026-11-20T14:30:00Z", "2026-11-20T15:00:00Z", "2026-11-20T15:30:00Z")


def make_history(*closes: str, account: str = FIRST, back: Back = "1d") -> NetLiqHistory:
    points = tuple(
        NetLiqPoint(time=time, open=None, high=None, low=None, close=Decimal(close))
        for time, close in zip(TIMES, closes, strict=False)
    )
    return NetLiqHistory(account=account, back=back, points=points)


def place_panel(back: str = "1d", chosen: str = "", account: str | None = None) -> NetLiqPanel:
    address = Address({}, {"~netliq.back": chosen} if chosen else {})
    with open_builder(address=address) as builder:
        net_liq(account, back=back)
    (panel,) = list_panels(builder.nodes)
    assert isinstance(panel, NetLiqPanel)
    return panel


def line_of(answer: History, *more: Any, back: str = "1d") -> dict[str, Any]:
    balance = make_balance(FIRST, "110.00")
    (line,) = place_panel(back).context([balance, *more, answer], 0)["lines"]
    found: dict[str, Any] = line
    return found


def test_it_is_asked_for_each_account_with_a_balance_and_no_other() -> None:
    panel = place_panel("1m")
    portfolio = make_portfolio(account=SECOND).topic
    asked = panel.histories([balance_topic(FIRST), balance_topic(SECOND, "other"), portfolio])
    assert asked == [
        HistoryQuestion(Owner("main", FIRST), "1m"),
        HistoryQuestion(Owner("other", SECOND), "1m"),
    ]


def test_it_is_private() -> None:
    assert place_panel().is_private
    grant = frozenset({SECOND})
    words = render(place_panel(), make_balance(FIRST, "110.00"), accounts=grant).words
    assert FIRST not in words
    assert "110.00" not in words
    assert "no balance yet" in words


def test_the_line_ends_at_the_value_of_now() -> None:
    line = line_of(make_history("100", "120", "105"))
    assert line["value"] == "$110.00"
    assert line["points"].startswith("0,")
    assert line["points"].endswith(f"400,{line['end']}")
    assert (line["low"], line["high"]) == ("$100.00", "$120.00")
    assert line["begins"] == "09:30 ET"


def test_the_live_value_wins_over_the_reported_one() -> None:
    portfolio = make_portfolio(account=FIRST, net_liq=Decimal("115.50"), day_change=None)
    assert line_of(make_history("100"), portfolio)["value"] == "$115.50"
    unknown = make_portfolio(account=FIRST, net_liq=None, day_change=None)
    assert line_of(make_history("100"), unknown)["value"] == "$110.00"


def test_the_change_of_the_day_is_the_portfolios_and_of_a_range_from_its_first_point() -> None:
    portfolio = make_portfolio(account=FIRST, net_liq=Decimal(110), day_change=Decimal(-5))
    day = line_of(make_history("100"), portfolio)
    assert (day["change"], day["direction"], day["meaning"]) == ("−$5.00", "down", OF_THE_DAY)
    assert day["percent"] == "−4.35%"
    year = line_of(make_history("100"), portfolio, back="1y")
    assert (year["change"], year["percent"]) == ("+$10.00", "+10.00%")
    assert year["meaning"] == OF_THE_RANGE


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "Asking the broker"),
        ("Tastytrade does not answer.", "Tastytrade does not answer."),
        (NetLiqHistory(account=FIRST, back="1d", points=()), "no history of this range"),
    ],
)
def test_without_a_history_the_value_stands_and_says_why_there_is_no_line(
    answer: History, words: str
) -> None:
    line = line_of(answer)
    assert (line["value"], line["points"], line["change"]) == ("$110.00", "", "")
    assert words in line["problem"]


def test_a_gateway_without_a_login_says_what_to_do() -> None:
    words = render(place_panel(), make_balance(FIRST, "110.00")).words
    assert "$110.00" in words
    assert "Set TT_SECRET and TT_REFRESH" in words


def test_what_is_old_says_since_when() -> None:
    balance = make_balance(FIRST, "110.00", stale=True)
    portfolio = make_portfolio(account=FIRST, stale=True, updated_at="2026-11-20T15:29:00Z")
    fresh = make_portfolio(account=FIRST)
    assert line_of(None, fresh)["stale_since"] is None
    assert line_of(None, portfolio)["stale_since"] == "2026-11-20T15:29:00Z"
    (line,) = place_panel().context([balance, fresh, None], 0)["lines"]
    assert line["stale_since"] == "2026-11-20T15:30:00Z"


@pytest.mark.parametrize("count", [2, 3, MOST_POINTS, MOST_POINTS + 1, 5 * MOST_POINTS + 3])
def test_a_long_line_is_thinned_and_keeps_its_end(count: int) -> None:
    drawn = draw([Decimal(each) for each in range(count)], None)
    points = drawn["points"].split()
    assert 2 <= len(points) <= MOST_POINTS
    assert float(points[-1].partition(",")[2]) == min(float(p.partition(",")[2]) for p in points)
    assert points[-1].startswith("400,")


def test_a_flat_line_lies_in_the_middle_and_one_point_is_none() -> None:
    assert draw([Decimal(5), Decimal(5)], Decimal(5))["base"] == f"{HEIGHT // 2}"
    assert draw([Decimal(5)], None)["points"] == ""


def test_every_range_is_a_link_and_a_choice_wins() -> None:
    ranges = place_panel("1m", chosen="1y").ranges
    assert tuple(each.name for each in ranges) == RANGES
    assert [each.name for each in ranges if each.is_chosen] == ["1y"]
    assert ranges[0].link == "?~netliq.back=1d"
    assert place_panel("1m", chosen="2y").back == "1m"


@pytest.mark.parametrize(
    ("given", "words"), [({"back": "2d"}, "back is one of"), ({"account": "a b"}, "account number")]
)
def test_a_mistake_says_how_to_write_it(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PageError, match=words):
        place(lambda: net_liq(**given))
