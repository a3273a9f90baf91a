"""One simulator, gateway and Chromium for the tests of a module; a page of its own for each test.

Not for the session: while Playwright runs, no other event loop can run in this thread.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.driving import Gateway, Screen, find_chromium, open_chromium
from tests.simulation import Simulator, open_simulator


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("chromium is not installed")
    with open_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def simulator(browser: Browser) -> Iterator[Simulator]:
    with open_simulator("--seed", "7", "--rate", "4") as simulator:
        # The real broker pushes when an account changes, not when prices do.
        simulator.control_sync("account", push_marks=True)
        yield simulator


@pytest.fixture(scope="module")
def gateway(simulator: Simulator) -> Iterator[Gateway]:
    gateway = Gateway(simulator)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def screen(browser: Browser, gateway: Gateway) -> Iterator[Screen]:
    """A live page in a browser profile of its own."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        screen = Screen(context.new_page(), gateway.url)
        screen.open()
        yield screen
