"""Other sites in the browser of somebody who is signed in: a real Chromium, real origins.

Another port of the same host is the same site, so its requests carry the login cookie, SameSite or
not; another name of this machine is another site; a name that leads here is what rebinding makes.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from tests.browser.driving import Gateway, find_chromium, open_chromium
from tests.faults.trial import Trial
from tests.simulation import open_simulator
from tests.test_canary import Wiretap
from tests.web.running import get

pytestmark = [pytest.mark.browser, pytest.mark.fault(25), pytest.mark.long]

TOKEN = "a-token-of-the-tests"

ATTACK = """
async (target) => {
  const said = [];
  const read = async (name, work) => {
    try { said.push([name, await work()]); } catch { said.push([name, "refused"]); }
  };
  for (const path of ["/api/snapshot", "/status", "/", "/events?snapshot=only", "/metrics"])
    await read(path, async () =>
      (await fetch(target + path, { credentials: "include" })).text());
  for (const path of ["/logout", "/watchlist", "/login"])
    await read(path, async () => {
      const body = new URLSearchParams({ add: "EVIL", token: "x" });
      const options = { method: "POST", mode: "no-cors", credentials: "include", body };
      return (await fetch(target + path, options)).type;
    });
  for (const path of ["/events", "/live/home"])
    await read(path, () => new Promise((resolve, reject) => {
      const source = new EventSource(target + path, { withCredentials: true });
      source.onopen = source.onmessage = () => resolve("opened");
      source.onerror = () => { source.close(); reject(); };
    }));
  for (const path of ["/api/snapshot", "/static/gateway.js"])
    await read(`script ${path}`, () => new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = () => resolve("loaded");
      script.onerror = reject;
      script.src = target + path;
      document.body.append(script);
    }));
  for (const path of ["/logout", "/watchlist"]) {
    const frame = document.createElement("iframe");
    frame.name = path;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: target + path, target: path });
    form.innerHTML = '<input name="add" value="EVIL">';
    document.body.append(form);
    const loaded = new Promise((resolve) => (frame.onload = resolve));
    form.submit();
    await loaded;
  }
  return said;
}
"""


class _Empty(BaseHTTPRequestHandler):
    """A page without anything, of which a test makes an attacker's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@contextmanager
def open_site() -> Iterator[int]:
    """The port of another site on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("chromium is not installed")
    with open_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def gateway(browser: Browser) -> Iterator[Gateway]:
    with open_simulator("--rate", "4") as simulator:
        gateway = Gateway(simulator, GATEWAY_TOKEN=TOKEN)
        gateway.start()
        yield gateway
        gateway.stop()


def count_opened(gateway: Gateway) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    opened: int = get(f"{gateway.url}/status", headers=headers).json()["streams"]["opened"]
    return opened


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_site_reads_and_changes_nothing(
    browser: Browser, gateway: Gateway, host: str, trial: Trial
) -> None:
    wire = Wiretap(gateway.port)  # what a page is not told is heard there
    url = f"http://127.0.0.1:{wire.port}"
    with browser.new_context() as context, open_site() as port:
        page = context.new_page()
        page.goto(f"{url}/login#token={TOKEN}")
        page.wait_for_selector("#watchlist-SPY")
        page.goto(f"http://{host}:{port}/")
        before = count_opened(gateway)
        wire.heard.clear()
        said = page.evaluate(ATTACK, url)
        heard = bytes(wire.heard)
        assert {words for _, words in said} <= {"refused", "opaque"}, said
        asked = re.findall(rb"(?:GET|POST) (/\S*) HTTP/1.1", heard)
        answers = re.findall(rb"HTTP/1.1 (\d+) ", heard)
        assert {each.decode() for each in asked} >= {name.split()[-1] for name, _ in said}
        assert len(asked) >= len(said) + 2
        assert answers == [b"403"] * len(asked)
        assert b"access-control" not in heard.lower()
        has_cookie = b"gateway=2.owner." in heard
        assert has_cookie == (host == "127.0.0.1"), "only the same site has it sent"
        assert count_opened(gateway) == before
        # Still signed in, and the list is as it was.
        page.goto(url)
        page.wait_for_selector("#watchlist-SPY")
        assert page.locator("#watchlist-EVIL").count() == 0
    wire.close()
    sent = "with" if has_cookie else "without"
    trial.tell(f"Chromium at {host}, {sent} the cookie: {len(answers)} of {len(asked)} got 403")


def test_a_name_that_leads_here_is_not_answered(browser: Browser, gateway: Gateway) -> None:
    """Browsers take every name below `localhost` for this machine, as a rebound one would be."""
    with browser.new_context() as context:
        page = context.new_page()
        for path in ("/", "/login", "/api/snapshot", "/healthz"):
            answer = page.goto(f"http://evil.localhost:{gateway.port}{path}")
            assert answer is not None
            assert answer.status == 421
            assert "SPY" not in page.content()
