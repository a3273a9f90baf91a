"""A feed that comes and goes every few seconds (row 51)."""

import time

import pytest

from tests.faults.observer import observe
from tests.faults.proxy import Proxy
from tests.faults.test_cuts import measure, open_proxied
from tests.faults.trial import Trial
from tests.processes import open_served
from tests.waiting import eventually_sync, scaled

UP_S = DOWN_S = 3.0
AGAIN_S = 0.05
"""Between two cuts while it is down: no connection lives for longer."""

MOST_ATTEMPTS = 12
"""In one flap: the first few within a second, then further and further apart."""

MAX_GROWTH_KB = 5 * 1024
WARM_UP = 10
RETURN_S = 2.0


def keep_down(proxy: Proxy, seconds: float) -> None:
    """Reset every connection for so long."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        proxy.cut()
        time.sleep(AGAIN_S)


@pytest.mark.fault(51)
@pytest.mark.timeout(scaled(420))
def test_a_feed_that_flaps_is_no_storm(trial: Trial) -> None:
    """
    1. The feed is up for three seconds and down for three, again and again.
    2. It stays up.
    Result: few attempts in each flap, a live price within 2 s of the last return, no id twice,
    and neither memory nor descriptors grow.
    """
    attempts: list[float] = []
    with (
        open_proxied("--seed", "7") as (simulator, proxy),
        open_served(simulator) as gateway,
        observe(gateway.port, "/events?symbols=SPY") as observer,
    ):
        eventually_sync(lambda: observer.is_live("SPY"), 15)
        flaps, begun = trial.count(3, 50), measure(gateway)
        for flap in range(flaps):
            before = proxy.accepted
            keep_down(proxy, DOWN_S)
            returned_s = time.monotonic()
            if flap < flaps - 1:
                time.sleep(UP_S)
            attempts.append(proxy.accepted - before)
            if flap == WARM_UP:
                begun = measure(gateway)
        eventually_sync(lambda: observer.is_live("SPY"), 15)
        trial.measure("live after the last return", [time.monotonic() - returned_s], RETURN_S)
        trial.measure("attempts in a flap", attempts, MOST_ATTEMPTS, unit="")
        assert observer.check_ids()
        memory_kb, descriptors, _history = measure(gateway)
        if trial.is_full:
            assert memory_kb - begun[0] < MAX_GROWTH_KB
            assert descriptors <= begun[1] + 2
