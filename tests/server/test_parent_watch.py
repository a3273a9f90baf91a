"""A process ends when standard input does, and not before."""

import signal
import subprocess
import sys

from tests.waiting import scaled

PROGRAM = (
    "import threading; from gateway.server.parent_watch import exit_with_parent; "
    "exit_with_parent(); print('ready', flush=True); threading.Event().wait()"
)


def test_a_process_ends_by_sigterm_with_its_standard_input() -> None:
    """1. start; 2. write to its input: it lives on; 3. close the input. Result: SIGTERM ends it."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("still here\n")
            process.stdin.flush()
            assert process.poll() is None
            process.stdin.close()
            assert process.wait(scaled(10)) == -signal.SIGTERM
        finally:
            process.kill()
