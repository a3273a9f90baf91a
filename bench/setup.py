"""What a run of `bench.fanout` is: its workload, where it runs, and the line that comes out."""

import msgspec

from bench.servers import MIXED_SYMBOLS

FILL_EVENTS = 68_000
"""More than twice the gateway's history: its ring has all the memory that it will ever have."""

MAX_START = 64.0
MAX_CLIENTS, MAX_PACE_S = 500, 0.002


class Workload(msgspec.Struct, frozen=True):
    """So many streams and so many records a second."""

    clients: int
    rate: float
    seconds: float = 5.0
    symbols: int = 20
    watchlists: int = 0
    """How many different lists of 20 symbols there are; 0 when everybody follows everything."""
    fill: int = 0
    """Records before anything is measured, read by one client."""
    stalls: bool = False
    pace_s: float = 0.0
    path: str | None = None
    """Another stream than the events."""


LIVE_SYMBOLS = 20

WORKLOADS = {
    "w1": Workload(1000, 100),
    "w2": Workload(200, 1000),
    "max": Workload(MAX_CLIENTS, MAX_START, seconds=2.0, pace_s=MAX_PACE_S),
    "idle": Workload(5000, 0),
    "stall": Workload(200, 1000, seconds=30.0, fill=FILL_EVENTS, stalls=True),
    "mix": Workload(300, 5000, symbols=500, watchlists=30),
    "live": Workload(500, 1000, symbols=LIVE_SYMBOLS),
    "ingest": Workload(0, 20_000),
    "storm": Workload(1000, 100, seconds=6.0, symbols=MIXED_SYMBOLS),
}


class Result(msgspec.Struct, kw_only=True):
    """One line of the output; None where a workload does not measure it."""

    server: str
    workload: str
    tick_ms: float | None
    deliveries_per_s: float | None = None
    cpu_us_per_delivery: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    lost: int | None = None
    doubled: int | None = None
    out_of_order: int | None = None
    conflated: int | None = None
    rss_kb_per_connection: float | None = None
    rss_growth_kb: float | None = None
    connect_us: float | None = None
    client_cpu_share: float | None = None


class Setup(msgspec.Struct, frozen=True):
    """What is measured, and where."""

    server: str
    name: str
    workload: Workload
    cores: tuple[set[int], set[int]]
    tick_ms: float = 10.0

    def result(self) -> Result:
        """A line with nothing measured yet."""
        is_ours = self.server == "gateway"
        return Result(
            server=self.server, workload=self.name, tick_ms=self.tick_ms if is_ours else None
        )
