"""Pages of one's own in a real browser: written, edited while open, broken, mended; every panel."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from gateway.simulator.market.universe import list_universe
from tests.browser.driving import HIDE, Gateway, Screen
from tests.simulation import Simulator
from tests.waiting import eventually_sync, scaled

pytestmark = pytest.mark.browser

EXAMPLE = """
from gateway.pages import balance, chart, columns, metric, page, text, watchlist

@page("/", title="My desk")
def desk():
    with columns(2):
        metric("QQQ")
        balance()
    watchlist("SPY", "AAPL", "MSFT")
    chart("QQQ", interval="5m")
"""


def write(file: Path, source: str) -> float:
    """When the file was saved."""
    file.write_text(dedent(source))
    return time.monotonic()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder outside the repository."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def gateway(simulator: Simulator, folder: Path) -> Iterator[Gateway]:
    write(folder / "my_page.py", EXAMPLE)
    gateway = Gateway(simulator, ("run", "my_page.py"), folder)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def screen(browser: Browser, gateway: Gateway, folder: Path) -> Iterator[Screen]:
    """The example, live."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        yield screen


def wait_for_text(screen: Screen, selector: str, words: str, timeout_s: float = 10.0) -> None:
    has_words = (
        "([selector, words]) => document.querySelector(selector)?.textContent.includes(words)"
    )
    screen.wait_for(has_words, [selector, words], timeout_s)


def test_a_page_is_written_edited_broken_and_mended(screen: Screen, folder: Path) -> None:
    file, page = folder / "my_page.py", screen.page
    assert screen.text("#nav") == "", "one page needs no navigation"
    assert page.title() == "My desk · Gateway"
    assert float(screen.wait_for_change("#metric .value")) > 0
    assert screen.wait_for_change("#balance .value").startswith("$")
    screen.wait_for_change("#watchlist-SPY .c-last")
    page.wait_for_selector(".chart canvas")
    screen.wait_for_change("#chart-now data")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("window.card = document.querySelector('#metric')")

    saved_s = write(file, EXAMPLE.replace('metric("QQQ")', 'metric("QQQ")\n        metric("IWM")'))
    wait_for_text(screen, "#page", "IWM", 5)
    assert time.monotonic() - saved_s < scaled(1), "open pages follow within a second"
    assert float(screen.wait_for_change("#metric2 .value")) > 0
    assert page.evaluate("window.card.isConnected"), "what stayed was not replaced"

    write(file, EXAMPLE.replace("My desk", "My other desk"))
    screen.wait_for("() => document.title === 'My other desk · Gateway'")
    page.evaluate(HIDE, True)
    write(file, EXAMPLE.replace('metric("QQQ")', 'metric("QQQ")\n        metric("IWM")'))
    page.evaluate(HIDE, False)
    wait_for_text(screen, "#page", "IWM")
    assert page.title() == "My desk · Gateway", "what changed while nobody looked"
    assert page.evaluate("window.card.isConnected")

    saved_s = write(file, EXAMPLE + "    metric('sp y')\n")
    wait_for_text(screen, "#mistake", "my_page.py, line 11", 5)
    assert time.monotonic() - saved_s < scaled(1.5)
    assert "'sp y' is no symbol" in screen.text("#mistake")
    assert "IWM" in screen.text("#page"), "the last good version stays up"
    screen.wait_for_change("#metric .value")
    screen.wait_for_change("#metric2 .value")

    write(file, EXAMPLE.replace('"SPY", "AAPL"', '"NVDA", "AAPL"'))
    screen.wait_for("() => document.querySelector('#mistake').textContent === ''")
    wait_for_text(screen, "#watchlist", "NVDA")
    assert page.locator("#metric2").count() == 0
    screen.wait_for_change("#watchlist-NVDA .c-last")
    screen.check()
    write(file, EXAMPLE)
    wait_for_text(screen, "#watchlist", "SPY")


HOLD_ALL_PLACES = """
() => Promise.all([0, 1, 2, 3].map((number) => new Promise((resolve) =>
  navigator.locks.request(`gateway stream ${number}`, () => new Promise(resolve)))))
"""


def test_a_window_that_polls_follows_an_edited_page(
    browser: Browser, gateway: Gateway, folder: Path
) -> None:
    file = folder / "my_page.py"
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(f"{gateway.url}/healthz")
        other.evaluate(HOLD_ALL_PLACES)
        screen = Screen(context.new_page(), gateway.url)
        screen.page.goto(gateway.url, wait_until="domcontentloaded")
        screen.wait_for_state("polling")
        write(file, EXAMPLE.replace("My desk", "Another").replace('"SPY", "AAPL"', '"NVDA"'))
        wait_for_text(screen, "#watchlist", "NVDA")
        assert screen.page.title() == "Another · Gateway"
        screen.wait_for_change("#watchlist-NVDA .c-last")
        screen.wait_for_state("polling")
        screen.check()
    write(file, EXAMPLE)


