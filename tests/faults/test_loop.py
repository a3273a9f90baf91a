"""How late the event loop of a busy gateway runs (row 30)."""

import time

import pytest

from gateway.web.heartbeat import LAG_MEMORY, LAG_SAMPLE_S
from tests.faults.crowd import open_crowd
from tests.faults.trial import Trial
from tests.processes import open_served
from tests.simulation import open_simulator
from tests.waiting import scaled

SYMBOLS = "SPY,QQQ,SPX,AAPL,MSFT,NVDA,TSLA,AMD,IWM,VIX"
CLIENTS = 100
LOOKS = 2
"""How often the gauge's memory is filled anew."""


@pytest.mark.fault(30)
@pytest.mark.long
@pytest.mark.timeout(scaled(60 + LOOKS * LAG_MEMORY * LAG_SAMPLE_S))
def test_the_loop_is_never_late_by_much(trial: Trial) -> None:
    """
    1. A hundred clients follow ten symbols that move twenty times a second each.
    2. The gauge in `/metrics`, which is the worst of fifteen seconds, is read whenever it has
       forgotten what was before.
    Result: below 50 ms.
    """
    memory_s = LAG_MEMORY * LAG_SAMPLE_S
    lags_ms = []
    with (
        open_simulator("--seed", "7", "--rate", "20") as simulator,
        open_served(simulator, GATEWAY_SYMBOLS=SYMBOLS) as gateway,
        open_crowd(gateway.port) as crowd,
    ):
        crowd.join_and_begin(CLIENTS)
        for _ in range(trial.count(1, LOOKS)):
            time.sleep(memory_s + 1)  # nobody asks in between: what asks makes work
            lags_ms.append(gateway.read_metric("gateway_event_loop_lag_seconds") * 1000)
        assert not any(client.is_over for client in crowd.clients)
    trial.measure(f"lag with {CLIENTS} clients", lags_ms, at_most=50, unit="ms")
