"""Option chains and the net liquidating value in a real browser, on the simulator."""

import pytest
from playwright.sync_api import Browser

from tests.browser.driving import Gateway, Screen

pytestmark = pytest.mark.browser

ROWS = "() => document.querySelectorAll('#chain > tr:not([hidden])').length"
IS_LIVE = """
() => {
  const text = () => [...document.querySelectorAll("#chain > tr > td:nth-child(4)")]
    .map((each) => each.textContent).join(" ");
  window.bids ??= text();
  return window.bids !== text();
}
"""
WIDTHS = (320, 390, 768, 1280, 1920)


def open_at(browser: Browser, gateway: Gateway, path: str) -> Screen:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    screen = Screen(page, f"{gateway.url}{path}")
    screen.open()
    return screen


def test_a_chain_is_full_at_once_and_lives(browser: Browser, gateway: Gateway) -> None:
    screen = open_at(browser, gateway, "/chain/SPY")
    page = screen.page
    assert page.title() == "Options on SPY · Gateway"
    assert page.evaluate(ROWS) == 16
    bids = page.locator("#chain > tr > :is(td:nth-child(4), td:nth-child(7))").all_inner_texts()
    assert all(float(each.replace(",", "")) > 0 for each in bids), "seeded by the broker"
    assert page.locator("#chain > tr:has(> .atm)").count() == 1
    assert "Expected move ±" in screen.text("#chain-outlook")
    chosen = screen.text(".expirations [aria-current]")
    assert 20 <= int(chosen.split()[2].rstrip("d")) <= 75, "a monthly some weeks from now"
    screen.wait_for(IS_LIVE)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    screen.check()
    page.context.close()


def test_an_expiration_and_more_strikes_are_a_click_away(
    browser: Browser, gateway: Gateway
) -> None:
    screen = open_at(browser, gateway, "/chain/SPY")
    page = screen.page
    page.click(".expirations a >> nth=0")
    page.wait_for_url("**expiration=**")
    assert page.locator(".expirations a").first.get_attribute("aria-current") == "true"
    page.click("text=More strikes")
    page.wait_for_url("**strikes=32**")
    screen.wait_for("() => document.querySelectorAll('#chain > tr:not([hidden])').length > 16")
    assert page.locator(".expirations a").first.get_attribute("aria-current") == "true"
    page.click(".chain-head a")
    page.wait_for_url("**/chain/SPY")
    assert screen.errors == []
    assert screen.violations == []
    page.context.close()


def test_an_unknown_underlying_says_so_in_the_panel(browser: Browser, gateway: Gateway) -> None:
    screen = open_at(browser, gateway, "/chain/NOSUCH")
    assert screen.text(".chain-note").endswith(".")
    assert screen.page.evaluate(ROWS) == 0
    screen.check()
    screen.page.context.close()


def test_the_net_liquidating_value_is_a_line_that_lives(browser: Browser, gateway: Gateway) -> None:
    screen = open_at(browser, gateway, "/account?~netliq.back=1y")
    page = screen.page
    screen.wait_for("() => document.querySelectorAll('#netliq polyline').length === 2")
    assert screen.text(".ranges [aria-current]") == "1y"
    points = page.get_attribute("#netliq polyline >> nth=0", "points") or ""
    assert len(points.split()) > 100
    value = screen.wait_for_change("#netliq .line:first-child .value")
    assert value.startswith("$")
    page.click(".ranges >> text=1m")
    page.wait_for_url("**back=1m**")
    screen.wait_for("() => document.querySelectorAll('#netliq polyline').length === 2")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert screen.errors == []
    assert screen.violations == []
    page.context.close()
