"""Many windows of one browser, which has six connections: all move, four of them by a stream."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.driving import HIDE, Gateway, Screen
from tests.waiting import eventually_sync

pytestmark = pytest.mark.browser

LAST = "#watchlist-SPY td:nth-child(2)"
STATE = "document.querySelector('#connection').dataset.state"


def count_streams(gateway: Gateway) -> int:
    found: int = httpx.get(f"{gateway.url}/status", trust_env=False).json()["streams"]["open"]
    return found


@pytest.fixture
def context(browser: Browser, gateway: Gateway) -> Iterator[BrowserContext]:
    eventually_sync(lambda: count_streams(gateway) == 0)
    with browser.new_context() as context:
        yield context
    eventually_sync(lambda: count_streams(gateway) == 0)


def open_windows(context: BrowserContext, gateway: Gateway, count: int) -> list[Screen]:
    """All visible: in a headless browser every page is."""
    screens = [Screen(context.new_page(), gateway.url) for _ in range(count)]
    for screen in screens:
        screen.page.goto(screen.url, wait_until="domcontentloaded")
    for screen in screens:
        screen.wait_for(f"() => ['live', 'polling'].includes({STATE})")
    return screens


def states(screens: list[Screen]) -> list[str]:
    return sorted(screen.page.evaluate(STATE) for screen in screens)


@pytest.mark.fault(54)
def test_eight_windows_all_move_and_four_of_them_by_a_stream(
    context: BrowserContext, gateway: Gateway
) -> None:
    screens = open_windows(context, gateway, 8)
    assert states(screens) == ["live"] * 4 + ["polling"] * 4
    assert count_streams(gateway) == 4
    for screen in screens:
        screen.wait_for_change(LAST)
    polling = [each for each in screens if each.page.evaluate(STATE) == "polling"]
    assert {each.text("#connection") for each in polling} == {"Live, every 2 s"}
    for screen in screens:
        screen.check()
    for screen in screens:
        if screen not in polling:
            screen.page.close()
    for screen in polling:
        screen.wait_for_state("live")
        screen.wait_for_change(LAST)
        screen.check()
    assert count_streams(gateway) == 4


def test_a_hidden_window_leaves_its_stream_to_another(
    context: BrowserContext, gateway: Gateway
) -> None:
    screens = open_windows(context, gateway, 5)
    (polling,) = [each for each in screens if each.page.evaluate(STATE) == "polling"]
    hidden = next(each for each in screens if each is not polling)
    hidden.page.evaluate(HIDE, True)
    polling.wait_for_state("live")
    hidden.page.evaluate(HIDE, False)
    hidden.wait_for_state("polling")
    polling.page.evaluate(HIDE, True)
    hidden.wait_for_state("live")
    polling.page.evaluate(HIDE, False)
    polling.wait_for_change(LAST)
    for screen in screens:
        screen.check()
    eventually_sync(lambda: count_streams(gateway) == 4)


def test_hidden_windows_have_no_stream(context: BrowserContext, gateway: Gateway) -> None:
    (screen,) = open_windows(context, gateway, 1)
    screen.page.evaluate(HIDE, True)
    eventually_sync(lambda: count_streams(gateway) == 0)
    screen.page.evaluate(HIDE, False)
    screen.wait_for_state("live")
    screen.wait_for_change(LAST)
    screen.check()


def test_a_polling_window_keeps_selection_and_what_is_typed(
    context: BrowserContext, gateway: Gateway
) -> None:
    screens = open_windows(context, gateway, 5)
    (polling,) = [each for each in screens if each.page.evaluate(STATE) == "polling"]
    page = polling.page
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#watchlist-SPY th'))")
    polling.wait_for_change(LAST)
    assert page.evaluate("getSelection().toString()") == "SPY"
    page.fill("#add-symbol", "NV")
    polling.wait_for_change(LAST)
    assert page.input_value("#add-symbol") == "NV"
    page.fill("#add-symbol", "NVDA")
    page.press("#add-symbol", "Enter")
    page.wait_for_selector("#watchlist-NVDA")
    polling.wait_for_change("#watchlist-NVDA td:nth-child(2)")
    assert page.evaluate(STATE) == "polling"
    polling.check()
