"""One feed and two web processes over Valkey against one process, on the same work.

    python -m bench.scaling [--rounds 3] [--seconds 5] [--workloads latency,mix,w1] [--json]

Everything that serves shares one core here, the load client has the other: the figures show what
the way through Valkey costs and adds, not how much more several machines carry.
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from bench.check import percentile
from bench.client import Load
from bench.process import choose_cores, cpu_s, family, raise_file_limit
from bench.publish import Order, follow_orders, tell
from bench.records import Expectation, Tape
from bench.servers import TOKEN, Server, _start, _stop, open_server
from bench.workloads import settle
from gateway.server.server import set_up_logging
from gateway.settings import load_settings
from gateway.streams.backplane.election import Election
from gateway.streams.backplane.server import Backplane
from gateway.streams.demand import Demand
from gateway.streams.publisher import Publisher
from gateway.streams.records import Status
from gateway.streams.reports import UpstreamReport
from tests.valkey import Valkey, find_port, open_valkey

WEBS = 2
WARM_UP_S = 1.0
READY_S = 20.0

SERVERS = ("one process", "feed + 2 webs")


class Workload(msgspec.Struct, frozen=True):
    """Streams, records a second, symbols, and how many different lists of 20 of them."""

    clients: int
    rate: float
    symbols: int
    lists: int = 0


WORKLOADS = {
    "latency": Workload(20, 5000, 500),
    "mix": Workload(300, 5000, 500, lists=30),
    "w1": Workload(1000, 100, 50),
}


class Row(msgspec.Struct, kw_only=True):
    """One line of the output; times in ms, processor time as a share of one core."""

    server: str
    workload: str
    deliveries_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    lost: int
    doubled: int
    out_of_order: int
    conflated: int
    web_cpu: float
    feed_cpu: float
    valkey_cpu: float
    client_cpu: float


class _Ordered:
    """A source that publishes what is ordered, in place of Tastytrade."""

    def __init__(self, publisher: Publisher, tape: Tape) -> None:
        self._publisher = publisher
        self._tape = tape

    async def run(self) -> None:
        publish, quote = self._publisher.publish, self._tape.quote
        publish(Status(upstream="feed", state="live", since="", reason=None))
        tell({"pid": os.getpid()})
        await follow_orders(lambda seq, at_ns: publish(quote(seq, at_ns)))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()

    def report(self) -> UpstreamReport:
        return UpstreamReport()


async def _feed(symbols: int) -> None:
    tape = Tape(symbols)
    settings = load_settings(symbols=tape.symbols)
    set_up_logging(settings.log_level, settings.secrets)
    assert settings.redis_url is not None
    demand = Demand(tape.symbols, now_s=time.monotonic)
    backplane = Backplane(settings.redis_url.get_secret_value())
    leader = Election(
        backplane, demand, lambda publisher: _Ordered(publisher, tape), lease_s=settings.lease_s
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leader.stop)
    await leader.run()
    await backplane.close()


@contextmanager
def open_joined(symbols: int, cores: tuple[set[int], set[int]]) -> Iterator[tuple[Server, Valkey]]:
    """A feed, two workers, and the server between them, all on the first set of cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores[0])
    with open_valkey() as valkey:
        os.sched_setaffinity(0, before)
        port = find_port()
        environment = os.environ | {
            "REDIS_URL": valkey.url,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "GATEWAY_TOKEN": TOKEN,
            "GATEWAY_MAX_STREAMS": "20000",
            "GATEWAY_MAX_CONNECTIONS": "40000",
            "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "40000",
            "GATEWAY_LOG_LEVEL": "WARNING",
            "GATEWAY_DRAIN_S": "0.5",
        }
        module = [sys.executable, "-m"]
        feed = _start([*module, "bench.scaling", "feed", str(symbols)], cores[0], environment)
        webs = None
        try:
            assert feed.stdout is not None
            feed.stdout.readline()
            command = [*module, "gateway", "serve", "--workers", str(WEBS)]
            webs = _start(command, cores[0], environment)
            wait_until_up(f"http://127.0.0.1:{port}/status", WEBS, webs.pid)
            server = Server(
                SERVERS[1],
                port,
                webs,
                feed,
                opened_by=b'"type":"snapshot_end"',
                has_snapshot=True,
                query=lambda wanted: "/events" + (f"?symbols={','.join(wanted)}" if wanted else ""),
            )
            yield server, valkey
        finally:
            if webs is not None:
                _stop(webs)
            _stop(feed)


