"""What differs in Firefox: its cache lets equal requests wait for each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.firefox import Firefox, find_firefox, open_firefox
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled

STATE = "document.querySelector('#connection').dataset.state"
LAST = "document.querySelector('#watchlist-SPY td:nth-child(2)').textContent"
WINDOWS = 3


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    path = find_firefox()
    if path is None:
        pytest.skip("firefox is not installed")
    with open_firefox(path, tmp_path) as firefox:
        yield firefox


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with open_simulator("--seed", "7", "--rate", "4") as simulator:
        yield simulator


@pytest.fixture
def gateway(simulator: Simulator) -> Iterator[Gateway]:
    with open_served(simulator) as gateway:
        yield gateway


@pytest.mark.browser
@pytest.mark.fault(54)
@pytest.mark.timeout(scaled(120))
def test_each_window_of_one_page_is_live_and_told_of_trouble(
    firefox: Firefox, simulator: Simulator, gateway: Gateway, trial: Trial
) -> None:
    """
    1. Three windows of the same page: each is live, and its price changes.
    2. The feed falls silent, and comes back.
    Result: each says `stale`, then is live again by itself.
    """
    windows = [firefox.open_window(gateway.url) for _ in range(WINDOWS)]

    def are(state: str) -> bool:
        return [firefox.evaluate(each, STATE) for each in windows] == [state] * WINDOWS

    eventually_sync(lambda: are("live"), 15)
    before = [firefox.evaluate(each, LAST) for each in windows]
    eventually_sync(
        lambda: all(
            firefox.evaluate(each, LAST) != price
            for each, price in zip(windows, before, strict=True)
        ),
        10,
    )
    simulator.control_sync("mute")
    feed = "document.querySelector('[data-state=stale]') !== null"
    eventually_sync(lambda: all(firefox.evaluate(each, feed) for each in windows), 15)
    simulator.control_sync("unmute")
    eventually_sync(lambda: not any(firefox.evaluate(each, feed) for each in windows), 15)
    trial.tell(f"Firefox: {WINDOWS} of {WINDOWS} windows of one page live, stale and live again")
