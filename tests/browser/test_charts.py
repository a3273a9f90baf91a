"""Charts when things are not ideal: no library, another language, other hands than a mouse's."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from tests.browser.driving import Gateway, Screen
from tests.simulation import Simulator

pytestmark = pytest.mark.browser

PAGE = """
from gateway.pages import chart, page

@page("/", title="Charts")
def charts():
    chart("SPY", interval="1d")
    chart("QQQ", interval="1m")
"""

WINDOW = """
() => {
  const canvas = document.querySelector(".chart canvas");
  return canvas.toDataURL();
}
"""
DRAWN = "() => document.querySelectorAll('.chart canvas').length === 2"


@pytest.fixture(scope="module")
def gateway(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("charts")
    (folder / "my_page.py").write_text(PAGE)
    gateway = Gateway(simulator, ("run", "my_page.py"), folder)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1000, "height": 900}) as context:
        yield context


def open_page(context: BrowserContext, gateway: Gateway) -> Screen:
    screen = Screen(context.new_page(), gateway.url)
    screen.open()
    return screen


def test_a_chart_that_failed_to_load_says_so_and_is_tried_again(
    context: BrowserContext, gateway: Gateway
) -> None:
    context.route("**/uplot*.js", lambda route: route.abort())
    screen = open_page(context, gateway)
    screen.wait_for("() => document.querySelectorAll('.chart .words').length === 2")
    assert "The chart could not be loaded." in screen.text(".chart .words")
    context.unroute("**/uplot*.js")
    screen.wait_for(DRAWN, None, 15)
    assert screen.page.locator(".chart .words").count() == 0


def test_an_empty_library_of_a_content_blocker_does_not_hang_the_page(
    context: BrowserContext, gateway: Gateway
) -> None:
    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/javascript", body="")

    context.route("**/uplot*.js", answer)
    screen = open_page(context, gateway)
    screen.wait_for("() => document.querySelectorAll('.chart .words').length === 2")
    screen.wait_for_change("#status .clock time")
    context.unroute("**/uplot*.js")
    screen.page.click(".chart .words button")
    screen.wait_for(DRAWN, None, 15)


def test_a_chart_is_drawn_where_the_language_is_called_c(
    context: BrowserContext, gateway: Gateway
) -> None:
    context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'language', { get: () => 'C' })"
    )
    screen = open_page(context, gateway)
    screen.wait_for(DRAWN)
    screen.check()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_a_daily_candle_has_its_date_in_every_zone(
    browser: Browser, gateway: Gateway, zone: str
) -> None:
    with browser.new_context(timezone_id=zone) as context:
        screen = open_page(context, gateway)
        screen.wait_for(DRAWN)
        page = screen.page
        times = json.loads(page.text_content(".chart .history") or "")[0]
        page.focus(".chart .canvas")
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        read = screen.text(".chart .reading").split("O")[0].split()
        days = [datetime.fromtimestamp(each, UTC) for each in times[-2:]]
        assert [int(read[0]), read[1][:3]] in [[each.day, f"{each:%b}"] for each in days]
        assert all(each.hour == 0 and each.weekday() < 5 for each in days)


def test_keys_zoom_move_and_go_back(context: BrowserContext, gateway: Gateway) -> None:
    screen = open_page(context, gateway)
    screen.wait_for(DRAWN)
    page = screen.page
    page.focus(".chart .canvas")
    names = [page.evaluate(WINDOW)]
    for key in ("+", "PageUp", "-"):
        page.keyboard.press(key)
        page.wait_for_function(f"(before) => ({WINDOW})() !== before", arg=names[-1])
        names.append(page.evaluate(WINDOW))
    assert len(set(names)) == 4
    assert page.get_attribute(".chart .canvas", "role") == "application"
    assert page.locator(".chart .zoom button").first.get_attribute("aria-label") == "Zoom out"
    screen.check()


def test_a_zoom_survives_another_theme(context: BrowserContext, gateway: Gateway) -> None:
    screen = open_page(context, gateway)
    screen.wait_for(DRAWN)
    page = screen.page
    page.focus(".chart .canvas")
    for key in ("+", "+", "PageUp", "Home"):
        page.keyboard.press(key)
    before = screen.text(".chart .reading")
    assert before != ""
    page.emulate_media(color_scheme="dark")
    screen.wait_for_change("#status .clock time")
    page.keyboard.press("Home")
    assert screen.text(".chart .reading") == before
    screen.check()


def test_a_finger_moves_the_chart(browser: Browser, gateway: Gateway) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as context:
        screen = open_page(context, gateway)
        screen.wait_for(DRAWN)
        page = screen.page
        before = page.evaluate(WINDOW)
        box = page.locator(".chart .canvas").first.bounding_box()
        assert box is not None
        touch = context.new_cdp_session(page)
        x, y = box["x"] + 60, box["y"] + 90
        for type_, at in (("touchStart", x), *(("touchMove", x + 20 * n) for n in range(1, 6))):
            touch.send(
                "Input.dispatchTouchEvent", {"type": type_, "touchPoints": [{"x": at, "y": y}]}
            )
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_function(f"(before) => ({WINDOW})() !== before", arg=before)
        page.focus(".chart .canvas")
        page.keyboard.press("End")
        read = screen.text(".chart .reading")
        assert read != "", "the newest candle, which is told above, is out of the window"
