"""The panel of alerts, and what every page is told of them."""

from decimal import Decimal
from typing import Any

from gateway.pages.panels.alerts import AlertsPanel, ToldPanel
from gateway.streams.alert_records import AlertUpdate
from tests.pages.showing import render

GIVEN: dict[str, Any] = {
    "id": "a1",
    "viewer": "owner",
    "arm": 1,
    "state": "armed",
    "key": "quote_update:SPY",
    "field": "last",
    "op": "crosses_above",
    "threshold": Decimal("610.50"),
    "note": "",
    **dict.fromkeys(("fired_arm", "value", "bid", "ask", "at", "missed")),
}
FIRED: dict[str, Any] = {
    "state": "fired",
    "fired_arm": 1,
    "value": Decimal(611),
    "at": "2026-11-20T15:30:00.123Z",
    "missed": False,
}


def make(**values: Any) -> AlertUpdate:
    return AlertUpdate(**GIVEN | values)


def show(*records: AlertUpdate) -> str:
    return " ".join(render(AlertsPanel("alerts"), *records).words.split())


def test_a_row_says_what_it_waits_for_and_its_state() -> None:
    assert show(make(note="<sell>")) == "SPY last crosses above 610.50 <sell> armed never"
    assert "blind never" in show(make(state="blind"))


def test_what_fired_last_is_first_and_what_is_deleted_is_gone() -> None:
    text = show(
        make(),
        make(id="a2", key="quote_update:QQQ", **FIRED),
        make(id="a3", **FIRED | {"state": "deleted"}),
    )
    assert text.startswith("QQQ last crosses above 610.50 fired at 611 15:30:00 UTC SPY")
    assert text.count("SPY") == 1


def test_without_any_it_says_how_to_add_one() -> None:
    assert "No alerts yet" in show()


def test_a_page_is_told_of_firings_alone() -> None:
    panel = ToldPanel("told")
    assert panel.context([make()], 0) == {"firings": []}
    (told,) = panel.context([make(note="sell", **FIRED), make(id="a2")], 0)["firings"]
    assert told["key"] == "a1-1"
    assert told["text"] == "SPY last crosses above 610.50 fired at 611: sell"
    (told,) = panel.context([make(**FIRED | {"missed": True})], 0)["firings"]
    assert told["text"] == "SPY last crosses above 610.50 was missed at 611"
