"""Greeks as figures, and before they have come."""

from decimal import Decimal
from typing import Any

from gateway.pages import greeks
from gateway.streams.records import GreeksUpdate
from tests.pages.showing import AT, place, render

OPTION = ".SPY261218C600"


def make_greeks(**values: Any) -> GreeksUpdate:
    known = dict.fromkeys(("price", "volatility", "delta", "gamma", "theta", "vega", "rho", "time"))
    return GreeksUpdate(symbol=OPTION, updated_at=AT, **{**known, **values})


def test_greeks_are_figures() -> None:
    (panel,) = place(lambda: greeks(OPTION))
    record = make_greeks(
        price=Decimal("11.0372"),
        volatility=Decimal("0.1583"),
        delta=Decimal("-0.4641"),
        gamma=Decimal("0.01562"),
    )
    (row,) = render(panel, record).find("tr")
    cells = [" ".join(each.words.split()) for each in row.children]
    assert cells == ["SPY 18 Dec 26 600 C", *("11.0372", "15.8%", "−0.464", "0.0156"), *"–––"]


def test_greeks_that_are_not_there_yet() -> None:
    (panel,) = place(lambda: greeks(OPTION))
    (row,) = render(panel).find("tr")
    assert [" ".join(each.words.split()) for each in row.children] == [
        "SPY 18 Dec 26 600 C waiting…",
        *["–"] * 7,
    ]
