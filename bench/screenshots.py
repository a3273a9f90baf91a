"""Pictures of the pages from a phone to an ultra-wide window, in both schemes: `make screenshots`.

They are for looking at, and some for the README and the tutorial; nothing compares them.
"""

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.sync_api import Browser

from gateway.simulator.market.universe import list_universe
from tests.browser.driving import Gateway, Screen, find_chromium, open_chromium
from tests.simulation import ROOT, open_simulator

DOCS = ROOT / "docs" / "pictures"

SIZES = {
    "phone": (390, 844),
    "tablet": (768, 1024),
    "desk": (1280, 760),
    "full": (1920, 1080),
    "wide": (2560, 1200),
}
SCHEMES = ("light", "dark")
SYMBOLS = "SPY,QQQ,IWM,SPX,VIX,AAPL,MSFT,NVDA,TSLA,AMD,/ESZ26:XCME,BTC/USD:CXTALP"
MOVED = "() => document.querySelectorAll('[class*=flash], polyline').length > 1"
FRESH = "() => !document.querySelector('#page .age')"
"""A machine that is busy with pictures lets values grow old."""
DRAWN = (
    "() => [...document.querySelectorAll('.chart')].every((each) => each.querySelector('canvas'))"
)

PICTURES = {"home-desk-light": "home", "example-desk-light": "desk", "panels-desk-dark": "panels"}
"""Those of the README and the tutorial."""

PANELS = {
    "metric": "#page > .columns > div:first-child .metric",
    "watchlist": ".tab .list-card",
    "chart": ".chart:has-text('Bitcoin')",
    "chain": ".list-card:has(.chain)",
    "facts": ".facts",
    "greeks": ".list-card:has(.greeks)",
    "balance": ".accounts .tile",
    "net_liq": ".net-liq",
    "positions": ".list-card:has(.positions)",
    "orders": ".list-card:has(.orders)",
    "alerts": ".list-card:has(.alerts)",
    "status": ".upstreams",
    "text": "#page > .text",
}
"""Of the tutorial, a picture a panel, by what it is on the page of all panels."""

PAGES = '''
from gateway.pages import (
    alerts, balance, chain, chart, columns, facts, greeks, metric, net_liq, orders, page,
    positions, section, status, tabs, text, watchlist,
)

@page("/example", title="My desk")
def example():
    with columns(2):
        metric("QQQ")
        balance()
    watchlist("SPY", "AAPL", "MSFT")
    chart("QQQ", interval="5m")

@page("/panels", title="Every panel")
def panels():
    with columns(4):
        metric("SPY", label="S&P 500")
        metric("/ESZ26:XCME")
        metric("BTC/USD:CXTALP", label="Bitcoin")
        metric("VIX")
    with columns(2):
        chart("AAPL", interval="1d", kind="line")
        chart("BTC/USD:CXTALP", interval="1m", title="Bitcoin")
    facts("AAPL")
    chain("SPY", strikes=12)
    greeks(*OPTIONS, title="Calls")
    positions()
    orders()
    alerts()
    net_liq(back="1m")
    with columns(2):
        balance(total=True)
        status()
    with tabs():
        with section("Movers"):
            watchlist("NVDA", "TSLA", "AMD", "AAPL", "MSFT", sort="change_pct")
        with section("Notes"):
            text("# Plan")
    text("""
        Notes are **Markdown**: `code`, [links](https://example.com), tables.

        | when | what |
        |---|---|
        | 9:30 | open |
    """)
'''
ALERTS = (
    {"when": {"key": "quote_update:SPY", "field": "last", "op": "crosses_above", "value": 9999}},
    {
        "when": {"key": "quote_update:QQQ", "field": "change_pct", "op": "below", "value": -50},
        "note": "Call it a day",
    },
)
WRONG = '\n@page("/wrong")\ndef wrong():\n    metric("sp y")\n'


def main(folder: Path) -> int:
    """The exit status; the pictures are in `folder`."""
    path = find_chromium()
    if path is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    options = sorted(list_universe(datetime.now(UTC).date()).options)
    calls = [each for each in options if each.startswith(".SPY") and "C6" in each][:4]
    with (
        open_simulator("--rate", "4") as simulator,
        open_chromium(path) as browser,
        tempfile.TemporaryDirectory() as pages,
    ):
        file = Path(pages, "my_pages.py")
        file.write_text(PAGES.replace("OPTIONS", repr(calls)))
        gateway = Gateway(
            simulator,
            ("run", file.name),
            Path(pages),
            GATEWAY_SYMBOLS=SYMBOLS,
            XDG_STATE_HOME=pages,
        )
        gateway.start()
        try:
            for rule in ALERTS:
                httpx.post(f"{gateway.url}/api/alerts", json=rule, trust_env=False)
            for page in ("", "example", "panels", "nothing", "wrong"):
                if page == "wrong":
                    file.write_text(file.read_text() + WRONG)
                for size in SIZES:
                    for scheme in SCHEMES:
                        name = f"{page or 'home'}-{size}-{scheme}"
                        picture = folder / f"{name}.png"
                        _take(browser, f"{gateway.url}/{page}", size, scheme, picture)
                        if name in PICTURES:
                            shutil.copy(picture, DOCS / f"{PICTURES[name]}.png")
        finally:
            gateway.stop()
    return 0


def _take(browser: Browser, url: str, size: str, scheme: str, picture: Path) -> None:
    width, height = SIZES[size]
    with browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    ) as context:
        page = context.new_page()
        screen = Screen(page, url.replace("/wrong", "/example"))
        if url.endswith("/nothing"):
            page.goto(url, wait_until="load")
        else:
            screen.open()
            screen.wait_for(MOVED)
            screen.wait_for(DRAWN, timeout_s=40)
            if url.endswith("/wrong"):
                screen.wait_for("() => document.querySelector('.mistake-box')")
        # Not as a full page: what is off the screen is not laid out.
        tall = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": max(height, tall)})
        if not url.endswith("/nothing"):
            screen.wait_for_change("#status time")
            screen.wait_for_change("#status time")
            screen.wait_for(FRESH, timeout_s=45)
        page.screenshot(path=picture)
        print(picture)
        if picture.stem == "panels-desk-light":
            for name, selector in PANELS.items():
                page.locator(selector).first.screenshot(path=DOCS / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".screenshots")))
