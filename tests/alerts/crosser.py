"""A process whose price crosses the threshold of an alert until it is killed.

It says each firing that it has published, but not those of processes before it. Its argument: the
state folder.
"""

import asyncio
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from gateway.alerts.watcher import AlertWatcher
from gateway.clock import SYSTEM_CLOCK
from gateway.settings import StoreSettings
from gateway.store.store import Store
from gateway.streams.alert_records import AlertUpdate
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import Record
from gateway.streams.topics import Owner, Topic
from tests.streams.samples import make_quote

OWNER = "ann"
ID = "a1"
TOPIC = Topic("alert", Owner(viewer=OWNER), ID)


async def main(folder: str) -> None:
    store = Store(StoreSettings(Path(folder)), timeout_s=30)
    hub = Hub(epoch="e")
    demand = Demand(now_s=SYSTEM_CLOCK.monotonic_s)
    watcher = AlertWatcher(store, hub, demand, clock=SYSTEM_CLOCK)
    running = asyncio.create_task(watcher.run())
    prices: Iterator[str] = cycle(("90", "110"))
    said: int | None = None
    while not running.done():
        hub.publish(make_quote("SPY", next(prices), market="open"))
        await asyncio.sleep(0)
        known: Record | None = hub.latest(TOPIC)
        if not isinstance(known, AlertUpdate):
            continue
        if said is None:
            said = known.fired_arm or 0  # what the process before this one has kept
        elif (known.fired_arm or 0) > said:
            said = known.fired_arm
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
