"""Who is written to and who reads: woken, ended and cancelled without a trace."""

import asyncio

import pytest

from gateway.streams.hub.subscription import subscription_for
from tests.streams.hub.hubs import everything, make_hub, parse_frames, turn
from tests.streams.pulling import Puller
from tests.streams.samples import make_quote
from tests.streams.virtual_time import run


def test_a_slow_reader_gets_the_newest_and_is_told_how_many_it_missed() -> None:
    async def scenario() -> None:
        hub = make_hub(max_lag_s=2.0)
        slow = Puller(hub, subscription_for(symbols=["SPY", "QQQ"]))
        for number in range(5):
            hub.publish(make_quote("SPY", number))
            hub.publish(make_quote("/ESZ26:XCME", number))
        hub.publish(make_quote("QQQ", 7))
        await asyncio.sleep(2.5)
        hub.publish(make_quote("SPY", 6))
        await turn()
        chunk = await slow.read()
        assert chunk
        (_, gap), *frames = parse_frames(chunk)
        assert gap == {"type": "gap", "skipped": 5, "reason": "slow"}
        assert [(seq, body["last"]) for seq, body in frames] == [(11, 7), (12, 6)]
        assert hub.conflated == 5
        slow.close()

    run(scenario())


@pytest.mark.parametrize("is_behind", [True, False])
@pytest.mark.parametrize("rate", [None, 0.01])
def test_close_ends_every_read_at_once(rate: float | None, is_behind: bool) -> None:
    async def scenario() -> None:
        hub = make_hub()
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]), rate=rate)
        hub.publish(make_quote("SPY", 1))
        assert await subscriber.read()
        if is_behind:
            hub.publish(make_quote("SPY", 2))
            if not rate:
                assert await subscriber.read()
        reading = asyncio.create_task(subscriber.read())
        entries = Puller(hub, everything())
        waiting = asyncio.create_task(entries.read())
        await asyncio.sleep(1)
        hub.close("shutdown")
        async with asyncio.timeout(0.3):
            assert await reading is None
            assert await waiting is None
        late = Puller(hub, everything())
        assert await late.read() is None
        assert await late.read() is None
        for each in (subscriber, entries, late):
            each.close()
        assert hub.subscribers == 0

    run(scenario())


@pytest.mark.parametrize("rate", [None, 0.01])
def test_closing_one_ends_its_read_and_no_other(rate: float | None) -> None:
    async def scenario() -> None:
        hub = make_hub()
        one, two, three = (Puller(hub, everything(), rate=rate) for _ in range(3))
        reading = [asyncio.create_task(one.read()), asyncio.create_task(two.read())]
        waiting = asyncio.create_task(three.read())
        await turn()
        one.close()
        async with asyncio.timeout(0.3):
            assert await reading[0] is None
        await turn()
        assert not reading[1].done()
        assert not waiting.done()
        hub.publish(make_quote("SPY", 1))
        assert await reading[1]
        assert await waiting
        for each in (two, three):
            each.close()
        assert await two.read() is None
        assert not hub._groups

    run(scenario())


def test_a_cancelled_reader_neither_wakes_nor_ends_the_others() -> None:
    async def scenario() -> None:
        hub = make_hub()
        subscribers = [Puller(hub, everything()) for _ in range(3)]
        first, second, third = (asyncio.create_task(each.read()) for each in subscribers)
        await turn()
        first.cancel()
        await turn()
        assert first.cancelled()
        assert not second.done()
        assert not third.done()
        hub.publish(make_quote("SPY", 1))
        assert await second is await third
        # It can read again, as after a time-out, and has missed nothing.
        assert await subscribers[0].read() == second.result()
        for each in subscribers:
            each.close()
        assert hub.subscribers == 0
        assert not hub._groups

    run(scenario())
