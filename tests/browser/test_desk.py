"""Positions, orders, the chain and the page of a symbol in a real browser: live, sorted, folded."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.driving import Gateway, Screen

pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1280, 1920, 2560)

FIRST = "#positions tr:nth-child({}) b"

# Texts of the chain and of sums that stick out of their cells.
CUT = """
() => [...document.querySelectorAll(".chain td, .chain th, .holdings td")]
  .filter((each) => each.offsetWidth > 1 && each.textContent)
  .filter((each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    return range.getBoundingClientRect().left < each.getBoundingClientRect().left - 1;
  })
  .map((each) => each.textContent)
"""


@pytest.fixture
def desk(browser: Browser, gateway: Gateway) -> Iterator[Screen]:
    """A page that is opened by the test."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield Screen(context.new_page(), gateway.url)


def show(screen: Screen, path: str) -> None:
    screen.url = screen.url.partition("/?")[0].rstrip("/") + path
    screen.open()


def names(screen: Screen) -> list[str]:
    return [each.strip() for each in screen.page.locator("#positions b").all_inner_texts()]


def wait_for_rows(screen: Screen) -> None:
    screen.wait_for("() => document.querySelectorAll('#positions b').length > 3")


def test_positions_are_live_and_only_cells_change(desk: Screen) -> None:
    show(desk, "/")
    wait_for_rows(desk)
    total, *others = names(desk)
    assert total == "All positions"
    assert "SPY" in others
    desk.page.evaluate(
        "() => { window.kept = document.querySelector('#positions tr'); window.kept.mark = 1; }"
    )
    desk.wait_for_change("#positions tr:nth-child(1) td:nth-child(5)")
    assert desk.page.evaluate("document.querySelector('#positions tr').mark") == 1
    desk.check()


def test_a_head_sorts_and_the_address_keeps_it(desk: Screen) -> None:
    show(desk, "/")
    wait_for_rows(desk)
    desk.page.click(".positions thead a:text-is('Value')")
    desk.page.wait_for_url("**/?~positions.sort=-value")
    desk.wait_for_state("live")
    assert desk.page.get_attribute(".positions th[aria-sort]", "aria-sort") == "descending"
    wait_for_rows(desk)
    assert names(desk)[1] == "SPY", "it holds most"
    desk.page.click(".positions thead a:text-is('Value')")
    desk.page.wait_for_url("**/?~positions.sort=value")
    desk.page.click(".positions thead a:text-is('Value')")
    desk.page.wait_for_url(lambda url: "sort" not in url)
    assert desk.errors == []
    assert desk.violations == []


def test_groups_fold(desk: Screen) -> None:
    show(desk, "/")
    wait_for_rows(desk)
    count = len(names(desk))
    desk.page.click("[aria-label='Fold SPY']")
    desk.page.wait_for_selector("[aria-label='Unfold SPY']")
    desk.wait_for_state("live")
    assert 3 < len(names(desk)) < count
    desk.page.click("[aria-label='Fold All positions']")
    desk.page.wait_for_selector("[aria-label='Unfold All positions']")
    desk.wait_for_state("live")
    assert desk.page.locator("#positions th.part").count() == 0
    assert desk.errors == []


def test_a_name_leads_to_the_page_of_its_symbol(desk: Screen) -> None:
    show(desk, "/")
    desk.page.click("#watchlist-_2f_ESZ26_3a_XCME a")
    desk.page.wait_for_url("**/symbol/%2FESZ26%3AXCME")
    desk.wait_for_state("live")
    assert desk.page.title().startswith("/ESZ26:XCME")
    desk.wait_for("() => document.querySelector('.chart canvas')")
    desk.wait_for_change("#facts dd")
    assert "/ESZ6" in names(desk)
    assert desk.errors == []
    assert desk.violations == []


def test_the_chain_is_there_at_once_and_moves(desk: Screen) -> None:
    show(desk, "/chain")
    rows = desk.page.locator("#chain tr")
    assert rows.count() == 16
    assert desk.page.locator("#chain .atm").count() == 1
    bids = "() => [...document.querySelectorAll('#chain td:nth-child(4)')].map((e) => e.innerText)"
    before = desk.page.evaluate(bids)
    desk.wait_for(f"(before) => String(({bids})()) !== String(before)", before)
    desk.check()
    desk.page.click("text=More strikes")
    desk.page.wait_for_url("**~chain.strikes=32*")
    assert rows.count() > 16


def test_an_expiration_is_chosen_and_what_is_held_is_marked(desk: Screen) -> None:
    show(desk, "/chain?~chain.strikes=64")
    desk.page.click(".expirations a:has-text('18 Dec')")
    desk.page.wait_for_url("**~chain.expiration=2026-12-18*")
    desk.wait_for_state("live")
    chosen = desk.page.inner_text(".expirations [aria-current]")
    assert chosen.startswith("18 Dec")
    desk.wait_for("() => document.querySelectorAll('#chain .held').length >= 2")
    desk.page.goto(desk.url.replace("64", "8") + "&underlying=NOPE")
    assert "Tastytrade" in desk.text(".chain-note")


@pytest.mark.parametrize("path", ["/", "/chain", "/symbol/SPY"])
def test_nothing_is_cut_off_at_any_width(desk: Screen, path: str) -> None:
    show(desk, path)
    for width in WIDTHS:
        desk.page.set_viewport_size({"width": width, "height": 900})
        assert desk.page.evaluate(CUT) == [], f"at {width} px"
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_search_finds_as_one_types_and_opens(desk: Screen) -> None:
    show(desk, "/chain")
    desk.page.keyboard.press("/")
    assert desk.page.evaluate("document.activeElement.id") == "search-text"
    desk.page.keyboard.type("appl")
    desk.page.wait_for_selector("#search-results [data-symbol=AAPL]")
    desk.page.keyboard.press("ArrowDown")
    desk.wait_for("() => document.querySelector('#search-results [aria-selected=true]')")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_url("**/symbol/AAPL")
    desk.wait_for_state("live")
    assert desk.errors == []
    assert desk.violations == []


def test_a_search_without_a_result_says_so_and_escape_leaves(desk: Screen) -> None:
    show(desk, "/chain")
    desk.page.fill("#search-text", "ZZQQX")
    desk.page.wait_for_selector("#search-results .note")
    assert "Nothing is listed" in desk.text("#search-results")
    desk.page.press("#search-text", "Escape")
    assert desk.page.is_hidden("#search-results")
    assert desk.page.input_value("#search-text") == ""


def test_alt_and_enter_add_to_the_list_of_the_page(desk: Screen) -> None:
    show(desk, "/list")
    desk.page.fill("#search-text", "tlt")
    desk.page.press("#search-text", "Alt+Enter")
    desk.page.wait_for_selector("#watchlist-TLT")
    assert desk.page.input_value("#search-text") == ""
    desk.check()
