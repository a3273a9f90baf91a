"""Values that are not of this moment: every panel marks them, with their age, and legibly."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.driving import Gateway, Screen
from tests.simulation import Simulator

pytestmark = pytest.mark.browser

PAGE = """
from gateway.pages import balance, chart, metric, page, panel, status, watchlist

@panel("<b class='up'>{{ symbol }} {{ spread | number }}</b>",
       keys=lambda symbol: [("quote_update", symbol)], title="Spread")
def spread(records, symbol):
    quote = records[0]
    return {"spread": None if quote is None else quote.ask - quote.bid}

@page("/", title="Desk")
def desk():
    metric("SPY")
    spread("SPY")
    status()
    balance()
    chart("SPY", interval="1m")
    watchlist("SPY", "QQQ")
"""

MARKS = """
[...document.querySelectorAll(".card, .tile")]
  .map((each) => getComputedStyle(each, "::after").content)
"""

# Colours with a hue, and texts below 4.5 to 1 on what is behind them (WCAG 2, contrast).
FAULTS = """
() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const isClear = (text) => parse(text)[3] === 0;
  const behind = (each) => {
    while (each && isClear(getComputedStyle(each).backgroundColor)) each = each.parentElement;
    return each ? getComputedStyle(each).backgroundColor : "rgb(255, 255, 255)";
  };
  const light = (text) => {
    const [r, g, b] = parse(text).map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const each of document.querySelectorAll(SELECTOR)) {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !each.offsetWidth) continue;
    const { color } = getComputedStyle(each);
    const [a, b] = [light(color), light(behind(each))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${each.textContent} ${ratio.toFixed(2)}`);
    const [red, green, blue] = parse(color);
    const isGreen = green > red + 40 && green > blue + 20;
    const isGreenOrRed = isGreen || red > green + 80 && red > blue + 80;
    const isMark = each.closest(".age, .pill, .strip, .state");
    if (HUES && isGreenOrRed && !isMark) found.push(`${each.textContent} ${color}`);
  }
  return found;
}
"""


def faults(screen: Screen, selector: str, *, hues: bool) -> list[str]:
    """Texts that cannot be read, or that have the colour of a live price."""
    source = FAULTS.replace("SELECTOR", repr(selector)).replace("HUES", str(hues).lower())
    found: list[str] = screen.page.evaluate(source)
    return found


@pytest.fixture(scope="module")
def gateway(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("old")
    (folder / "my_page.py").write_text(PAGE)
    gateway = Gateway(simulator, ("run", "my_page.py"), folder)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_live_values_have_colours_and_can_be_read(
    browser: Browser, gateway: Gateway, scheme: str
) -> None:
    is_dark = scheme == "dark"
    with browser.new_context(color_scheme="dark" if is_dark else "light") as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        screen.page.wait_for_selector("[class*=flash]")
        assert faults(screen, "body *", hues=False) == []
        assert screen.page.evaluate("document.querySelectorAll('h1').length") == 1


def test_a_stale_feed_marks_every_panel_of_its_symbols(
    screen: Screen, simulator: Simulator
) -> None:
    screen.page.wait_for_selector(".chart canvas")
    simulator.control_sync("mute")
    try:
        screen.wait_for(
            "() => document.querySelectorAll('.age[data-since]').length === 5", None, 12
        )
        ages = "[...document.querySelectorAll('.age[data-since]')].map((each) => each.textContent)"
        screen.wait_for(f"() => {ages}.every((age) => /^\\d+ s old$/.test(age))")
        screen.wait_for("() => document.querySelector('.chart').classList.contains('is-old')")
        assert screen.page.locator("svg.stale").count() == 3, "the lines of the day"
        prices = ".metric .figures *, .custom .figures *, .list tbody *, .chart .now *"
        assert faults(screen, prices, hues=True) == []
        assert "Feed stale since" in screen.text(".detail")
    finally:
        simulator.control_sync("unmute")
    screen.wait_for("() => document.querySelectorAll('.age[data-since]').length === 0", None, 20)
    screen.wait_for("() => !document.querySelector('.chart').classList.contains('is-old')")
    screen.check()


def test_a_lost_connection_marks_every_panel_until_it_is_back(
    screen: Screen, gateway: Gateway
) -> None:
    screen.page.wait_for_selector(".chart canvas")
    screen.page.wait_for_selector("[class*=flash]")
    gateway.kill()
    screen.wait_for_state("reconnecting")
    assert faults(screen, "main *, .upstream *", hues=True) == [], "from the first moment on"
    screen.wait_for(f'() => {MARKS}.every((mark) => /^"\\d+ s old"$/.test(mark))')
    assert len(screen.page.evaluate(MARKS)) == 7
    assert "values are" in screen.text("#age")
    dot = (
        "getComputedStyle(document.querySelector('#upstreams .state'), '::before').backgroundColor"
    )
    assert screen.page.evaluate(dot) == "rgba(0, 0, 0, 0)"
    gateway.start()
    screen.wait_for_state("live", 6)
    assert set(screen.page.evaluate(MARKS)) == {"none"}
    assert screen.text("#age") == ""


SLOW = """
const real = window.fetch;
window.ms_a_kb = 0;
window.fetch = async (url, options) => {
  const response = await real(url, options);
  if (!String(url).includes("/live/")) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      const wait_ms = (value?.length ?? 0) / 1000 * window.ms_a_kb;
      if (wait_ms) await new Promise((resolve) => setTimeout(resolve, wait_ms));
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => reader.cancel(),
  }, { highWaterMark: 0 });
  return new Response(body, response);
};
"""


@pytest.mark.fault(54)
def test_values_that_come_late_are_not_live_though_bytes_come(
    browser: Browser, gateway: Gateway
) -> None:
    """Each piece takes longer than the server takes to make it, so that they queue up."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(SLOW)
        screen = Screen(page, gateway.url)
        screen.open()
        page.evaluate("window.ms_a_kb = 600")
        screen.wait_for_state("behind", 40)
        assert page.evaluate("document.body.hasAttribute('data-old')")
        page.evaluate("window.ms_a_kb = 0")
        screen.wait_for_state("live")
        screen.check()


def test_a_window_that_polls_notices_that_no_answer_comes(
    browser: Browser, gateway: Gateway
) -> None:
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(f"{gateway.url}/healthz")
        other.evaluate(
            "() => Promise.all([0, 1, 2, 3].map((number) => new Promise((resolve) =>"
            "navigator.locks.request(`gateway stream ${number}`, () => new Promise(resolve)))))"
        )
        screen = Screen(context.new_page(), gateway.url)
        screen.page.goto(gateway.url)
        screen.wait_for_state("polling")
        screen.page.route("**/once?**", lambda route: None)
        # Its values are three seconds and a half old before five of silence are over.
        screen.wait_for_state("behind", 6)
        screen.wait_for_state("stale", 4)
        screen.page.unroute("**/once?**")
        screen.wait_for_state("polling", 12)


def test_windows_share_four_streams_where_there_are_no_locks(
    browser: Browser, gateway: Gateway
) -> None:
    """As in plain HTTP from another machine, which is no secure context."""
    with browser.new_context() as context:
        context.add_init_script(
            "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
        )
        screens = []
        for _ in range(6):
            screen = Screen(context.new_page(), gateway.url)
            screen.page.goto(gateway.url, wait_until="domcontentloaded")
            screens.append(screen)
        state = "document.querySelector('#connection').dataset.state"
        for screen in screens:
            screen.wait_for(f"() => ['live', 'polling'].includes({state})")
        states = [screen.page.evaluate(state) for screen in screens]
        assert sorted(states) == ["live"] * 4 + ["polling"] * 2
        for screen, shown in zip(screens, states, strict=True):
            if shown == "live":
                screen.page.close()
        for screen, shown in zip(screens, states, strict=True):
            if shown == "polling":
                screen.wait_for_state("live")
                screen.check()