def wait_until_up(url: str, count: int, pid: int) -> None:
    """Return when every worker has been there to answer: each new connection may get another."""
    deadline_s = time.monotonic() + READY_S
    hits = 0
    while hits < 8 * count or len(family(pid)) <= count:
        if time.monotonic() > deadline_s:
            raise TimeoutError("the web processes are not there")
        try:
            answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
            is_up = answer.json()["statuses"]["feed"]["state"] == "live"
        except (httpx.TransportError, KeyError):
            is_up = False
        hits = hits + 1 if is_up else 0
        time.sleep(0.02)


@contextmanager
def _open(
    name: str, work: Workload, cores: tuple[set[int], set[int]]
) -> Iterator[tuple[Load, int | None]]:
    tape = Tape(work.symbols)
    chance = random.Random(work.symbols)
    lists = [sorted(chance.sample(tape.symbols, 20)) for _ in range(work.lists)]
    expectations = [Expectation(tape, each) for each in lists] or [Expectation(tape)]
    if name == SERVERS[0]:
        with open_server("gateway", symbols=work.symbols, cores=cores) as server:
            load = Load(server, expectations, has_ids=True)
            yield load, None
            load.close()
    else:
        with open_joined(work.symbols, cores) as (server, valkey):
            assert valkey.process is not None
            load = Load(server, expectations, has_ids=True)
            yield load, valkey.process.pid
            load.close()


def measure(name: str, work: str, seconds: float, cores: tuple[set[int], set[int]]) -> Row:
    """One row of one round."""
    workload = WORKLOADS[work]
    with _open(name, workload, cores) as (load, valkey):
        load.connect(workload.clients, after=0)
        settle(load)
        last = load.publish(Order(1, workload.rate, WARM_UP_S)).last
        load.begin_tally()
        groups = [load.server.pids, load.server.publisher_pids, [valkey] if valkey else []]
        before = [cpu_s(pids) for pids in groups]
        client_s, begun_s = time.process_time(), time.monotonic()
        report = load.publish(Order(last + 1, workload.rate, seconds))
        took_s = time.monotonic() - begun_s
        web, feed, server = (
            (cpu_s(pids) - spent) / took_s for pids, spent in zip(groups, before, strict=True)
        )
        client_s = time.process_time() - client_s
        drops = load.finish(report.last)
        latencies = sorted(drops.latencies_us)
        return Row(
            server=name,
            workload=work,
            deliveries_per_s=drops.delivered / took_s,
            p50_ms=(percentile(latencies, 0.5) or 0) / 1e3,
            p99_ms=(percentile(latencies, 0.99) or 0) / 1e3,
            max_ms=(latencies[-1] if latencies else 0) / 1e3,
            lost=drops.lost,
            doubled=drops.doubled,
            out_of_order=drops.out_of_order,
            conflated=drops.conflated,
            web_cpu=web,
            feed_cpu=feed,
            valkey_cpu=server,
            client_cpu=client_s / took_s,
        )


def median(rows: list[Row]) -> Row:
    """The median of every figure; of what must not happen, the worst."""
    worst = {"lost", "doubled", "out_of_order", "conflated"}
    merged: dict[str, Any] = {"server": rows[0].server, "workload": rows[0].workload}
    for name in Row.__struct_fields__[2:]:
        values = [getattr(each, name) for each in rows]
        merged[name] = max(values) if name in worst else statistics.median(values)
    return Row(**merged)


def table(rows: list[Row]) -> str:
    """The rows under each other, aligned."""
    lines = [list(Row.__struct_fields__)]
    for row in rows:
        cells = [getattr(row, name) for name in Row.__struct_fields__]
        lines.append([f"{each:,.2f}" if isinstance(each, float) else str(each) for each in cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def main() -> int:
    """The exit status: 1 when something was lost, doubled or out of order."""
    if sys.argv[1:2] == ["feed"]:
        asyncio.run(_feed(int(sys.argv[2])))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench.scaling")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    raise_file_limit()
    cores = choose_cores()
    os.sched_setaffinity(0, cores[1])
    rows = []
    for work in options.workloads.split(","):
        found: dict[str, list[Row]] = {name: [] for name in SERVERS}
        for _ in range(options.rounds):
            for name in SERVERS:
                found[name].append(measure(name, work, options.seconds, cores))
        rows += [median(each) for each in found.values()]
        added_ms = rows[-1].p99_ms - rows[-2].p99_ms
        print(f"{work}: p99 + {added_ms:.1f} ms through Valkey", file=sys.stderr, flush=True)
    print(
        "\n".join(msgspec.json.encode(row).decode() for row in rows)
        if options.json
        else table(rows)
    )
    return int(any(row.lost or row.doubled or row.out_of_order for row in rows))


if __name__ == "__main__":
    sys.exit(main())
