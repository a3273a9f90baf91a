"""Workers under pages that print, hang and block: nothing of it holds up the others or the end."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.server.children import command_for
from gateway.server.workers import HURRY_S
from tests.processes import clean_environment
from tests.valkey import find_port
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

DRAIN_S = 1.0

PAGES = {
    "prints": "print('x' * 300_000)\nprint('a line of a page')\n",
    "prints and reads its neighbour": "import neighbour\nprint('a line of a page')\n",
    "starts a process": "import subprocess\nsubprocess.Popen(['sleep', '60'])\n",
    "leaves a thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    ),
}

END = """
from gateway.pages import metric, page

@page("/own")
def own():
    metric("SPY")
"""


@contextmanager
def run_workers(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        command_for("gateway", "serve", "--port", "0", "--workers", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean_environment(
            REDIS_URL=f"redis://127.0.0.1:{find_port()}",
            GATEWAY_TOKEN="a-token-of-the-tests",
            GATEWAY_PAGES="my_page.py",
            GATEWAY_DRAIN_S=f"{DRAIN_S:g}",
        ),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_address(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("live on "):
            return line.removeprefix("live on ").strip()
    raise AssertionError("ended without a word")


@pytest.mark.parametrize("case", PAGES)
def test_a_page_does_not_hold_up_the_start_or_the_end(case: str, tmp_path: Path) -> None:
    """
    1. Two workers serve a page that prints, starts a process or leaves a thread, in a folder that
       has files named `gateway.py` and `neighbour.py`. Nobody reads what the parent prints.
    2. The address is told: at once a request is answered.
    3. SIGTERM.
    Result: all ends within the drain and two seconds.
    """
    (tmp_path / "gateway.py").write_text("raise SystemExit('not this')\n")
    (tmp_path / "neighbour.py").write_text("x = 1\n")
    (tmp_path / "my_page.py").write_text(PAGES[case] + END)
    with run_workers(tmp_path) as process:
        url = read_address(process)
        assert get(f"{url}/healthz").status_code == 200
        answer = get(f"{url}/own", headers={"Authorization": "Bearer a-token-of-the-tests"})
        assert answer.status_code == 200
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(scaled(DRAIN_S + 5))
        assert time.monotonic() - begun_s < scaled(DRAIN_S + 2)
        if "neighbour" in case:  # without it more was printed than a pipe takes
            out, _ = process.communicate()
            assert "a line of a page\n" in out


@pytest.mark.parametrize("signals", [1, 2])
def test_a_worker_that_stands_still_is_ended(signals: int, tmp_path: Path) -> None:
    """
    1. Both workers are stopped, as if a page never came back.
    2. SIGTERM to the parent, once or twice.
    Result: all ends within the drain and two seconds; the second signal makes it faster.
    """
    (tmp_path / "my_page.py").write_text(END)
    with run_workers(tmp_path) as process:
        read_address(process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        pids = [int(each) for each in children]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        if signals == 2:
            time.sleep(0.1)  # two signals at once are one
            process.send_signal(signal.SIGTERM)
        assert process.wait(scaled(DRAIN_S + 5)) == 1
        limit_s = DRAIN_S + 2 if signals == 1 else HURRY_S + 0.8
        assert time.monotonic() - begun_s < scaled(limit_s)
        eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
