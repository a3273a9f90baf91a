"""What the system knows of processes: CPU time, resident memory, children; and where they run."""

import os
import resource
from pathlib import Path

_TICKS_S = os.sysconf("SC_CLK_TCK")


def raise_file_limit() -> int:
    """As many open files as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def choose_cores() -> tuple[set[int], set[int]]:
    """The server's core and the client's; the same one where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[-1]}, {cores[0]}


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def cpu_s(pids: list[int]) -> float:
    """User and system time of these processes so far (proc(5), `stat`)."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_S


def waited_s(pids: list[int]) -> float:
    """How long these processes could have run and were not let (proc(5), `schedstat`)."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9


def rss_kb(pids: list[int]) -> int:
    """Resident memory of these processes, what they share counted in each."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total