def test_a_page_that_goes_away_says_so_and_comes_back(
    screen: Screen, folder: Path, gateway: Gateway
) -> None:
    other = folder / "my_page.py"
    write(other, EXAMPLE + '\n@page("/more", title="More")\ndef more():\n    metric("SPY")\n')
    wait_for_text(screen, "#nav", "More")
    screen.page.click("#nav >> text=More")
    screen.wait_for_state("live")
    write(other, EXAMPLE)
    wait_for_text(screen, "#notice", "not in the file any more")
    screen.wait_for_change("#metric .value")
    write(other, EXAMPLE + '\n@page("/more", title="More")\ndef more():\n    metric("IWM")\n')
    wait_for_text(screen, "#page", "IWM")
    screen.wait_for("() => document.querySelector('#notice').textContent === ''")
    write(other, EXAMPLE)
    wait_for_text(screen, "#notice", "not in the file any more")


PANELS = """
from gateway.pages import balance, columns, metric, page, section, status, tabs, text, watchlist

@page("/", title="Panels")
def panels():
    with columns(3):
        metric("SPY", label="S&P 500")
        metric("NOSUCH")
        balance("5WX00001")
        balance(total=True)
    watchlist("AAPL", "MSFT", "SPY", columns=["last", "bid", "volume"], sort="last", title="Big")
    with tabs():
        with section("Notes"):
            text("# Plan\\n[here](https://example.com) <script>alert(1)</script> **bold**")
        with section("State"):
            status()
"""


def test_every_panel_shows_what_the_simulator_sent(
    screen: Screen, simulator: Simulator, folder: Path
) -> None:
    page = screen.page
    write(folder / "my_page.py", PANELS)
    wait_for_text(screen, "#page", "S&P 500")
    for symbol, price in (("SPY", 601.25), ("AAPL", 229.5), ("MSFT", 421.75)):
        simulator.control_sync("quote", symbol=symbol, bid=price, ask=price, last=price)
    try:
        screen.wait_for("() => document.querySelector('#metric .value').textContent === '601.25'")
        screen.wait_for(
            "() => [...document.querySelectorAll('#watchlist tr')].map((row) => row.innerText"
            ".split(/\\s+/).slice(0, 2).join(' ')).join() === 'SPY 601.25,MSFT 421.75,AAPL 229.50'"
        )
        simulator.control_sync("quote", symbol="AAPL", bid=700, ask=700, last=700)
        screen.wait_for(
            "() => document.querySelector('#watchlist tr').innerText.startsWith('AAPL')"
        )
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#metric .value'))")
        screen.wait_for_change("#clock, #status time")
        assert page.evaluate("getSelection().toString()") == "601.25"
    finally:
        simulator.control_sync("freeze", symbols=["SPY", "AAPL", "MSFT"], frozen=False)
    screen.wait_for_change("#metric .value")
    assert screen.text("#metric2 .value") == "–"
    assert page.locator("#balance .tile").count() == 1
    assert "2 accounts" in screen.text("#balance2")
    assert page.locator("#watchlist tr").first.locator("td").count() == 3
    assert "<script>alert(1)</script>" in screen.text(".text")
    assert page.get_attribute(".text a", "rel") == "noopener noreferrer"
    assert not page.is_visible("#upstreams")
    page.focus("#section-choice")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#upstreams", state="visible")
    assert screen.text("#upstreams").split("\n")[:2] == ["Feed", "live"]
    screen.check()
    write(folder / "my_page.py", EXAMPLE)
    wait_for_text(screen, "#page", "MSFT")


CHARTS = """
from gateway.pages import chart, columns, greeks, metric, page, panel

@panel("<b>{{ symbol }}</b> <i>{{ spread | number }}</i>",
       keys=lambda symbol: [("quote_update", symbol)], title="Spread")
def spread(records, symbol):
    quote = records[0]
    return {"spread": None if quote is None else quote.ask - quote.bid}

@panel("{{ records }}", keys=lambda: [("quote_update", "SPY")])
def failing(records):
    return {"x": records[0].last / 0}

@page("/charts", title="Charts")
def charts():
    chart("QQQ", interval="1m")
    with columns(2):
        chart("SPY", interval="1d", kind="line", hours="all")
        metric("QQQ")
        spread("AAPL")
        failing()
    greeks("OPTION")
"""

