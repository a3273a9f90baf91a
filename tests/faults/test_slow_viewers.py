"""Clients that read slowly, not at all, or sleep, and everybody else meanwhile (rows 8 and 20).

What takes minutes runs at the same time: one gateway keeps a client whose window stays shut and
clients that sleep, while another one serves a hundred fast clients.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.faults.crowd import SideBySide, count_buffered, open_crowd
from tests.faults.observer import parse_id
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import Reader

pytestmark = pytest.mark.long

SYMBOLS = "SPY,QQQ,SPX,AAPL,MSFT,NVDA,TSLA,AMD,IWM,VIX"
RATE = "20"
FAST = 100
ROUNDS = 5
DELAYS = 60_000
"""Of a round, with and without the slow one each: some 3 seconds of a hundred clients."""

SLOW_BYTES_PER_S = 1024
SLEEP_S = 60.0
SLEEPERS = 5
EVICTED_AFTER_S = 75.0
"""Set so: the default is two minutes. Whoever sleeps for one is to be let alone."""

OLD_S = 5.0

EVICTED = 'gateway_streams_evicted_total{reason="unread"}'

_ID = re.compile(r"^id: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Record:
    """A quote, when it came, and how old it was then by its own stamp."""

    symbol: str
    at_s: float
    age_s: float


def read_record(at_s: float, block: str) -> Record:
    """The record of a block."""
    data = json.loads(block.partition("\ndata: ")[2])
    return Record(
        data["symbol"], at_s, at_s - datetime.fromisoformat(data["updated_at"]).timestamp()
    )


class Curl:
    """A real curl that follows a stream; what it wrote, and when we had it."""

    def __init__(self, url: str) -> None:
        self.blocks: list[tuple[float, str]] = []
        self.popen = subprocess.Popen(["curl", "-sSN", url], stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self._thread.join(scaled(5))
        assert self.popen.stdout is not None
        self.popen.stdout.close()

    def since(self, after_s: float, event: str = "") -> list[tuple[float, str]]:
        """The blocks (of this event only, if given) that came after this instant."""
        beginning = f"event: {event}"
        return [
            (at_s, block)
            for at_s, block in list(self.blocks)
            if at_s > after_s and block.startswith(beginning)
        ]

    def records(self, after_s: float) -> list[Record]:
        """The quotes that came after this instant."""
        return [read_record(*each) for each in self.since(after_s, "quote_update")]

    def _read(self) -> None:
        held = ""
        assert self.popen.stdout is not None
        while piece := os.read(self.popen.stdout.fileno(), 65_536):
            at_s = time.time()
            *whole, held = (held + piece.decode()).split("\n\n")
            self.blocks += [(at_s, block) for block in whole]


@dataclass(frozen=True, slots=True)
class Asleep:
    """A gateway with clients that do not read."""

    gateway: Gateway
    curls: list[Curl]
    shut: Reader
    begun_s: float


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with open_simulator("--seed", "7", "--rate", RATE) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def asleep(simulator: Simulator) -> Iterator[Asleep]:
    """Sleeping since before the first test of this module."""
    with ExitStack() as stack:
        given = {"GATEWAY_SYMBOLS": SYMBOLS, "GATEWAY_SEND_TIMEOUT_S": f"{EVICTED_AFTER_S:g}"}
        gateway = stack.enter_context(open_served(simulator, **given))
        curls = [Curl(f"{gateway.url}/events") for _ in range(SLEEPERS)]
        for curl in curls:
            stack.callback(curl.close)
        eventually_sync(lambda: all(len(curl.blocks) > 100 for curl in curls))
        shut = stack.enter_context(Reader(gateway.port, buffer=4096))
        shut.read_until("snapshot_end")
        for curl in curls:
            curl.popen.send_signal(signal.SIGSTOP)
        yield Asleep(gateway, curls, shut, time.time())


class Sipper(Reader):
    """A client that reads 1 KB a second, until it hurries."""

    def __init__(self, port: int) -> None:
        super().__init__(port, buffer=4096)
        self._is_hurrying = threading.Event()
        self._thread = threading.Thread(target=self._sip, name="sipper", daemon=True)
        self._thread.start()

    def hurry(self) -> None:
        """Read by `wait_for` from now on."""
        self._is_hurrying.set()
        self._thread.join(scaled(5))
        assert not self._thread.is_alive()

    def _sip(self) -> None:
        while not self._is_hurrying.wait(0.1):
            self.read(SLOW_BYTES_PER_S // 10)


def wait_until_full(gateway: Gateway, reader: Reader) -> int:
    """The bytes that the kernel holds for a client when it takes no more of them."""
    port = reader.socket.getsockname()[1]
    held: list[int] = []

    def is_full() -> bool:
        held.append(count_buffered(gateway.port, port))
        # A quarter of a second without another chunk, of which there are ten a second and more.
        return len(held) > 50 and min(held[-50:]) > 16_384 and held[-1] <= held[-50]

    eventually_sync(is_full, 20)
    return held[-1]


def check_rising(ids: list[str]) -> None:
    for before, after in itertools.pairwise(map(parse_id, ids)):
        assert before[0] != after[0] or before[1] < after[1]


@pytest.mark.fault(20)
@pytest.mark.timeout(scaled(180))
def test_one_slow_viewer_does_not_delay_a_hundred_others(
    trial: Trial, simulator: Simulator, asleep: Asleep
) -> None:
    """
    1. A hundred fast clients; how late their quotes are, without a slow one.
    2. One more reads 1 KB a second; when its buffers are full, how late the others' quotes are.
    3. It reads all there is.
    4. Again, in turn, so that what else the machine does falls on both.
    Result: the others' p99 is within 10 ms; the slow one is told of the gap, has the newest value
    of every symbol within a second of reading on, and never an older one after a newer one.
    """
    delays = SideBySide()
    current_s: list[float] = []
    with (
        open_served(simulator, GATEWAY_SYMBOLS=SYMBOLS) as gateway,
        open_crowd(gateway.port) as crowd,
    ):
        crowd.join_and_begin(FAST)
        crowd.collect(DELAYS)
        for _ in range(ROUNDS):
            without = crowd.collect(DELAYS)
            with Sipper(gateway.port) as slow:
                wait_until_full(gateway, slow)
                delays.add(without, crowd.collect(DELAYS))
                slow.hurry()
                on_s, taken = time.time(), len(slow.frames)
                slow.wait_for(partial(is_current, slow, on_s))
                current_s.append(time.time() - on_s)
            assert "gap" in {frame.event for frame in slow.frames[taken:]}
            check_rising([frame.id for frame in slow.frames if frame.id])
        assert not any(client.is_over for client in crowd.clients)
        assert gateway.read_metric("gateway_events_conflated_total") > 0
    delays.tell(trial, "one that reads 1 KB a second", at_most_ms=10)
    trial.measure("the slow one current", current_s, at_most=1)


def is_current(reader: Reader, since_s: float) -> bool:
    """Whether a client has a record of each symbol from after `since_s`."""
    since = datetime.fromtimestamp(since_s, UTC).isoformat(timespec="milliseconds")
    found = {
        frame.data["symbol"]
        for frame in reader.frames
        if frame.event == "quote_update" and frame.data["updated_at"] > since
    }
    return found == set(SYMBOLS.split(","))


def find_current_s(curl: Curl, woken_s: float) -> float:
    """When every symbol had a record that was younger than a second; 0 before."""
    current: dict[str, float] = {}
    for each in curl.records(woken_s):
        if each.age_s < 1:
            current.setdefault(each.symbol, each.at_s)
    return max(current.values()) if len(current) == len(SYMBOLS.split(",")) else 0.0


@pytest.mark.fault(8)
@pytest.mark.timeout(scaled(120))
def test_a_stopped_curl_wakes_to_the_newest(trial: Trial, asleep: Asleep) -> None:
    """
    1. Real curls follow ten symbols and are stopped for a minute.
    2. They go on.
    Result: none was evicted; what lay in all buffers, which is what they say before the `gap`, is
    at most 256 KiB; a second later they have said all that is old and are current in all symbols;
    ids rise all the way.
    """
    eventually_sync(lambda: time.time() - asleep.begun_s > SLEEP_S, SLEEP_S + 10)
    old_s, current_s, swallowed = [], [], []
    for curl in asleep.curls:
        woken_s = time.time()
        curl.popen.send_signal(signal.SIGCONT)
        current_s.append(eventually_sync(partial(find_current_s, curl, woken_s)) - woken_s)
        records = curl.records(woken_s)
        old_s.append(
            max((each.at_s - woken_s for each in records if each.age_s > OLD_S), default=0)
        )
        blocks = [block for _, block in curl.since(woken_s)]
        gap = next(number for number, block in enumerate(blocks) if "event: gap" in block)
        swallowed.append(sum(len(block) + 2 for block in blocks[:gap]) / 1024)
        check_rising(_ID.findall("\n".join(block for _, block in curl.blocks)))
    assert asleep.gateway.read_metric(EVICTED) == 0
    trial.measure("current after waking", current_s, at_most=1)
    trial.measure("old records still coming after waking", old_s, at_most=1)
    trial.measure("buffered", swallowed, at_most=256, unit="KiB")


@pytest.mark.fault(20)
@pytest.mark.timeout(scaled(200))
def test_a_window_that_stays_shut_is_evicted(trial: Trial, asleep: Asleep) -> None:
    """
    1. A client has read its snapshot and reads nothing more.
    Result: after its time it is cut off, which `/metrics` counts and the log explains; the
    others' streams stay.
    """
    gateway = asleep.gateway
    eventually_sync(lambda: gateway.read_metric(EVICTED) == 1, EVICTED_AFTER_S + 30)
    taken_s = time.time() - asleep.begun_s
    assert gateway.says(f"its client has read nothing for {EVICTED_AFTER_S:g} s")
    assert gateway.read_metric("gateway_streams_open") == SLEEPERS
    trial.tell(f"evicted after {taken_s:.0f} s of a shut window (set to {EVICTED_AFTER_S:g} s)")
    asleep.shut.wait_for(lambda: asleep.shut.is_over)
