"""A real Chromium, a gateway in a process that can be killed, and what they are asked."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.simulation import ROOT, Simulator
from tests.waiting import eventually_sync, scaled

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

COUNT_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


def find_chromium() -> str | None:
    """The path of a Chromium; None when this machine has none."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@contextmanager
def open_chromium(path: str) -> Iterator[Browser]:
    """A running browser, ended on leaving."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


class Gateway:
    """A `gateway` process on one port, pointed at a simulator; it may be restarted.

    `command` is what it is to do, in the folder `cwd`.
    """

    def __init__(
        self,
        simulator: Simulator,
        command: tuple[str, ...] = ("serve",),
        cwd: Path = ROOT,
        **variables: str,
    ) -> None:
        self._command = command
        self._cwd = cwd
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TT_")},
            "TT_SECRET": simulator.hello["secret"],
            "TT_REFRESH": simulator.hello["refresh"],
            "SIMULATOR_REST": simulator.hello["rest"],
            "SIMULATOR_ACCOUNT_WS": simulator.hello["account_ws"],
            "GATEWAY_MARKET": "open",
            "GATEWAY_LOG_LEVEL": "WARNING",
            "GATEWAY_SYMBOLS": "SPY,QQQ,SPX,AAPL,/ESZ26:XCME,BTC/USD:CXTALP",
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it has something to serve."""
        command = [sys.executable, "-m", "gateway", *self._command, "--port", str(self.port)]
        self._process = subprocess.Popen(command, cwd=self._cwd, env=self._environment)
        eventually_sync(self._is_ready, 20)

    def kill(self) -> None:
        """End it without a goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(scaled(10))
            self._process = None

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the gateway ended with {self._process.returncode}")
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


class Screen:
    """One page in the browser, and everything on it that must not be."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.websockets: list[str] = []
        self.documents = 0
        page.add_init_script(COUNT_VIOLATIONS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", lambda websocket: self.websockets.append(websocket.url))
        page.on("domcontentloaded", lambda page: self._count())

    def open(self) -> None:
        """Load the page and wait until it is live."""
        self.page.goto(self.url, wait_until="domcontentloaded")
        self.wait_for_state("live")

    def wait_for_state(self, state: str, timeout_s: float = 10.0) -> None:
        """Return when the page's own connection is in this state."""
        # Looked at in every frame: a state may last a quarter of a second.
        is_so = "(state) => document.querySelector('#connection').dataset.state === state"
        self.wait_for(is_so, state, timeout_s)

    def wait_for(self, expression: str, argument: Any = None, timeout_s: float = 10.0) -> None:
        """Return when the JavaScript expression is true."""
        timeout_ms = scaled(timeout_s) * 1000
        self.page.wait_for_function(expression, arg=argument, timeout=timeout_ms)

    def text(self, selector: str) -> str:
        """The text of the one element."""
        return self.page.inner_text(selector).strip()

    def row(self, symbol_id: str) -> list[str]:
        """The cells of a row as text."""
        return [each.strip() for each in self.page.locator(f"#{symbol_id} > *").all_inner_texts()]

    def wait_for_change(self, selector: str, timeout_s: float = 10.0) -> str:
        """The new text of an element, when it is another than now."""
        before = self.page.text_content(selector)
        is_other = "([selector, before]) => document.querySelector(selector).textContent !== before"
        self.wait_for(is_other, [selector, before], timeout_s)
        return self.text(selector)

    @property
    def violations(self) -> list[str]:
        """What the Content-Security-Policy refused."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def check(self) -> None:
        """Nothing happened that must not."""
        assert self.errors == []
        assert self.websockets == []
        assert self.violations == []
        assert self.documents == 1, "the page was loaded again"

    def _count(self) -> None:
        self.documents += 1

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)
