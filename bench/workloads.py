"""The workloads of `bench.fanout`: what each has the servers do, and what is measured meanwhile.

What the figures mean, and what they do not, is in README.md beside this file.
"""

import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from bench.check import percentile
from bench.client import Load, Refused
from bench.process import cpu_s, family, rss_kb, waited_s
from bench.publish import Order
from bench.records import Expectation, Tape
from bench.servers import open_server, run_pinned
from bench.setup import LIVE_SYMBOLS, Result, Setup, Workload

WARM_UP_S = 0.5

CROWDED = 0.05
"""A server that was kept from its core for more of the time than this was not alone on it."""

FILL_RATE = 25_000.0

SETTLE_S = 0.3

MAX_FINEST, MAX_P99_MS = 1.1, 1000.0


@contextmanager
def open_load(setup: Setup) -> Iterator[Load]:
    """A server and nobody connected yet."""
    work = setup.workload
    tape = Tape(work.symbols)
    chance = random.Random(work.symbols)
    lists = [sorted(chance.sample(tape.symbols, 20)) for _ in range(work.watchlists)]
    expectations = [Expectation(tape, each) for each in lists] or [Expectation(tape)]
    with open_server(
        setup.server, symbols=work.symbols, cores=setup.cores, tick_ms=setup.tick_ms
    ) as server:
        # Ids of many channels in one stream are vectors: nothing to compare.
        load = Load(server, expectations, has_ids=not (setup.server == "nchan" and lists))
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            yield load
        finally:
            gc.enable()
            load.close()


def run_steady(setup: Setup) -> Result:
    """Streams that stay open while records are published evenly."""
    return _run_steady(setup)[0]


class Use(NamedTuple):
    """What a server did in a second of a run."""

    cpu_s: float
    bytes: float


