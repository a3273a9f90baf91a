"""Blocking calls in threads: apart from the loop, bounded, and in nobody's way at the end."""

import asyncio
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from gateway.store.workers import Workers
from tests.waiting import eventually, scaled

HANGS = """
import asyncio, time
from gateway.store.workers import Workers

async def main():
    workers = Workers("store")
    task = asyncio.create_task(workers.run(lambda: time.sleep(600)))
    await asyncio.sleep(0.05)
    task.cancel()

asyncio.run(main())
print("over")
"""


def count_threads(name: str) -> int:
    return sum(each.name.startswith(f"{name}-") for each in threading.enumerate())


async def test_results_and_errors_come_back() -> None:
    workers = Workers("back")
    assert count_threads("back") == 0, "none is started before it is needed"
    squares = [workers.run(partial(pow, number, 2)) for number in range(50)]
    assert await asyncio.gather(*squares) == [number * number for number in range(50)]

    def fail() -> None:
        raise KeyError("word")

    with pytest.raises(KeyError, match="word"):
        await workers.run(fail)
    assert await workers.run(threading.get_ident) != threading.get_ident()
    workers.close()
    await eventually(lambda: count_threads("back") == 0)
    assert await workers.run(lambda: "again") == "again"
    workers.close()
    await eventually(lambda: count_threads("back") == 0)


async def test_no_more_run_at_once_than_there_are_threads() -> None:
    workers = Workers("few", 3)
    lock, running, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    await asyncio.gather(*(workers.run(work) for _ in range(12)))
    assert most == 3
    workers.close()


async def test_a_call_that_nobody_waits_for_is_not_begun() -> None:
    workers = Workers("one", 1)
    gate, begun = threading.Event(), list[str]()
    first = asyncio.create_task(workers.run(lambda: gate.wait(scaled(10))))
    second = asyncio.create_task(workers.run(lambda: begun.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first
    await workers.run(lambda: begun.append("third"))
    assert begun == ["third"]
    workers.close()


def test_a_call_that_hangs_does_not_hold_up_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        capture_output=True,
        text=True,
        timeout=scaled(20),
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")
