"""The grant is revoked: said at once, tried no more, and what still flows goes on."""

import time

import pytest

from gateway.streams.upstream.session import MAX_REFUSALS
from tests.faults.observer import Observer, observe
from tests.faults.test_silence import find_stream
from tests.faults.trial import Trial
from tests.processes import open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

TOLD_S = 5.0
TRIED_NO_MORE_S = 8.0
"""Longer than the pauses between the first refusals, far shorter than five minutes."""


def count_refusals(simulator: Simulator) -> int:
    count: int = simulator.control_sync("unmute")["counters"].get("grants_refused", 0)
    return count


@pytest.mark.fault(15)
@pytest.mark.long
@pytest.mark.timeout(scaled(180))
def test_a_revoked_grant_is_told_and_tried_no_more(trial: Trial) -> None:
    """
    1. A gateway shows prices; somebody looks at the page.
    2. The grant is revoked, and the access token ends.
    Result: the page says `sign in again` within 5 s; three attempts, then none; prices go on,
    because their connection is still good; `/healthz` answers 200.
    """
    turns = trial.count(1, 2)
    told_s: list[float] = []
    for _ in range(turns):
        with (
            open_simulator("--rate", "5") as simulator,
            open_served(simulator, GATEWAY_BALANCE_POLL_S="1") as gateway,
            observe(gateway.port, find_stream(gateway)) as page,
            observe(gateway.port, "/events?symbols=SPY") as stream,
        ):
            wait_until_live(stream)
            revoked_ns = time.monotonic_ns()
            simulator.control_sync("oauth", revoke=True)
            simulator.control_sync("tokens", expire=True)
            told = page.wait_for_words("sign in again", revoked_ns)
            told_s.append((told.at_ns - revoked_ns) / 1e9)
            wait_for_refusals(simulator, MAX_REFUSALS)
            seen = len(stream.quotes("SPY"))
            time.sleep(TRIED_NO_MORE_S)  # nothing to wait for: that nothing happens is the point
            assert count_refusals(simulator) == MAX_REFUSALS
            assert len(stream.quotes("SPY")) > seen
            assert stream.is_live("SPY")
            assert get(gateway.url + "/healthz").status_code == 200
    trial.tell(f"{turns} of {turns} grants: {MAX_REFUSALS} attempts, then none; prices went on")
    trial.measure("the page said so after", told_s, TOLD_S)


def wait_for_refusals(simulator: Simulator, count: int) -> None:
    """Return when the grant has been refused so many times."""
    eventually_sync(lambda: count_refusals(simulator) >= count, 15)


def wait_until_live(stream: Observer) -> None:
    """Return when a live price is shown."""
    eventually_sync(lambda: stream.is_live("SPY"), 15)
