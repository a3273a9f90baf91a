"""The upstream half alone, fed by a simulator that floods: wire, SDK, normalizer, hub.

Started by `bench.fanout` as `python -m bench.ingest_process ADDRESS MOVES_PER_S SECONDS`, where
ADDRESS is the simulator's first line. Prints one `Ingest` as JSON. Nobody subscribes to the hub.
"""

import asyncio
import gc
import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import uvloop

from bench.process import waited_s
from bench.publish import tell
from gateway.app import create_context
from gateway.cli.demo import create_settings
from gateway.server.server import GC_THRESHOLDS, set_up_logging
from gateway.streams.records import QuoteUpdate, Record
from gateway.streams.upstream.upstream import create_upstream

# The simulator floods all that it has; forty of them share the rate that is asked for.
SYMBOLS = (
    *("SPY", "QQQ", "IWM", "DIA", "TLT", "GLD", "SLV", "XLE", "XLF", "XLK", "SMH", "EEM", "HYG"),
    *("AAPL", "MSFT", "NVDA", "TSLA", "AMD", "AMZN", "GOOGL", "META", "NFLX", "AVGO", "INTC"),
    *("MU", "PLTR", "COIN", "MSTR", "JPM", "BAC", "GS", "XOM", "CVX", "WMT", "COST", "DIS"),
    *("BA", "UNH", "JNJ", "V"),
)

LIVE_S = 30.0
WARM_UP_S = 1.0

DRAIN_S = 3.0
"""What was sent in the measured time and is not published by then counts as lost."""

SAMPLED_SYMBOLS = 4
SENT_ROWS = 20_000

Values = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]


class Ingest(msgspec.Struct, frozen=True):
    """What came through in the measured time; latency from before the frame's write to publish."""

    rows_per_s: float
    published_per_s: float
    cpu_share: float
    waited_share: float
    """How long the process could have run and was not let, for others had its core."""
    cpu_us_each: float
    latencies_us: list[int]
    unmatched: int


async def measure(address: dict[str, Any], moves_per_s: float, seconds: float) -> Ingest:
    """Flood and count."""
    settings = create_settings(address, symbols=SYMBOLS, aggregation_s=0, log_level="WARNING")
    set_up_logging(settings.log_level, settings.secrets)
    context = create_context(settings)
    hub, url = context.hub, address["control"]
    seen: defaultdict[str, list[tuple[Values, int]]] = defaultdict(list)
    publish: Callable[[Record], int] = hub.publish
    is_counting = False
    missing, has_all = set(SYMBOLS), asyncio.Event()

    def publish_and_note(record: Record) -> int:
        seq = publish(record)
        if missing and isinstance(record, QuoteUpdate):
            missing.discard(record.symbol)
            if not missing:
                has_all.set()
        if is_counting and isinstance(record, QuoteUpdate) and record.symbol in sampled:
            values = (record.bid, record.ask, record.bid_size, record.ask_size)
            seen[record.symbol].append((values, time.monotonic_ns()))
        return seq

    sampled = frozenset(SYMBOLS[:SAMPLED_SYMBOLS])
    hub.publish = publish_and_note  # type: ignore[method-assign]
    upstream = asyncio.create_task(
        create_upstream(settings, hub, context.demand).run(), name="upstream"
    )
    async with httpx.AsyncClient(trust_env=False) as control:
        async with asyncio.timeout(LIVE_S):
            await has_all.wait()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        answer = await control.post(f"{url}/market", json={"flood": moves_per_s / len(SYMBOLS)})
        answer.raise_for_status()
        await asyncio.sleep(WARM_UP_S)
        sent = await count_sent(control, url)
        before, begun_s, cpu_s = hub.published, time.monotonic(), time.process_time()
        waited = waited_s([os.getpid()])
        is_counting = True
        await asyncio.sleep(seconds)
        ended_ns = time.monotonic_ns()
        took_s, cpu_s = time.monotonic() - begun_s, time.process_time() - cpu_s
        waited = waited_s([os.getpid()]) - waited
        published = hub.published - before
        sent = await count_sent(control, url) - sent
        (await control.post(f"{url}/market", json={"flood": 0})).raise_for_status()
        await asyncio.sleep(DRAIN_S)
        is_counting = False
        latencies: list[int] = []
        unmatched = 0
        for symbol in sorted(sampled):
            rows = (
                await control.get(f"{url}/sent?type=Quote&symbol={symbol}&limit={SENT_ROWS}")
            ).json()
            found, missed = match(rows, seen[symbol], int(begun_s * 1e9), ended_ns)
            latencies += found
            unmatched += missed
    upstream.cancel()
    await asyncio.gather(upstream, return_exceptions=True)
    return Ingest(
        sent / took_s,
        published / took_s,
        cpu_s / took_s,
        waited / took_s,
        cpu_s / max(1, published) * 1e6,
        latencies,
        unmatched,
    )


async def count_sent(control: httpx.AsyncClient, url: str) -> int:
    """How many rows the simulator has sent since it started."""
    state = (await control.get(url)).json()
    return int(state["counters"].get("rows_sent", 0))


def match(
    rows: list[dict[str, Any]], seen: list[tuple[Values, int]], begun_ns: int, ended_ns: int
) -> tuple[list[int], int]:
    """Microseconds from sending to publishing, and how many sent rows were not seen.

    Both are in order, so each row is the first like it behind the one matched before. Only rows
    that were sent in the measured time are looked for.
    """
    latencies: list[int] = []
    unmatched, place = 0, 0
    for row in rows:
        sent_ns = int(row["sent_ns"])
        if not begun_ns <= sent_ns <= ended_ns:
            continue
        wanted = tuple(
            None if row[name] in {None, "NaN"} else Decimal(str(row[name]))
            for name in ("bidPrice", "askPrice", "bidSize", "askSize")
        )
        ahead = place
        while ahead < len(seen) and not (seen[ahead][0] == wanted and seen[ahead][1] >= sent_ns):
            ahead += 1
        if ahead < len(seen):
            latencies.append((seen[ahead][1] - sent_ns) // 1000)
            place = ahead + 1
        else:
            unmatched += 1
    return latencies, unmatched


def main() -> None:
    """Measure once."""
    logging.captureWarnings(True)
    address: dict[str, Any] = msgspec.json.decode(sys.argv[1])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(address, float(sys.argv[2]), float(sys.argv[3])))
    tell(found)


if __name__ == "__main__":
    main()
