"""The live page in a real browser, on a real gateway and the simulator, over real sockets."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser

from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.simulator.market.universe import list_universe
from gateway.streams.topics import market_topic
from tests.browser.driving import Gateway, Screen
from tests.simulation import Simulator
from tests.waiting import scaled

pytestmark = pytest.mark.browser

LAST = "#watchlist-SPY td:nth-child(2)"
NET = "#balance .value"
CUT_OFF = """
Array.from(document.querySelectorAll("#watchlist td"))
  .filter((cell) => cell.offsetWidth > 0 && cell.scrollWidth > cell.offsetWidth + 6)
  .map((cell) => `${cell.cellIndex} ${cell.textContent} ${cell.scrollWidth} ${cell.offsetWidth}`)
"""


@pytest.fixture
def muted(simulator: Simulator) -> Iterator[Simulator]:
    """The simulator, to be muted; it talks again afterwards."""
    yield simulator
    simulator.control_sync("unmute")


def test_prices_and_balances_change_by_themselves(screen: Screen) -> None:
    assert float(screen.wait_for_change(LAST)) > 0
    assert screen.wait_for_change(NET).startswith("$")
    assert "Feed live" in screen.text("#status")
    assert "Market open" in screen.text("#status")
    assert screen.text("#connection") == "Live"
    screen.check()


def test_the_page_has_values_before_any_script_runs(browser: Browser, gateway: Gateway) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(gateway.url)
        assert float(page.inner_text(LAST)) > 0
        assert page.inner_text(NET).startswith("$")
        assert "Allow JavaScript" in page.inner_text("main")
        page.fill("#add-symbol", "msft")
        page.press("#add-symbol", "Enter")
        page.wait_for_selector("#watchlist-MSFT")
        page.click("button[aria-label='Remove MSFT']")
        page.wait_for_selector("#watchlist-MSFT", state="detached")
        page.fill("#add-symbol", "sp y!")
        page.press("#add-symbol", "Enter")
        page.wait_for_selector("#add-message:not(:empty)")
        assert page.input_value("#add-symbol") == "sp y!"


def test_a_symbol_is_added_and_removed_without_a_reload(screen: Screen) -> None:
    page = screen.page
    page.keyboard.press("/")
    page.keyboard.type("tsla")
    page.keyboard.press("Enter")
    price = "document.querySelector('#watchlist-TSLA td:nth-child(2)')?.textContent"
    screen.wait_for(f"() => parseFloat({price}) > 0")
    assert page.input_value("#add-symbol") == ""
    assert page.evaluate("document.activeElement.id") == "add-symbol"
    screen.wait_for_change("#watchlist-TSLA td:nth-child(2)")
    page.keyboard.type("TSLA")
    page.keyboard.press("Enter")
    page.wait_for_selector("#add-message:not(:empty)")
    assert "TSLA" in screen.text("#add-message")
    assert page.locator("#watchlist-TSLA").count() == 1
    page.click("button[aria-label='Remove TSLA']")
    page.wait_for_selector("#watchlist-TSLA", state="detached")
    screen.wait_for_change(LAST)
    assert page.locator("#stream").count() == 1
    screen.check()


def test_a_bad_symbol_is_explained_beside_the_input_and_kept(screen: Screen) -> None:
    screen.page.fill("#add-symbol", "sp<y")
    screen.page.press("#add-symbol", "Enter")
    screen.page.wait_for_selector("#add-message:not(:empty)")
    assert "write it like SPY" in screen.text("#add-message")
    assert screen.page.input_value("#add-symbol") == "sp<y"
    screen.check()


def test_typing_and_selection_survive_updates(screen: Screen) -> None:
    page = screen.page
    page.click("#add-symbol")
    page.keyboard.type("NV")
    screen.wait_for_change(LAST)
    screen.wait_for_change(LAST)
    page.keyboard.type("DA")
    assert page.input_value("#add-symbol") == "NVDA"
    assert page.evaluate("document.activeElement.id") == "add-symbol"
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#watchlist-SPY th'))")
    page.evaluate("window.row = document.querySelector('#watchlist-SPY')")
    screen.wait_for_change(LAST)
    screen.wait_for_change(LAST)
    assert page.evaluate("getSelection().toString()") == "SPY"
    assert page.evaluate("window.row.isConnected"), "the row was replaced, not morphed"
    screen.check()


def test_an_unknown_symbol_says_no_data_and_an_index_has_no_quote(screen: Screen) -> None:
    screen.page.fill("#add-symbol", "NOSUCH")
    screen.page.press("#add-symbol", "Enter")
    screen.page.wait_for_selector("#watchlist-NOSUCH")
    screen.wait_for(
        "() => document.querySelector('#watchlist-NOSUCH th').textContent.includes('no data')"
    )
    cells = screen.row("watchlist-NOSUCH")
    assert set(cells[1:8]) == {"–"}
    index = screen.row("watchlist-SPX")
    assert index[1] != "–"
    assert index[4:8] == ["–"] * 4
    screen.check()


def test_a_one_sided_option_shows_a_dash_and_the_new_ask(
    screen: Screen, simulator: Simulator
) -> None:
    option = max(list_universe(datetime.now(UTC).date()).options)
    screen.page.fill("#add-symbol", option)
    screen.page.press("#add-symbol", "Enter")
    row = "#" + WatchlistPanel("watchlist", [option]).row_id(market_topic("quote_update", option))
    screen.page.wait_for_selector(row)
    simulator.control_sync("quote", symbol=option, bid="0.05", ask="0.10")
    ask = f"() => document.querySelector('{row} td:nth-child(7)').textContent"
    screen.wait_for(f"{ask} === '0.10'")
    simulator.control_sync("quote", symbol=option, bid=None, ask="0.15")
    screen.wait_for(f"{ask} === '0.15'")
    assert screen.row(row[1:])[5] == "–"
    simulator.control_sync("freeze", symbols=[option], frozen=False)
    screen.check()


def test_a_muted_feed_is_told_and_its_prices_dim(screen: Screen, muted: Simulator) -> None:
    muted.control_sync("mute")
    screen.wait_for("() => document.querySelector('#watchlist-SPY th.stale')", timeout_s=8)
    assert "Feed stale" in screen.text("#status")
    assert screen.text("#connection") == "Connected", "the page's own connection is well"
    muted.control_sync("unmute")
    screen.wait_for("() => !document.querySelector('#watchlist-SPY th.stale')", timeout_s=20)
    screen.wait_for_state("live")
    assert "Feed live" in screen.text("#status")
    screen.check()


@pytest.mark.fault(22)
def test_a_killed_gateway_comes_back_within_five_seconds(screen: Screen, gateway: Gateway) -> None:
    gateway.kill()
    screen.wait_for("() => ['reconnecting', 'offline'].includes(document.body.dataset.connection)")
    assert screen.page.evaluate("document.body.hasAttribute('data-old')")
    gateway.start()
    begun_s = time.monotonic()
    screen.wait_for_state("live", 5)
    screen.wait_for_change(LAST, 5)
    assert time.monotonic() - begun_s < scaled(5)
    assert not screen.page.evaluate("document.body.hasAttribute('data-old')")
    assert (screen.websockets, screen.violations, screen.documents) == ([], [], 1)


def test_a_stopped_gateway_says_goodbye_and_is_found_again(
    screen: Screen, gateway: Gateway
) -> None:
    gateway.stop()
    screen.wait_for("() => ['reconnecting', 'offline'].includes(document.body.dataset.connection)")
    gateway.start()
    screen.wait_for_state("live", 5)
    assert screen.documents == 1


def test_a_page_loaded_while_the_stream_fails_connects_later(
    browser: Browser, gateway: Gateway
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/live/**", lambda route: route.abort())
        screen = Screen(page, gateway.url)
        page.goto(gateway.url)
        screen.wait_for_state("reconnecting")
        page.unroute("**/live/**")
        screen.wait_for_state("live", 8)


def test_an_ended_login_is_told_with_a_way_back(browser: Browser, gateway: Gateway) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/live/**", lambda route: route.fulfill(status=401))
        screen = Screen(page, gateway.url)
        page.goto(gateway.url)
        screen.wait_for_state("signed-out")
        assert page.is_visible("#signed-out a[href='/login']")


def test_a_silent_stream_is_noticed_and_replaced(browser: Browser, gateway: Gateway) -> None:
    """A stream that stays open and says nothing: stale within 6 s, and then live again."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(
            """
            const real = window.fetch;
            window.silent = true;
            window.fetch = async (url, options) => {
              const response = await real(url, options);
              if (!String(url).includes("/live/") || !window.silent) return response;
              window.silent = false;
              const reader = response.body.getReader();
              const isLive = () => document.querySelector("#connection").dataset.state === "live";
              const body = new ReadableStream({
                // The first message may come in several parts: silent once the page is live.
                async pull(controller) {
                  if (isLive()) return new Promise(() => {});
                  controller.enqueue((await reader.read()).value);
                },
                cancel: () => reader.cancel(),
              });
              return new Response(body, response);
            };
            """
        )
        screen = Screen(page, gateway.url)
        page.goto(gateway.url)
        screen.wait_for_state("live")
        screen.wait_for_state("stale", 7)
        screen.wait_for_state("live", 5)


@pytest.mark.parametrize("width", [390, 601, 761, 861, 961, 1121, 1280, 1920])
def test_nothing_is_wider_than_the_window(browser: Browser, gateway: Gateway, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        assert screen.page.evaluate("document.documentElement.scrollWidth") == width
        assert screen.page.evaluate(CUT_OFF) == [], "a price that is cut off is a wrong price"
        screen.check()
