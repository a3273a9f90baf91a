"""The command as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import clean_environment
from tests.waiting import scaled

CANARY = "canary-51fe-0a"


def run_command(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=scaled(30),
        cwd=cwd,
        env=clean_environment(**environment),
        check=False,
    )


@contextmanager
def run_demo(
    folder: Path, *arguments: str, command: str = "demo", **environment: str
) -> Iterator[tuple[str, int, int]]:
    """The demo's address, its process, and its simulator's."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", command, "--port", "0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean_environment(**environment),
    ) as process:
        try:
            assert process.stderr is not None
            url = next(
                line.removeprefix("live on ").strip()
                for line in process.stderr
                if line.startswith("live on ")
            )
            yield url, process.pid, find_child(process.pid)
        finally:
            process.kill()


def find_child(pid: int) -> int:
    """The only child of a process (Linux)."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
