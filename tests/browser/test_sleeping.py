"""A window that nobody looked at for a while: what it shows when somebody does (row 8)."""

import pytest

from tests.browser.driving import Screen
from tests.faults.trial import Trial
from tests.simulation import Simulator
from tests.waiting import scaled

pytestmark = [pytest.mark.browser, pytest.mark.long]

LAST = "#watchlist-SPY td:nth-child(2)"
OLD_S = 5.0

SET_HIDDEN = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""

# From here on, what each frame that the browser painted showed.
SHOW_AND_WATCH = """
() => {
  const painted = (window.painted = []);
  const begun = performance.now();
  const look = () => {
    painted.push({
      at_ms: performance.now() - begun,
      text: document.querySelector("#watchlist-SPY td:nth-child(2)").textContent.trim(),
      state: document.body.dataset.connection,
      isStale: document.querySelector("#watchlist-SPY th.stale") !== null,
    });
    if (window.painted === painted) requestAnimationFrame(look);
  };
  Object.defineProperty(document, "hidden", { value: false, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
  look();
}
"""

LIVE = {"live", "connected", "polling"}
"""States of the page's connection in which a person takes a price for the present one."""


@pytest.mark.fault(8)
@pytest.mark.timeout(scaled(120))
def test_a_hidden_tab_is_shown_with_the_newest(
    screen: Screen, simulator: Simulator, trial: Trial
) -> None:
    """
    1. A price is set, and is on the page; the tab is hidden.
    2. The price changes; more than five seconds pass.
    3. The tab is shown.
    Result: not one frame shows the old price while the page calls itself live; the new one is
    there within a second.
    """
    shown_s, old_frames = [], 0
    for number in range(trial.count(1, 4)):
        old, new = f"{611 + number}.25", f"{622 + number}.75"
        shows = f"(price) => document.querySelector('{LAST}').textContent.trim() === price"
        simulator.control_sync("quote", symbol="SPY", bid=old, ask=old, last=float(old))
        screen.wait_for(shows, old)
        screen.page.evaluate(SET_HIDDEN, True)
        simulator.control_sync("quote", symbol="SPY", bid=new, ask=new, last=float(new))
        screen.page.wait_for_timeout(OLD_S * 1000 + 500)
        screen.page.evaluate(SHOW_AND_WATCH)
        screen.wait_for(shows, new)
        screen.wait_for_state("live")
        painted = screen.page.evaluate("window.painted")
        old_frames += sum(
            each["text"] == old and each["state"] in LIVE and not each["isStale"]
            for each in painted
        )
        shown_s.append(next(each["at_ms"] for each in painted if each["text"] == new) / 1000)
    assert old_frames == 0
    screen.check()
    trial.tell(f"hidden tab: an old price painted as live in {old_frames} frames")
    trial.measure("the hidden tab current when shown", shown_s, at_most=1)