SHIFTS = """() => new Promise((resolve) => new PerformanceObserver((list) =>
  resolve(list.getEntries().reduce((sum, each) => sum + each.value, 0))
).observe({type: "layout-shift", buffered: true}) ?? setTimeout(() => resolve(0), 300))"""


def read_canvas(screen: Screen) -> str:
    """The chart as it is drawn now."""
    drawn: str = screen.page.evaluate("document.querySelector('.chart canvas').toDataURL()")
    return drawn


def last_sent(simulator: Simulator, symbol: str) -> dict[str, Any]:
    """The newest candle that the simulator sent."""
    query = {"type": "Candle", "symbol": symbol, "limit": "1"}
    answer = httpx.get(f"{simulator.hello['control']}/sent", params=query, trust_env=False)
    row: dict[str, Any] = answer.json()[-1]
    return row


def test_charts_are_drawn_from_what_the_simulator_sent_and_move(
    browser: Browser, gateway: Gateway, simulator: Simulator, folder: Path
) -> None:
    option = max(each for each in list_universe(datetime.now(UTC).date()).options if "SPY" in each)
    write(folder / "my_page.py", CHARTS.replace("OPTION", option))
    eventually_sync(lambda: httpx.get(f"{gateway.url}/charts", trust_env=False).is_success)
    with browser.new_context(viewport={"width": 1280, "height": 1400}) as context:
        screen = Screen(context.new_page(), f"{gateway.url}/charts")
        screen.open()
        page = screen.page
        page.wait_for_selector(".chart canvas")
        before = read_canvas(screen)
        close = "#chart-now span:nth-child(4)"
        screen.wait_for_change(close)
        assert read_canvas(screen) != before
        before_s = page.get_attribute("#metric-day polyline", "points")
        screen.wait_for(
            "(before) => document.querySelector('#metric-day polyline')"
            ".getAttribute('points') !== before",
            before_s,
        )
        simulator.control_sync("freeze", symbols=["QQQ"], frozen=True)
        try:
            series = "QQQ{=m,tho=true}"

            def shows_the_last() -> bool:
                last: str = last_sent(simulator, series)["close"]
                return screen.text(close) == f"C {float(last):.2f}"

            eventually_sync(shows_the_last)
            sent = last_sent(simulator, series)
        finally:
            simulator.control_sync("freeze", symbols=["QQQ"], frozen=False)
        columns = json.loads(page.text_content("#chart-history") or "")
        assert len(columns) == 6
        assert len(columns[0]) > 100
        assert columns[0] == sorted(columns[0])
        page.focus(".canvas")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        index = -2 if columns[0][-1] < sent["time"] / 1000 else -3
        read = screen.text(".reading")
        assert f"O {columns[1][index]:.2f}" in read or f"O {columns[1][index + 1]:.2f}" in read
        page.keyboard.press("Escape")
        assert screen.text(".reading") == ""
        assert float(screen.wait_for_change("#spread i")) > 0
        assert "DivisionByZero" in screen.text("#failing")
        assert "my_page.py, line 12" in screen.text("#failing")
        greek = screen.row(page.locator("#greeks tr").first.get_attribute("id") or "")
        assert float(greek[1]) > 0
        assert greek[2].endswith("%")
        assert page.evaluate(SHIFTS) < 0.02, "the layout jumped"
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 390, "height": 844})
        width = "document.querySelector('.chart .uplot').offsetWidth"
        screen.wait_for(f"() => {width} <= 390 && {width} > 300")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        screen.check()


def test_the_list_of_a_page_takes_what_one_types(
    browser: Browser, gateway: Gateway, folder: Path
) -> None:
    source = """
from gateway.pages import Symbols, balance, page, watchlist

@page("/", title="Mine")
def mine(symbols: Symbols):
    balance(total=True)
    watchlist(*symbols, editable=True)
"""
    write(folder / "my_page.py", source)
    eventually_sync(lambda: ">Mine · " in httpx.get(gateway.url, trust_env=False).text)
    with browser.new_context() as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        screen.page.click("#add-symbol")
        screen.page.keyboard.type("TS")
        write(folder / "my_page.py", source.replace("total=True", "total=False"))
        screen.wait_for("() => document.querySelectorAll('#balance .tile').length === 2")
        screen.page.keyboard.type("LA")
        assert screen.page.input_value("#add-symbol") == "TSLA", "what was half typed stays"
        screen.page.keyboard.press("Enter")
        screen.page.wait_for_selector("#watchlist-TSLA")
        screen.wait_for_change("#watchlist-TSLA td:nth-child(2)")
        screen.check()
