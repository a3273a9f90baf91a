"""The feed's socket cut again and again, through a proxy, at any instant of its life."""

import asyncio
import gc
import itertools
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.faults.observer import Observer, observe
from tests.faults.proxy import Proxy, open_proxy
from tests.faults.test_refusals import reach
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.streams.running import running
from tests.waiting import eventually, eventually_sync, scaled
from tests.web.running import get

RIGHT_S = 2.0
WARM_UP = 20
MAX_GROWTH_KB = 5 * 1024


@contextmanager
def open_proxied(*options: str) -> Iterator[tuple[Simulator, Proxy]]:
    """A simulator, and the proxy through which its feed is reached."""
    with open_simulator(*options) as simulator:
        url = httpx.URL(simulator.hello["dxlink_ws"])
        assert url.port
        with open_proxy(url.port) as proxy:
            simulator.control_sync("address", feed=str(url.copy_with(port=proxy.port)))
            yield simulator, proxy


def read_sent(simulator: Simulator, symbol: str) -> list[dict[str, Any]]:
    """The last quotes of a symbol that left the simulator."""
    query = {"type": "Quote", "symbol": symbol, "limit": 4000}
    rows: list[dict[str, Any]] = get(f"{simulator.hello['control']}/sent", params=query).json()
    return rows


def wait_for_return(observer: Observer, cut_ns: int) -> int:
    """When a live price was to be seen again, after none was."""

    def find() -> int:
        screen = observer.painted("SPY")
        gone = itertools.dropwhile(lambda e: e.at_ns <= cut_ns or e.is_live, screen)
        return next((each.at_ns for each in gone if each.is_live), 0)

    return eventually_sync(find, 15)


def wait_for_connection(proxy: Proxy, count: int) -> None:
    """Return when more connections have been accepted than so many."""
    eventually_sync(lambda: proxy.accepted > count, 10)


def measure(gateway: Gateway) -> tuple[int, int, int]:
    """Memory (KiB), descriptors, records in the history."""
    events = get(gateway.url + "/status").json()["events"]
    return gateway.measure_rss_kb(), gateway.count_descriptors(), events["history"]


@pytest.mark.fault(7)
@pytest.mark.long
@pytest.mark.timeout(scaled(300))
def test_a_hundred_cuts(trial: Trial) -> None:
    """
    1. A gateway whose feed comes through a proxy; somebody reads `/events`.
    2. The proxy resets the feed at random instants, now and then while it is connecting.
    Result: each time a live price is back within 2 s of the connection; every price seen had been
    sent; no id comes twice; after a warm-up neither memory nor descriptors grow.
    """
    cuts = trial.count(30, 100)
    right_s: list[float] = []
    returns = 0
    sent: dict[tuple[int, str], dict[str, Any]] = {}
    compared = 0
    with (
        open_proxied() as (simulator, proxy),
        open_served(simulator) as gateway,
        observe(gateway.port, "/events?symbols=SPY") as observer,
    ):
        made = 0
        begun = (0, 0, 0)
        while made < cuts:
            eventually_sync(lambda: observer.is_live("SPY"), 15)
            time.sleep(trial.rng.uniform(0, 0.3))
            accepted = proxy.accepted
            cut_ns = time.monotonic_ns()
            assert proxy.cut()
            made += 1
            if trial.rng.random() < 0.25:
                wait_for_connection(proxy, accepted)
                time.sleep(trial.rng.uniform(0, 0.05))
                cut_ns = time.monotonic_ns()
                made += bool(proxy.cut())
            live_ns = wait_for_return(observer, cut_ns)
            returns += 1
            opened_ns = max(each for each in proxy.accepted_ns if each < live_ns)
            right_s.append((live_ns - opened_ns) / 1e9)
            for row in read_sent(simulator, "SPY"):
                sent[row["sent_ns"], str(row["sequence"])] = row
            if made >= WARM_UP and begun == (0, 0, 0):
                begun = measure(gateway)
        grown_kb, _, remembered = (
            now - then for now, then in zip(measure(gateway), begun, strict=True)
        )
        eventually_sync(lambda: gateway.count_descriptors() <= begun[1])
        ids = observer.check_ids()
        compared = observer.check_values("SPY", sent.values())
        assert compared > returns
        log = "".join(gateway.log)
        assert "never retrieved" not in log, log
        assert "Traceback" not in log, log
        trial.tell(
            f"{made} cuts, back after every one; {ids} ids, none twice; {compared} prices, all as "
            f"sent; memory {grown_kb / 1024:+.1f} MiB with {remembered} records more in the "
            "bounded history, descriptors +0"
        )
        trial.measure("right after", right_s, RIGHT_S)
        assert grown_kb < MAX_GROWTH_KB


@pytest.mark.fault(7)
@pytest.mark.long
async def test_cuts_leave_no_task_behind(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    """Each connection's tasks end with it, and none of their errors is left unread."""
    caplog.set_level(logging.ERROR)
    with open_proxied("--rate", "5") as (simulator, proxy):
        async with running(simulator.settings()) as up:
            await eventually(up.is_live, 10)
            before = sorted(task.get_name() for task in asyncio.all_tasks())
            for connects in range(2, trial.count(3, 20) + 2):
                proxy.cut()
                await reach(up, connects)
                await eventually(up.is_live, 10)
            await eventually(
                lambda: sorted(task.get_name() for task in asyncio.all_tasks()) == before
            )
    gc.collect()
    await asyncio.sleep(0)
    assert not caplog.records
    trial.tell("tasks +0, every error of theirs read")
