"""The viewer's own list under latency and failure: nothing typed is lost, nothing else removed."""

import time

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser.driving import Gateway, Screen
from tests.waiting import scaled

pytestmark = pytest.mark.browser

LATENCY_S = 0.3
SYMBOLS = "[...document.querySelectorAll('.quotes tbody button')].map((each) => each.value)"
START = ["SPY", "QQQ", "SPX", "AAPL", "/ESZ26:XCME", "BTC/USD:CXTALP"]


def delay(route: Route) -> None:
    time.sleep(LATENCY_S)
    route.continue_()


@pytest.fixture
def slow(screen: Screen) -> Page:
    """The live page, whose changes of the list take a while."""
    screen.page.route("**/watchlist", delay)
    return screen.page


def wait_for_symbols(screen: Screen, symbols: list[str]) -> None:
    is_so = f"(symbols) => JSON.stringify({SYMBOLS}) === JSON.stringify(symbols)"
    screen.wait_for(is_so, symbols)


def test_what_is_typed_fast_arrives_whole_and_in_order(screen: Screen, slow: Page) -> None:
    slow.focus("#add-symbol")
    for symbol in ("XOM", "CVX", "JPM", "GS"):
        slow.keyboard.type(symbol)
        slow.keyboard.press("Enter")
        assert slow.input_value("#add-symbol") == "", "the field is free at once"
    wait_for_symbols(screen, [*START, "XOM", "CVX", "JPM", "GS"])
    screen.check()


def test_two_clicks_on_one_cross_remove_one_symbol_which_can_be_undone(
    screen: Screen, slow: Page
) -> None:
    cross = slow.locator("button[aria-label='Remove QQQ']")
    cross.scroll_into_view_if_needed()  # the list is below the positions
    box = cross.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    slow.mouse.click(x, y)
    slow.mouse.click(x, y)
    without = [each for each in START if each != "QQQ"]
    wait_for_symbols(screen, without)
    slow.mouse.click(x, y)  # the next row is there now
    assert slow.evaluate(SYMBOLS) == without
    assert screen.text("#toast").replace("Undo", "").strip() == "Removed QQQ"
    slow.click("#toast button")
    wait_for_symbols(screen, START)
    assert screen.text("#toast") == ""
    screen.check()


def test_crosses_of_several_rows_are_all_obeyed_and_focus_stays(screen: Screen, slow: Page) -> None:
    for symbol in ("SPX", "AAPL", "SPY"):
        slow.locator(f"button[aria-label='Remove {symbol}']").dispatch_event("click")
    wait_for_symbols(screen, ["QQQ", "/ESZ26:XCME", "BTC/USD:CXTALP"])
    slow.focus("button[aria-label='Remove QQQ']")
    slow.keyboard.press("Enter")
    wait_for_symbols(screen, ["/ESZ26:XCME", "BTC/USD:CXTALP"])
    screen.wait_for("() => document.activeElement.value === '/ESZ26:XCME'")
    screen.check()


def test_a_failed_add_says_so_soon_and_gives_back_what_was_typed(
    browser: Browser, gateway: Gateway
) -> None:
    with browser.new_context() as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        page = screen.page
        page.route("**/watchlist", lambda route: route.abort())
        page.fill("#add-symbol", "NVDA")
        begun_s = time.monotonic()
        page.press("#add-symbol", "Enter")
        screen.wait_for("() => document.querySelector('#add-symbol').value === 'NVDA'")
        assert time.monotonic() - begun_s < scaled(2)
        assert screen.text("#add-message") == "NVDA was not added: no answer from the gateway."
        assert page.get_attribute("#add-symbol", "aria-invalid") == "true"
        page.unroute("**/watchlist")
        page.route("**/watchlist", lambda route: None)
        page.press("#add-symbol", "Enter")
        screen.wait_for(
            "() => document.querySelector('#add-message').textContent === 'Adding NVDA…'"
        )
        assert time.monotonic() - begun_s < scaled(5)


def test_a_symbol_that_is_there_and_a_bad_one_are_told_without_a_jump(screen: Screen) -> None:
    page = screen.page
    # Of the document: the browser scrolls to what is filled.
    top = "document.querySelector('#watchlist-SPY').getBoundingClientRect().top + scrollY"
    before = page.evaluate(top)
    page.fill("#add-symbol", "SPY")
    page.press("#add-symbol", "Enter")
    screen.wait_for("() => document.querySelector('#add-message').textContent.includes('already')")
    page.fill("#add-symbol", "sp<y")
    page.press("#add-symbol", "Enter")
    screen.wait_for("() => document.querySelector('#add-symbol').value === 'sp<y'")
    assert screen.text("#add-message") != ""
    assert page.get_attribute("#add-message", "role") == "alert"
    assert page.evaluate(top) == before
    screen.check()


def test_sixty_tickers_arrive_whole(screen: Screen) -> None:
    tickers = [f"{first}{second}X" for first in "ABCDEFGHIJ" for second in "KLMNOP"]
    screen.page.fill("#add-symbol", ", ".join(tickers))
    screen.page.press("#add-symbol", "Enter")
    wait_for_symbols(screen, [*START, *tickers])
    screen.check()


def test_the_shortcut_can_be_switched_off(screen: Screen) -> None:
    page = screen.page
    page.click(".shortcut")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement === document.body")
    page.click(".shortcut")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "add-symbol"
    assert page.input_value("#add-symbol") == ""


def test_rows_are_copied_as_lines_with_tabs(screen: Screen) -> None:
    page = screen.page
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#watchlist'))")
    copied = page.evaluate(
        """() => {
          const data = new DataTransfer();
          const event = new ClipboardEvent("copy", { clipboardData: data, cancelable: true });
          document.dispatchEvent(event);
          return data.getData("text/plain");
        }"""
    )
    lines = copied.split("\n")
    assert [line.split("\t")[0] for line in lines] == START
    assert len(set(map(len, (line.split("\t") for line in lines)))) == 1
