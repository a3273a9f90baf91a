"""The machine's clock is set an hour forward, two back, and forward again (row 18).

Without libfaketime: what the processes import first steps `time.time` and `time.time_ns` at a
signal, which is all that the gateway's own code asks but for the hours of the market; the clock
that nobody sets, `time.monotonic`, stays. `datetime.now`, which the SDK asks, cannot be replaced
under pandas.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.faults.observer import Observer, observe, parse_id
from tests.faults.trial import Trial
from tests.processes import Gateway, Process, environment_of, open_served
from tests.simulation import ROOT, open_simulator
from tests.valkey import open_valkey
from tests.waiting import eventually_sync, scaled
from tests.web.running import TOKEN, get, post

pytestmark = [pytest.mark.long, pytest.mark.fault(18)]

STEPS_H = (1, -2, 1)
QUOTES = 20
"""After each step: some two seconds, twice the lease and the time until stale."""

SITE = """
import signal, time

real_time, real_ns = time.time, time.time_ns
hours = 0

def step(number, frame):
    global hours
    hours += 1 if number == signal.SIGUSR1 else -1

time.time = lambda: real_time() + hours * 3600
time.time_ns = lambda: real_ns() + hours * 3_600_000_000_000
signal.signal(signal.SIGUSR1, step)
signal.signal(signal.SIGUSR2, step)
"""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def stepped(tmp_path: Path) -> dict[str, str]:
    """What makes a process one whose clock can be set."""
    (tmp_path / "sitecustomize.py").write_text(SITE)
    return {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "GATEWAY_TOKEN": TOKEN,
        "GATEWAY_STALE_S": "1",
        "GATEWAY_LEASE_S": "1",
    }


def sign_in(gateway: Gateway) -> dict[str, str]:
    """The headers of a browser that has signed in."""
    answer = post(f"{gateway.url}/login", content=urlencode({"token": TOKEN}), headers=FORM)
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def step(processes: Sequence[Process], hours: int, observer: Observer) -> None:
    """Set the clock of all of them, and see it out."""
    before = len(observer.quotes("SPY"))
    hour = observer.quotes("SPY")[-1].data["updated_at"][:13]
    for process in processes:
        for _ in range(abs(hours)):
            process.send(signal.SIGUSR1 if hours > 0 else signal.SIGUSR2)
    eventually_sync(lambda: len(observer.quotes("SPY")) >= before + QUOTES, 15)
    assert observer.quotes("SPY")[-1].data["updated_at"][:13] != hour, "the clock did not step"


def check(observer: Observer) -> None:
    """Nobody saw anything of it."""
    assert observer.lost_ns == []
    assert not [each for each in observer.quotes("SPY") if each.data["stale"]]
    states = [each.data["state"] for each in observer.seen if each.kind == "status"]
    assert set(states) == {"live"}, states
    assert len({parse_id(each.event.id)[0] for each in observer.seen if each.event.id}) == 1
    observer.check_ids()


@pytest.mark.timeout(scaled(90))
def test_one_process_does_not_notice(trial: Trial, stepped: dict[str, str]) -> None:
    """
    1. Somebody has signed in; a stream is open.
    2. The clock is set forward, back and forward again.
    Result: no price is marked stale, no stream ends, upstream is not left, the login holds.
    """
    with (
        open_simulator("--seed", "7", "--rate", "20") as simulator,
        open_served(simulator, **stepped) as gateway,
    ):
        eventually_sync(lambda: get(f"{gateway.url}/readyz").status_code == 200)
        cookie = sign_in(gateway)
        wait_until_live(gateway, cookie)
        with observe(gateway.port, "/events?symbols=SPY", token=TOKEN) as observer:
            observer.wait_for("quote_update", 5)
            for hours in STEPS_H:
                step([gateway], hours, observer)
                assert get(f"{gateway.url}/status", headers=cookie).status_code == 200
            check(observer)
        counters = simulator.read_sync()["counters"]
        assert (counters["feed_connections"], counters["account_connections"]) == (1, 1)
    trial.tell(f"{len(STEPS_H)} steps, one process: nothing stale, no login lost, one connection")


@pytest.mark.timeout(scaled(90))
def test_the_lease_is_not_lost(trial: Trial, stepped: dict[str, str]) -> None:
    """
    1. A feed leads, another stands by, a web process serves a stream.
    2. The clock of all of them is set, then that of the leader alone.
    Result: the same epoch all the time; nothing is stale; one connection upstream.
    """
    with (
        open_valkey() as valkey,
        open_simulator("--seed", "7", "--rate", "20") as simulator,
    ):
        given = environment_of(simulator, REDIS_URL=valkey.url, **stepped)
        feeds = [Process("feed", **given)]
        try:
            feeds[0].wait_for("publishing, epoch", 20)
            feeds.append(Process("feed", **given))
            feeds[1].wait_for("standing by", 20)
            with open_served(simulator, REDIS_URL=valkey.url, **stepped) as gateway:
                eventually_sync(lambda: get(f"{gateway.url}/readyz").status_code == 200, 10)
                cookie = sign_in(gateway)
                wait_until_live(gateway, cookie)
                with observe(gateway.port, "/events?symbols=SPY", token=TOKEN) as observer:
                    observer.wait_for("quote_update", 5)
                    for processes in ([*feeds, gateway], feeds[:1]):
                        for hours in STEPS_H:
                            step(processes, hours, observer)
                    check(observer)
                assert get(f"{gateway.url}/status", headers=cookie).status_code == 200
        finally:
            for feed in feeds:
                feed.kill()
        assert not feeds[1].says("publishing, epoch")
        assert simulator.read_sync()["counters"]["feed_connections"] == 1
    trial.tell(f"{2 * len(STEPS_H)} steps with a lease of 1 s: the same leader and epoch")


def wait_until_live(gateway: Gateway, cookie: dict[str, str]) -> None:
    def is_live() -> bool:
        statuses = get(f"{gateway.url}/status", headers=cookie).json()["statuses"]
        return {each["state"] for each in statuses.values()} == {"live"} and len(statuses) > 2

    eventually_sync(is_live, 10)