def _run_steady(setup: Setup) -> tuple[Result, Use]:
    work = setup.workload
    with open_load(setup) as load:
        load.pace_s = work.pace_s
        last = 0
        if work.fill:
            last = fill(load, work.fill)
        load.connect(work.clients + int(work.stalls), after=last, path=work.path)
        settle(load)
        if work.stalls:
            load.stall(load.connections[work.clients // 2])
        order = Order(last + 1, work.rate, WARM_UP_S)
        last = load.publish(order).last
        load.begin_tally()
        pids = load.server.pids
        rss = rss_kb(pids)
        busy_s, client_s, waited = cpu_s(pids), load.cpu_s(), waited_s(pids)
        begun_s = time.monotonic()
        order = Order(last + 1, work.rate, work.seconds)
        report = load.publish(order)
        took_s = time.monotonic() - begun_s
        busy_s, client_s = cpu_s(pids) - busy_s, load.cpu_s() - client_s
        note_crowd(setup, (waited_s(pids) - waited) / took_s)
        result = setup.result()
        if work.path is not None:
            tally = load.tally
        else:
            tally = load.finish(report.last)
            result.lost, result.doubled = tally.lost, tally.doubled
            result.out_of_order, result.conflated = tally.out_of_order, tally.conflated
        latencies = sorted(tally.latencies_us)
        result.deliveries_per_s = tally.delivered / took_s
        if tally.delivered:
            result.cpu_us_per_delivery = busy_s / tally.delivered * 1e6
        result.p50_ms = _ms(percentile(latencies, 0.5))
        result.p99_ms = _ms(percentile(latencies, 0.99))
        result.max_ms = _ms(max(tally.oldest_us, latencies[-1])) if latencies else None
        if work.stalls:
            result.rss_growth_kb = rss_kb(pids) - rss
            for line in load.server.read_metrics("gateway_streams_evicted"):
                note(f"  {line}")
        result.client_cpu_share = client_s / took_s
        return result, Use(busy_s / took_s, tally.bytes / took_s)


def run_stall(setup: Setup) -> Result:
    """Streams beside one that is never read, and the same without it."""
    work = msgspec.structs.replace(setup.workload, stalls=False)
    calm = run_steady(msgspec.structs.replace(setup, workload=work))
    result = run_steady(setup)
    note(
        f"  {setup.server} stall: p99 of the others {result.p99_ms or 0:.1f} ms, "
        f"{calm.p99_ms or 0:.1f} ms without the one that never reads"
    )
    return result


def run_live(setup: Setup) -> Result:
    """The streams of one page, beside the same records as JSON; a delivery is one message."""
    symbols = ",".join(Tape(LIVE_SYMBOLS).symbols)
    path = f"/live/home?symbols={symbols}"
    work = setup.workload
    html = msgspec.structs.replace(work, path=path)
    result, many_html = _run_steady(msgspec.structs.replace(setup, workload=html))
    costs = [_ns_per_byte(setup, html, many_html)]
    _, many_json = _run_steady(setup)
    costs.append(_ns_per_byte(setup, work, many_json))
    note(
        f"  live: {costs[0]:.2f} ns of CPU for each byte of HTML to the others than the first, "
        f"{costs[1]:.2f} for one of JSON: {costs[0] / costs[1]:.2f} times"
    )
    return result


def _ns_per_byte(setup: Setup, work: Workload, many: Use) -> float:
    """What a byte costs, without the publishing and rendering that one viewer needs as well."""
    one = msgspec.structs.replace(work, clients=1)
    _, alone = _run_steady(msgspec.structs.replace(setup, workload=one))
    return (many.cpu_s - alone.cpu_s) / max(1.0, many.bytes - alone.bytes) * 1e9


def run_ingest(setup: Setup) -> Result:
    """A simulator that floods, the SDK, the hub; a delivery is one published record."""
    from bench.ingest_process import Ingest
    from gateway.cli.demo import open_simulator

    with open_simulator(seed=1) as wait:
        address = wait()
        simulators = [each for each in family(os.getpid()) if each != os.getpid()]
        client_s, begun_s = cpu_s(simulators), time.monotonic()
        work = setup.workload
        found = run_pinned(
            ["bench.ingest_process", json.dumps(address), str(work.rate), str(work.seconds)],
            setup.cores[0],
        )
        client_s, took_s = cpu_s(simulators) - client_s, time.monotonic() - begun_s
    if not found:
        raise Refused("the upstream half did not come up")
    ingest = msgspec.json.decode(found, type=Ingest)
    note_crowd(setup, ingest.waited_share)
    latencies = sorted(ingest.latencies_us)
    result = setup.result()
    result.deliveries_per_s = ingest.published_per_s
    result.cpu_us_per_delivery = ingest.cpu_us_each
    result.p50_ms = _ms(percentile(latencies, 0.5))
    result.p99_ms = _ms(percentile(latencies, 0.99))
    result.max_ms = _ms(percentile(latencies, 1.0))
    result.lost = ingest.unmatched
    result.client_cpu_share = client_s / took_s
    note(
        f"  ingest: {work.rate:,.0f} moves/s asked for, {ingest.rows_per_s:,.0f} rows/s sent, "
        f"{ingest.published_per_s:,.0f} records/s published with {ingest.cpu_share:.0%} of a core"
    )
    return result


def fill(load: Load, count: int) -> int:
    """The last sequence after a history full of records that somebody has read."""
    load.connect(1, after=0)
    settle(load)
    last = load.publish(Order(1, FILL_RATE, count / FILL_RATE)).last
    load.drop_all()
    load.begin_tally()
    return last


def run_max(setup: Setup) -> Result:
    """The highest rate at which nothing is lost and p99 stays within a second."""
    best: Result | None = None
    good, bad = 0.0, 0.0
    rate = setup.workload.rate
    while not (good and bad) or bad / good > MAX_FINEST:
        # Twice, if need be: one bad moment of the machine is no limit.
        result = _try_rate(setup, rate)
        if not _holds(result, rate * setup.workload.clients):
            result = _try_rate(setup, rate)
        is_good = _holds(result, rate * setup.workload.clients)
        if is_good:
            best, good = result, rate
        else:
            bad = rate
        if good and bad:
            rate = (good * bad) ** 0.5
        elif good:
            rate *= 2
        elif rate >= 2:
            rate /= 2
        else:
            raise Refused(f"{setup.server} carries nothing to {setup.workload.clients} streams")
    assert best is not None
    return best


def _try_rate(setup: Setup, rate: float) -> Result:
    work = msgspec.structs.replace(setup.workload, rate=rate)
    result = run_steady(msgspec.structs.replace(setup, workload=work))
    holds = _holds(result, rate * work.clients)
    note(
        f"  {setup.server} {rate:.0f}/s x {work.clients}: {result.deliveries_per_s:,.0f}/s, "
        f"p99 {result.p99_ms or 0:.0f} ms, lost {result.lost}, conflated {result.conflated}, "
        f"client {result.client_cpu_share or 0:.0%}{'' if holds else ': too much'}"
    )
    return result


def _holds(result: Result, wanted_per_s: float) -> bool:
    return (
        not (result.lost or result.doubled or result.out_of_order or result.conflated)
        and result.p99_ms is not None
        and result.p99_ms <= MAX_P99_MS
        and (result.deliveries_per_s or 0) >= 0.5 * wanted_per_s
    )


def run_idle(setup: Setup) -> Result:
    """What connections cost that only wait."""
    with open_load(setup) as load:
        pids = load.server.pids
        load.connect(1, after=0)
        settle(load)
        rss, busy_s, client_s = rss_kb(pids), cpu_s(pids), load.cpu_s()
        seconds = load.connect(setup.workload.clients, after=0)
        busy_s, client_s = cpu_s(pids) - busy_s, load.cpu_s() - client_s
        settle(load)
        result = setup.result()
        result.connect_us = busy_s / setup.workload.clients * 1e6
        result.rss_kb_per_connection = (rss_kb(pids) - rss) / setup.workload.clients
        result.client_cpu_share = client_s / seconds
        note(f"  {setup.server}: {setup.workload.clients} connections in {seconds:.2f} s")
        return result


def run_storm(setup: Setup) -> Result:
    """All come back at once, with their ids, while records go on being published."""
    work = setup.workload
    with open_load(setup) as load:
        load.connect(work.clients, after=0)
        settle(load)
        load.order(Order(1, work.rate, work.seconds))
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < work.seconds / 3:
            load.turn(0.05)
        pids = load.server.pids
        busy_s, client_s, waited = cpu_s(pids), load.cpu_s(), waited_s(pids)
        at_s = time.monotonic()
        load.drop_and_reopen()
        while load.is_opening and time.monotonic() - at_s < 60:
            load.turn(0.05)
        took_s = time.monotonic() - at_s
        busy_s, client_s = cpu_s(pids) - busy_s, load.cpu_s() - client_s
        note_crowd(setup, (waited_s(pids) - waited) / took_s)
        report = load.follow(work.seconds)
        tally = load.finish(report.last)
        waits = sorted(each.opened_s - at_s for each in load.connections if each.opened_s)
        result = setup.result()
        result.p50_ms = _ms(percentile(waits, 0.5), 1e3)
        result.p99_ms = _ms(percentile(waits, 0.99), 1e3)
        result.max_ms = _ms(percentile(waits, 1.0), 1e3)
        result.lost, result.doubled = tally.lost, tally.doubled
        result.out_of_order, result.conflated = tally.out_of_order, tally.conflated
        result.connect_us = busy_s / work.clients * 1e6
        result.client_cpu_share = client_s / took_s
        return result


def note_crowd(setup: Setup, share: float) -> None:
    """Say so when the server was kept from its core by others."""
    if share > CROWDED:
        note(f"{setup.server} {setup.name}: others had its core for {share:.0%} of the time")


def settle(load: Load) -> None:
    """Read for a moment: a stream may be open before its server listens for it."""
    until_s = time.monotonic() + SETTLE_S
    while time.monotonic() < until_s:
        load.turn(0.05)


RUNS: dict[str, Callable[[Setup], Result]] = {
    "max": run_max,
    "idle": run_idle,
    "storm": run_storm,
    "stall": run_stall,
    "live": run_live,
    "ingest": run_ingest,
}


def measure(setup: Setup) -> Result:
    """One result of one round."""
    return RUNS.get(setup.name, run_steady)(setup)


def note(text: str) -> None:
    """A line for people, never in the way of the JSON."""
    print(text, file=sys.stderr, flush=True)


def _ms(value: float | None, factor: float = 1e-3) -> float | None:
    return None if value is None else value * factor
