"""An alert that fires on a page: a toast, once, and again on no other occasion."""

import pytest

from tests.browser.driving import Gateway, Screen
from tests.simulation import Simulator
from tests.waiting import eventually_sync
from tests.web.running import ask

pytestmark = pytest.mark.browser

TOASTS = "document.querySelectorAll('.notices .toast[role=alert]')"
RULE = {"when": {"key": "quote_update:SPY", "field": "last", "op": "crosses_above", "value": 9000}}


def test_a_firing_is_shown_once(gateway: Gateway, simulator: Simulator, screen: Screen) -> None:
    """
    1. An alert is made above the price; the price crosses it, comes back, and crosses it again.

    Result: the page shows one toast with the alert's words, without breaking the policy.
    """
    path = f"{gateway.url}/api/alerts"
    # Under load the first opening of the database may take longer than anybody waits for it.
    eventually_sync(lambda: ask("GET", path).status_code == 200, 20)
    assert ask("POST", path, json=RULE).status_code == 201

    def is_armed() -> bool:
        return any(
            (each["alert"] or {}).get("state") == "armed"
            for each in ask("GET", path).json()["alerts"]
        )

    eventually_sync(is_armed, 20)
    simulator.control_sync("quote", symbol="SPY", bid=9001, ask=9002, last=9001)
    screen.wait_for(f"() => {TOASTS}.length === 1", timeout_s=20)
    for last in (8000, 9500):
        simulator.control_sync("quote", symbol="SPY", bid=last - 1, ask=last, last=last)
        screen.wait_for(
            "(text) => document.querySelector('#watchlist-SPY').textContent.includes(text)",
            f"{last:,}.00",
        )
    toasts = screen.page.locator(".notices .toast[role=alert]").all_inner_texts()
    assert toasts == ["SPY last crosses above 9000 fired at 9001"]
    screen.check()
