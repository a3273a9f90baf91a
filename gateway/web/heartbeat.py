"""Signs of life: the heartbeat that every stream carries, and how late the event loop runs."""

import asyncio
import time

from gateway.streams.records import Heartbeat
from gateway.web.state import Context

LAG_SAMPLE_S = 0.25
LAG_MEMORY = 60
"""Samples that the lag is the worst of: 15 s, about the interval of a scrape."""


async def beat(context: Context) -> None:
    """Publish a heartbeat every `heartbeat_s`, until cancelled.

    A real event, because comments are invisible to a browser, and often enough for every proxy
    that closes idle connections (nginx and load balancers: 60 s, Heroku: 55 s).
    """
    while True:
        await asyncio.sleep(context.settings.heartbeat_s)
        context.hub.publish(Heartbeat(timestamp=time.time_ns() // 1_000_000))


async def measure_lag(context: Context) -> None:
    """Keep `context.loop_lag_s` the longest that the loop was late of late, until cancelled."""
    samples = [0.0] * LAG_MEMORY
    turn = 0
    while True:
        begun_s = time.monotonic()
        await asyncio.sleep(LAG_SAMPLE_S)
        samples[turn % LAG_MEMORY] = max(0.0, time.monotonic() - begun_s - LAG_SAMPLE_S)
        turn += 1
        context.loop_lag_s = max(samples)
