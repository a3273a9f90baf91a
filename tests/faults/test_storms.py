"""Everybody is cut off at once and comes back at once (row 23)."""

import pytest

from tests.faults.crowd import Crowd, open_crowd
from tests.faults.trial import Trial
from tests.processes import open_served
from tests.simulation import open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

CLIENTS = 500


def storm(crowd: Crowd, *, keeps_ids: bool) -> float:
    """The seconds in which all clients, gone at once, hold what they need again."""
    dropped = crowd.drop()
    ids = [each.last_event_id if keeps_ids else "" for each in dropped]
    back = crowd.join(len(dropped), last_event_ids=ids)
    eventually_sync(lambda: all(each.has_begun or each.is_over for each in back), 30)
    assert {each.status for each in back} == {200}
    assert not any(each.is_over for each in back)
    return max(each.began_s for each in back) - back[0].begun_s


@pytest.mark.fault(23)
@pytest.mark.long
@pytest.mark.timeout(scaled(180))
def test_500_clients_are_back_within_ten_seconds(trial: Trial) -> None:
    """
    1. 500 clients follow all symbols.
    2. All connections are reset, and opened again at once, by turns with the ids that
       they had, to resume, and without, for a whole snapshot.
    3. Ten times.
    4. All leave.
    Result: each holds what it needs within 10 s, every answer is 200, and no stream, cursor or
    descriptor is left.
    """
    with (
        open_simulator("--seed", "7", "--rate", "4") as simulator,
        open_served(simulator) as gateway,
    ):
        eventually_sync(lambda: get(f"{gateway.url}/readyz").status_code == 200)
        descriptors = gateway.count_descriptors()
        with open_crowd(gateway.port) as crowd:
            crowd.join_and_begin(CLIENTS)
            turns = range(trial.count(1, 10))
            taken_s = [storm(crowd, keeps_ids=number % 2 == 0) for number in turns]
        streams = ("gateway_streams_open 0.0", "gateway_subscribers 0.0")
        eventually_sync(
            lambda: set(streams) <= set(get(f"{gateway.url}/metrics").text.splitlines()), 10
        )
        eventually_sync(lambda: gateway.count_descriptors() <= descriptors)
        assert not [line for line in gateway.log if "ERROR" in line or "Traceback" in line]
    trial.tell(f"{len(taken_s)} storms of {CLIENTS} clients, every answer 200")
    trial.measure("all hold a snapshot", taken_s, at_most=10)
