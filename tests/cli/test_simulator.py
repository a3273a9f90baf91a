"""gateway simulator: it ends with whoever started it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.commands import is_alive, run_demo
from tests.waiting import eventually_sync, scaled


def test_the_simulator_does_not_outlive_a_demo_that_is_killed(folder: Path) -> None:
    """
    1. `gateway demo` runs.
    2. SIGKILL.
    Result: the simulator ends by itself.
    """
    with run_demo(folder) as (_, pid, child):
        assert is_alive(child)
        os.kill(pid, signal.SIGKILL)
        eventually_sync(lambda: not is_alive(child))


def test_the_simulator_ends_when_its_standard_input_does() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulator", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = json.loads(process.stdout.readline())
        assert address["rest"].startswith("http://127.0.0.1:")
        begun_s = time.monotonic()
        process.stdin.close()
        process.wait(scaled(5))
        assert time.monotonic() - begun_s < scaled(5)
