"""`python -m bench.fanout`: how many streams a server carries, how late, and at what cost.

What the figures mean, and what they do not, is in README.md beside this file.
"""

import argparse
import json
import os
import statistics
import sys

import msgspec

from bench.client import Refused
from bench.process import choose_cores, raise_file_limit
from bench.servers import Missing
from bench.setup import WORKLOADS, Result, Setup
from bench.workloads import measure, note

SERVERS = ("gateway", "nchan", "naive")

BUSY = 0.9
"""A client that needs more of its core than this measures itself."""

OURS_ALONE = frozenset({"live", "ingest"})


def median(results: list[Result]) -> Result:
    """The median of every figure; of what must not happen, the worst."""
    first = results[0]
    merged = Result(server=first.server, workload=first.workload, tick_ms=first.tick_ms)
    for name in Result.__struct_fields__[3:]:
        values = [value for each in results if (value := getattr(each, name)) is not None]
        if values:
            worst = name in {"lost", "doubled", "out_of_order", "conflated"}
            setattr(merged, name, max(values) if worst else statistics.median(values))
    return merged


COLUMNS: list[tuple[str, str, str]] = [
    ("server", "server", "s"),
    ("workload", "workload", "s"),
    ("tick_ms", "tick ms", "g"),
    ("deliveries_per_s", "deliveries/s", ",.0f"),
    ("cpu_us_per_delivery", "CPU us each", ".2f"),
    ("p50_ms", "p50 ms", ".1f"),
    ("p99_ms", "p99 ms", ".1f"),
    ("max_ms", "max ms", ".1f"),
    ("lost", "lost", ",d"),
    ("doubled", "doubled", ",d"),
    ("out_of_order", "disorder", ",d"),
    ("conflated", "conflated", ",d"),
    ("rss_kb_per_connection", "KB/conn", ".1f"),
    ("rss_growth_kb", "growth KB", ",.0f"),
    ("connect_us", "us/connect", ".0f"),
    ("client_cpu_share", "client CPU", ".0%"),
]


def table(results: list[Result]) -> str:
    """The results under each other, aligned."""
    rows = [[title for _, title, _ in COLUMNS]]
    for each in results:
        values = [(getattr(each, name), form) for name, _, form in COLUMNS]
        rows.append(["-" if value is None else format(value, form) for value, form in values])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description=__doc__)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--tick-ms", type=float, nargs="+", default=[10.0], help="gateway only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of publishing, instead of the workload's")
    parser.add_argument("--clients", type=int, help="instead of the workload's")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each result")
    options = parser.parse_args(arguments)
    options.servers = options.servers.split(",")
    options.workloads = options.workloads.split(",")
    for given, known in ((options.servers, SERVERS), (options.workloads, WORKLOADS)):
        for each in given:
            if each not in known:
                parser.error(f"there is no {each}; known are {', '.join(known)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 when something was lost, doubled or out of order at the gateway."""
    options = parse(arguments)
    raise_file_limit()
    cores = choose_cores()
    if cores[0] == cores[1]:
        note("There is one core only: server and client share it, and no figure means much.")
    os.sched_setaffinity(0, cores[1])
    found: dict[tuple[str, str, float], list[Result]] = {}
    left_out: set[str] = set()
    for turn in range(options.rounds):
        for name in options.workloads:
            work = WORKLOADS[name]
            changes = {"seconds": options.seconds, "clients": options.clients}
            work = msgspec.structs.replace(work, **{k: v for k, v in changes.items() if v})
            for server in options.servers:
                ticks = options.tick_ms if server == "gateway" else [0.0]
                for tick_ms in ticks:
                    if server in left_out or (name in OURS_ALONE and server != "gateway"):
                        continue
                    setup = Setup(server, name, work, cores, tick_ms)
                    try:
                        result = measure(setup)
                    except Missing as error:
                        note(f"{server} is left out: {error}")
                        left_out.add(server)
                        continue
                    except Refused as error:
                        note(f"{server} {name} has no result in round {turn + 1}: {error}")
                        continue
                    found.setdefault((name, server, tick_ms), []).append(result)
                    if (result.client_cpu_share or 0) >= BUSY:
                        note(
                            f"{server} {name}: the client used {result.client_cpu_share:.0%} "
                            "of its core and may be what was measured"
                        )
        note(f"round {turn + 1} of {options.rounds} done")
    results = [median(each) for each in found.values()]
    if options.json:
        for each in results:
            print(json.dumps(msgspec.to_builtins(each)))
    else:
        print(table(results))
    ours = [each for each in results if each.server == "gateway"]
    return int(any(each.lost or each.doubled or each.out_of_order for each in ours))


if __name__ == "__main__":
    sys.exit(main())
