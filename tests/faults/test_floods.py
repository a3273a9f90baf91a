"""Floods of connections, symbols, huge and slow requests, and the streams beside them (row 29)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.crowd import SideBySide, open_crowd
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import ROOT, Simulator, open_simulator
from tests.waiting import scaled
from tests.web.running import get

SYMBOLS = "SPY,QQQ,SPX,AAPL,MSFT,NVDA,TSLA,AMD,IWM,VIX"
FAST = 100
ROUNDS = 4
DELAYS = 50_000
"""Of a round, with and without the flood each: some 3 seconds of a hundred clients."""

MOST_SYMBOLS = 1_000
REQUEST_TIMEOUT_S = 2
AT_ONCE = ("connections", "symbols", "huge")


class Flood:
    """A flooder at work; `answers` when it is over."""

    def __init__(self, gateway: Gateway) -> None:
        self.answers: dict[str, Any] = {}
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.flooder", str(gateway.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )

    def end(self) -> None:
        output, _ = self._popen.communicate(timeout=scaled(10))
        self.answers = json.loads(output)


@contextmanager
def open_flood(gateway: Gateway) -> Iterator[Flood]:
    flood = Flood(gateway)
    try:
        yield flood
    finally:
        flood.end()


def count_upstream(simulator: Simulator) -> int:
    """The symbols that are subscribed upstream."""
    held = simulator.read_sync("subscriptions")
    return len({symbol for symbols in held.values() for symbol in symbols})


@pytest.mark.fault(29)
@pytest.mark.long
@pytest.mark.timeout(scaled(180))
def test_a_flood_is_answered_and_does_not_delay_the_others(trial: Trial) -> None:
    """
    1. A hundred clients; how late their quotes are.
    2. From other addresses come 400 connections a second that stay, streams of 500 symbols each
       until 10,000 were asked for, heads of 100 KB, and heads that come a letter at a time.
    3. Again, in turn, so that what else the machine does falls on both.
    Result: whoever is beyond a limit is told so at once, or cut off; upstream never holds more
    than the cap; the others' p99 is within 20 ms, and none of them is lost.
    """
    delays = SideBySide()
    upstream: list[int] = []
    floods: list[Flood] = []
    with (
        open_simulator("--seed", "7", "--rate", "20") as simulator,
        open_served(
            simulator,
            GATEWAY_SYMBOLS=SYMBOLS,
            GATEWAY_MAX_SYMBOLS=str(MOST_SYMBOLS),
            GATEWAY_MAX_CONNECTIONS_PER_ADDRESS="300",
            GATEWAY_REQUEST_TIMEOUT_S=str(REQUEST_TIMEOUT_S),
            GATEWAY_LINGER_S="0",
        ) as gateway,
        open_crowd(gateway.port) as crowd,
    ):
        crowd.join_and_begin(FAST)
        crowd.collect(DELAYS)
        for _ in range(ROUNDS):
            without = crowd.collect(DELAYS)
            with open_flood(gateway) as flood:
                crowd.collect(DELAYS)  # until it is at its full strength
                delays.add(without, crowd.collect(DELAYS))
                upstream.append(count_upstream(simulator))
            floods.append(flood)
        assert not any(client.is_over for client in crowd.clients)
        assert get(f"{gateway.url}/healthz").status_code == 200
        assert not [line for line in gateway.log if "ERROR" in line or "Traceback" in line]
        assert simulator.read_sync()["counters"].get("errors_sent", 0) == 0
    for flood in floods:
        statuses = {
            kind: {int(each) for each in found["statuses"]} for kind, found in flood.answers.items()
        }
        assert {503} <= statuses["connections"] <= {0, 200, 503}
        assert {400} <= statuses["symbols"] <= {200, 400}
        assert statuses["huge"] == {431}
        assert statuses["slow"] == {408}
    assert max(upstream) <= MOST_SYMBOLS
    refused = sum(flood.answers["connections"]["statuses"]["503"] for flood in floods)
    trial.tell(
        f"{refused:,} connections refused; of 10,000 symbols at most {max(upstream)} upstream "
        f"(cap {MOST_SYMBOLS:,})"
    )
    at_once = [flood.answers[kind]["p99_s"] for flood in floods for kind in AT_ONCE]
    trial.measure("99 of 100 answers of a kind and turn", at_once, at_most=1)
    slow = [flood.answers["slow"]["p99_s"] - REQUEST_TIMEOUT_S for flood in floods]
    trial.measure("a slow head beyond its time", slow, at_most=1)
    delays.tell(trial, "the flood", at_most_ms=20)
