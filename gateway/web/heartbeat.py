"""Signs of life: the heartbeat that every stream carries, and how late the event loop runs."""

import asyncio

from gateway.streams.records import Heartbeat
from gateway.web.state import AppState

LAG_SAMPLE_S = 0.25
LAG_MEMORY = 60
"""Samples that the lag is the worst of: 15 s, about the interval of a scrape."""


async def publish_heartbeats(state: AppState) -> None:
    """Publish a heartbeat every `heartbeat_s`, until cancelled.

    A real event, because comments are invisible to a browser, and often enough for every proxy
    that closes idle connections (nginx and load balancers: 60 s, Heroku: 55 s).
    """
    while True:
        await asyncio.sleep(state.limits.heartbeat_s)
        state.hub.publish(Heartbeat(timestamp=state.clock.now_ms()))


async def measure_lag(state: AppState) -> None:
    """Keep `state.loop_lag_s` the longest delay of the recent samples, until cancelled."""
    samples = [0.0] * LAG_MEMORY
    turn = 0
    while True:
        begun_s = state.clock.monotonic_s()
        await asyncio.sleep(LAG_SAMPLE_S)
        samples[turn % LAG_MEMORY] = max(0.0, state.clock.monotonic_s() - begun_s - LAG_SAMPLE_S)
        turn += 1
        state.loop_lag_s = max(samples)
