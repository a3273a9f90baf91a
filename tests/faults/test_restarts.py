"""A gateway that is killed and started again: logins and streams (row 22)."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from threading import Semaphore
from urllib.parse import urlencode

import pytest

from tests.faults.observer import Observer, observe
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import TOKEN, get, post

pytestmark = pytest.mark.long

GATEWAYS = 5
"""Killed side by side, each again and again: most of the time they wait for their streams."""

STARTS = Semaphore(2)
"""But no more of them start at once: a start wants a core for a second."""

STREAMS = 3
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Times:
    """What was measured, in seconds."""

    ready: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)


@contextmanager
def open_observers(port: int) -> Iterator[list[Observer]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(observe(port, "/events?symbols=SPY", token=TOKEN))
            for _ in range(STREAMS)
        ]


def count_beginnings(observer: Observer) -> int:
    return sum(each.kind == "snapshot_end" for each in list(observer.seen))


def is_ready(gateway: Gateway) -> bool:
    return get(f"{gateway.url}/readyz").status_code == 200


def kill_again_and_again(simulator: Simulator, count: int, folder: Path, rng: Random) -> Times:
    """
    1. Somebody signs in at a browser; three streams are open.
    2. `kill -9` at a random instant; the same command on the same port, at once.
    Result: ready; the cookie is still good; the streams come back by themselves, as EventSource
    does; nothing is left in the folders where a process would leave it.
    """
    times = Times()
    with (
        open_served(
            simulator, GATEWAY_TOKEN=TOKEN, HOME=str(folder), TMPDIR=str(folder)
        ) as gateway,
        open_observers(gateway.port) as observers,
    ):
        body = urlencode({"token": TOKEN})
        answer = post(f"{gateway.url}/login", content=body, headers=FORM)
        cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        for observer in observers:
            observer.wait_for("snapshot_end", timeout_s=10)
        for _ in range(count):
            time.sleep(rng.random())
            before = [count_beginnings(observer) for observer in observers]
            with STARTS:
                gateway.kill()
                begun_s = time.monotonic()
                gateway.restart()
                eventually_sync(lambda: is_ready(gateway), 20)
                ready_ns = time.monotonic_ns()
            times.ready.append(ready_ns / 1e9 - begun_s)
            assert get(f"{gateway.url}/status", headers=cookie).status_code == 200
            assert get(f"{gateway.url}/status").status_code == 401
            for observer, number in zip(observers, before, strict=True):
                observer.wait_for("snapshot_end", number + 1, timeout_s=15)
                last = [each for each in list(observer.seen) if each.kind == "snapshot_end"][-1]
                times.back.append(max(0.0, (last.at_ns - ready_ns) / 1e9))
        for observer in observers:
            observer.check_ids()
            assert set(observer.statuses) == {200}
        assert not [line for line in gateway.log if "ERROR" in line or "Traceback" in line]
    assert list(folder.iterdir()) == []
    return times


@pytest.mark.fault(22)
@pytest.mark.timeout(scaled(400))
def test_a_killed_gateway_comes_back_with_its_logins(trial: Trial, tmp_path: Path) -> None:
    """
    1. `kill_again_and_again`, a hundred times in all.
    Result: as there; ready within 5 s of the restart, the streams back within 5 s of that.
    """
    count = trial.count(1, 100) // GATEWAYS
    folders = [tmp_path / str(number) for number in range(GATEWAYS)]
    for folder in folders:
        folder.mkdir()
    rngs = [Random(trial.rng.random()) for _ in folders]
    with (
        open_simulator("--seed", "7", "--rate", "2") as simulator,
        ThreadPoolExecutor(GATEWAYS) as pool,
    ):
        found = list(pool.map(partial(kill_again_and_again, simulator, count), folders, rngs))
    ready = [each for times in found for each in times.ready]
    back = [each for times in found for each in times.back]
    trial.tell(f"{len(ready)} kills: every login survived, {len(back)} of {len(back)} streams back")
    trial.measure("streams back after being ready", back, at_most=5)
    trial.measure("ready", ready, at_most=5)
