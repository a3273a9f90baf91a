"""The benchmark itself, small: real servers, a second each."""

import json

import msgspec
import pytest

from bench import fanout, setup, workloads
from bench.process import choose_cores
from bench.publish import Order, due
from bench.servers import Missing, find_nchan

pytestmark = pytest.mark.timeout(180)

KEYS = [
    *("server", "workload", "tick_ms", "deliveries_per_s", "cpu_us_per_delivery"),
    *("p50_ms", "p99_ms", "max_ms", "lost", "doubled", "out_of_order", "conflated"),
    *("rss_kb_per_connection", "rss_growth_kb", "connect_us", "client_cpu_share"),
]


def has_nchan() -> bool:
    try:
        find_nchan()
    except Missing:
        return False
    return True


SERVERS = [
    "gateway",
    "naive",
    pytest.param("nchan", marks=pytest.mark.skipif(not has_nchan(), reason="needs nginx, nchan")),
]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("workload", ["w1", "mix"])
def test_a_small_run_delivers_everything(server: str, workload: str) -> None:
    few = msgspec.structs.replace(
        setup.WORKLOADS[workload], clients=6, seconds=0.5, rate=200.0, fill=200
    )
    result = workloads.measure(setup.Setup(server, workload, few, choose_cores()))
    assert (result.lost, result.doubled, result.out_of_order, result.conflated) == (0, 0, 0, 0)
    assert result.deliveries_per_s is not None
    assert result.deliveries_per_s > 0
    assert result.p50_ms is not None
    assert result.p99_ms is not None
    assert 0 < result.p50_ms <= result.p99_ms


def test_who_never_reads_costs_the_others_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    few = msgspec.structs.replace(
        setup.WORKLOADS["stall"], clients=6, seconds=0.5, rate=200.0, fill=200
    )
    result = workloads.measure(setup.Setup("gateway", "stall", few, choose_cores()))
    assert (result.lost, result.doubled, result.out_of_order, result.conflated) == (0, 0, 0, 0)
    assert result.rss_growth_kb is not None
    assert "gateway_streams_evicted_total" in capfd.readouterr().err


def test_a_storm_is_resumed_without_loss() -> None:
    few = msgspec.structs.replace(setup.WORKLOADS["storm"], clients=6, seconds=1.5)
    result = workloads.measure(setup.Setup("gateway", "storm", few, choose_cores()))
    assert (result.lost, result.doubled, result.out_of_order) == (0, 0, 0)
    assert result.p99_ms is not None


def test_json_has_a_line_for_each_result(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = "--servers gateway --workloads idle,w1 --clients 4 --seconds 0.5 --rounds 1"
    assert fanout.main([*arguments.split(), "--tick-ms", "0", "--json"]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(line["workload"], line["tick_ms"]) for line in lines] == [("idle", 0.0), ("w1", 0.0)]
    assert all(list(line) == KEYS for line in lines)
    idle, busy = lines
    assert idle["connect_us"] is not None
    assert idle["deliveries_per_s"] is None
    assert busy["deliveries_per_s"] > 0


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fanout.main(["--servers", "gateway,apache"])
    assert "there is no apache" in capsys.readouterr().err


def test_figures_are_medians_and_faults_the_worst() -> None:
    rounds = [
        setup.Result(server="gateway", workload="w1", tick_ms=10, p99_ms=p99, lost=lost)
        for p99, lost in ((5.0, 0), (9.0, 3), (6.0, 0))
    ]
    merged = fanout.median(rounds)
    assert (merged.p99_ms, merged.lost, merged.doubled) == (6.0, 3, None)
    assert fanout.table([merged]).splitlines()[1].split()[:4] == ["gateway", "w1", "10", "-"]


def test_a_late_publisher_does_not_hide_that_it_is_late() -> None:
    order = Order(first=11, rate=1000, seconds=0.1)
    assert list(due(order, 0, 0, 2_000_000)) == [(11, 2_000_000), (12, 2_000_000), (13, 2_000_000)]
    late = list(due(order, 0, 0, 20_000_000))
    assert late[0] == (11, 0)
    assert late[-1] == (31, 20_000_000)
    assert list(due(order, 0, order.count, 10**9)) == []
