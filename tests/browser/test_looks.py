"""What must hold for the eye and the ear at every width: nothing cut off, nothing that jumps."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser

from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.streams.topics import market_topic
from tests.browser.driving import Gateway, Screen
from tests.simulation import Simulator

pytestmark = pytest.mark.browser

WIDTHS = [320, 360, 390, 560, 620, 700, 768, 820, 860, 1000, 1280, 1512, 1920, 2260, 2560]
RICH = "$10,123,456.78"

# Texts that stick out of what is around them, or of the window.
CUT = """
() => [...document.querySelectorAll(".tile :is(.value, dd), .quotes tbody > tr > *, .metric p")]
  .filter((each) => each.offsetWidth > 1)
  .filter((each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    const text = range.getBoundingClientRect();
    const around = each.closest("tr, .tile, .card").getBoundingClientRect();
    return text.left < around.left - 1 || text.right > around.right + 1;
  })
  .map((each) => each.textContent)
"""
FONTS = ["", "Verdana, DejaVu Sans, sans-serif", "monospace"]


@pytest.mark.parametrize("font", FONTS)
def test_no_figure_is_cut_off_at_any_width(browser: Browser, gateway: Gateway, font: str) -> None:
    with browser.new_context() as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        page = screen.page
        if font:
            page.evaluate("(font) => (document.body.style.fontFamily = font)", font)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(
                "(text) => document.querySelectorAll('.tile :is(.value, dd)')"
                ".forEach((each) => (each.textContent = text))",
                RICH,
            )
            assert page.evaluate(CUT) == [], f"at {width} px"
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_two_options_differ_on_the_screen_and_their_note_is_seen(
    screen: Screen, simulator: Simulator
) -> None:
    page = screen.page
    options = [".SPX261218C6000", ".SPX261218C6050"]
    page.fill("#add-symbol", ",".join(options))
    page.press("#add-symbol", "Enter")
    keys = [market_topic("quote_update", each) for each in options]
    ids = [WatchlistPanel("watchlist", options).row_id(each) for each in keys]
    page.wait_for_selector(f"#{ids[1]}")
    simulator.control_sync("mute")
    try:
        screen.wait_for("() => document.querySelector('#watchlist-SPY th.stale')", None, 10)
        for width in (1280, 700, 390, 320):
            page.set_viewport_size({"width": width, "height": 900})
            for each in (*ids, "watchlist-SPY"):
                hidden = page.evaluate(
                    """(id) => {
                      const cell = document.getElementById(id).cells[0];
                      const note = cell.querySelector("small").getBoundingClientRect();
                      const row = cell.parentElement.getBoundingClientRect();
                      const style = getComputedStyle(cell);
                      return style.textOverflow === "ellipsis" || !note.width ||
                        note.right > row.right || note.bottom > row.bottom + 1;
                    }""",
                    each,
                )
                assert not hidden, f"{each} at {width} px"
    finally:
        simulator.control_sync("unmute")


@pytest.mark.parametrize("width", [390, 700, 1000, 1280, 1600])
def test_nothing_moves_when_the_feed_or_the_connection_is_in_trouble(
    browser: Browser, gateway: Gateway, simulator: Simulator, width: int
) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        top = "document.querySelector('#watchlist-SPY').getBoundingClientRect().top"
        pill = "document.querySelector('#connection').getBoundingClientRect().width"
        before = screen.page.evaluate(f"[{top}, {pill}]")
        simulator.control_sync("mute")
        try:
            screen.wait_for("() => document.querySelector('#watchlist-SPY th.stale')", None, 10)
            assert screen.page.evaluate(f"[{top}, {pill}]") == before
        finally:
            simulator.control_sync("unmute")
        screen.wait_for("() => !document.querySelector('#watchlist-SPY th.stale')", None, 20)
        screen.page.context.set_offline(True)
        screen.wait_for_state("offline")
        assert screen.page.evaluate(f"[{top}, {pill}]") == before
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.fault(54)
def test_names_and_figures_are_not_for_translators(screen: Screen) -> None:
    """Those of the page as it was loaded, and those that came since."""
    screen.page.fill("#add-symbol", "CAT")
    screen.page.press("#add-symbol", "Enter")
    screen.page.wait_for_selector("#watchlist-CAT")
    screen.wait_for_change("#watchlist-SPY td:nth-child(2)")
    translated = """
    [...document.querySelectorAll(".quotes tbody *, .tile h2, .tile .value, .tile dd, .clock")]
      .filter((each) => each.translate).map((each) => each.outerHTML)
    """
    assert screen.page.evaluate(translated) == []
    assert screen.page.evaluate("document.querySelector('.quotes thead').translate")


def test_a_head_stands_for_each_cell_that_is_shown_at_every_width(screen: Screen) -> None:
    shown = """
    ["thead tr", "tbody tr"].map((row) => [...document.querySelector(`.quotes ${row}`).cells]
      .map((cell, index) => getComputedStyle(cell).display === "none" ? null : index)
      .filter((index) => index !== null).join())
    """
    for width in (320, 390, 620, 768, 900, 1000, 1100, 1280, 1600):
        screen.page.set_viewport_size({"width": width, "height": 800})
        heads, cells = screen.page.evaluate(shown)
        assert heads == cells, f"at {width} px"


@pytest.fixture
def large(browser: Browser, gateway: Gateway) -> Iterator[Screen]:
    """The page for a person whose browser has letters of twice the size."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        screen.page.evaluate("document.documentElement.style.fontSize = '32px'")
        yield screen


def test_sizes_follow_the_font_size_of_the_browser(large: Screen) -> None:
    size = "parseFloat(getComputedStyle(document.querySelector('#watchlist-SPY td')).fontSize)"
    assert Decimal(str(large.page.evaluate(size))) == 28


def test_paper_has_figures_and_a_date_but_nothing_to_press(screen: Screen) -> None:
    page = screen.page
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print")
    assert not page.is_visible("#connection")
    assert not page.is_visible("#add")
    assert not page.is_visible("button[aria-label='Remove SPY']")
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    date = "getComputedStyle(document.querySelector('.clock time'), '::after').content"
    assert page.evaluate(date).startswith('"20')
    assert page.evaluate(CUT) == []
