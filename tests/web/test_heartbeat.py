"""The heartbeat on a real stream, and the lag of a loop that was blocked."""

import asyncio
import time

import pytest

from gateway.app import create_context
from gateway.web import heartbeat as pulse
from tests.waiting import eventually
from tests.web.running import Reader, make_settings, open_gateway


def test_every_stream_has_a_heartbeat() -> None:
    with open_gateway(make_settings(heartbeat_s=0.1)) as gateway:
        with Reader(gateway.port, "/events?symbols=NONE&types=trade_update") as reader:
            frames = reader.read_until("heartbeat", 2)
        beats = [each for each in frames if each.event == "heartbeat"]
        assert all(each.id is None for each in beats)
        age_ms = time.time_ns() // 1_000_000 - beats[-1].data["timestamp"]
        assert 0 <= age_ms < 10_000
        assert gateway.context.hub.age_s is None, "a heartbeat is no news"


@pytest.mark.fault(30)
async def test_a_blocked_loop_shows_as_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "LAG_SAMPLE_S", 0.01)
    context = create_context(make_settings())
    task = asyncio.create_task(pulse.measure_lag(context))
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251
    await eventually(lambda: context.loop_lag_s > 0.05)
    await eventually(lambda: context.loop_lag_s < 0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
