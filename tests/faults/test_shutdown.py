"""SIGTERM to a gateway with many streams, one of which is not read any more (row 21)."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Semaphore

import pytest

from tests.faults.crowd import open_crowd
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import Reader, get

SYMBOLS = "SPY,QQQ,SPX,AAPL,MSFT,NVDA,TSLA,AMD,IWM,VIX"
STREAMS = 300
AT_ONCE = 4
"""Gateways that end at the same time: what an end takes is mostly waiting for the stalled one."""

STARTS = Semaphore(2)
"""But no more of them start at once: a start wants a core for a second."""

ENOUGH_BYTES = 160_000
"""More than all buffers between a gateway and a client with a small window hold."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one gateway."""

    taken_s: float
    retries_ms: list[int]


@contextmanager
def open_one(simulator: Simulator) -> Iterator[Gateway]:
    with ExitStack() as stack:
        with STARTS:
            served = open_served(simulator, GATEWAY_SYMBOLS=SYMBOLS)
            gateway = stack.enter_context(served)
            eventually_sync(lambda: get(f"{gateway.url}/readyz").status_code == 200)
        yield gateway


def end_one(simulator: Simulator) -> Ending:
    """
    1. 300 clients open `/events`: two with all symbols, of which one reads nothing after its
       snapshot.
    2. When more has been sent than its buffers hold, SIGTERM.
    Result: the others have `bye` with a time to come back; the exit status is 0; the log says
    which connection was cut off, and nothing is an error.
    """
    with (
        open_one(simulator) as gateway,
        open_crowd(gateway.port) as crowd,
        Reader(gateway.port, buffer=4096) as stalled,
        Reader(gateway.port) as other,
    ):
        stalled.read_until("snapshot_end")
        crowd.join_and_begin(STREAMS - 2, "/events?symbols=SPY")
        other.wait_for(lambda: len(other.body) > ENOUGH_BYTES)
        begun_s = time.monotonic()
        gateway.send(signal.SIGTERM)
        assert other.read_all()[-1].event == "bye"
        status = gateway.popen.wait(scaled(15))
        taken_s = time.monotonic() - begun_s
        assert status == 0
        eventually_sync(lambda: all(client.is_over for client in crowd.clients))
        retries_ms = [client.retry_ms for client in crowd.clients]
        assert None not in retries_ms
        assert not any(client.is_broken for client in crowd.clients)
        eventually_sync(lambda: gateway.says("stopped"))
        assert gateway.says("closing 1 connections that were not read to their end")
        assert not [line for line in gateway.log if "ERROR" in line or "Traceback" in line]
    return Ending(taken_s, [each for each in retries_ms if each is not None])


@pytest.mark.fault(21)
@pytest.mark.long
@pytest.mark.timeout(scaled(240))
def test_sigterm_with_300_streams_one_of_them_stalled(trial: Trial) -> None:
    """
    1. `end_one`, fifty times.
    Result: as there; upstream both sockets of each gateway were closed in order; nobody is told
    to come back at the same time as many others.
    """
    count = trial.count(2, 50)
    with open_simulator("--seed", "7", "--rate", "20") as simulator:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            endings = list(pool.map(lambda _: end_one(simulator), range(count)))
        state = simulator.read_sync()
    assert state["connections"] == {"feed": 0, "account": 0}
    counters = state["counters"]
    assert (counters["feed_clean_closes"], counters["account_clean_closes"]) == (count, count)
    for ending in endings:
        retries_ms = sorted(ending.retries_ms)
        assert len(retries_ms) == STREAMS - 2
        in_a_quarter = sum(each < retries_ms[0] + 1125 for each in retries_ms)
        assert in_a_quarter < len(retries_ms) / 2, "not spread over 4.5 s"
    trial.tell(
        f"{count} of {count}: status 0, {(STREAMS - 1) * count:,} of {(STREAMS - 1) * count:,} "
        "goodbyes, both sockets upstream closed in order"
    )
    trial.measure("exit", [ending.taken_s for ending in endings], at_most=6)
