"""A feed whose socket is open and silent: told in time, left in time, and never without reason."""

import re
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from gateway.streams.upstream.liquidity import BUSY_S
from tests.faults.observer import Observer, live_after, observe
from tests.faults.trial import Trial
from tests.processes import Gateway, open_served
from tests.simulation import Simulator, open_simulator
from tests.streams.upstream.market import UNIVERSE
from tests.waiting import eventually_sync, scaled
from tests.web.running import get

SYMBOLS = ("SPY", "QQQ", "SPX")
STALE_S = 5.0
LEFT_S = 10.0
LEFT_WITHOUT_FRAME_S = 35.0


def find_stream(gateway: Gateway) -> str:
    """Where the page that this gateway serves gets its updates."""
    found = re.search(r'hx-sse:connect="([^"]+)"', get(gateway.url + "/").text)
    assert found
    return found[1].replace("&amp;", "&")


def is_live(observer: Observer) -> bool:
    return all(observer.is_live(symbol) for symbol in SYMBOLS)


def count_connects(gateway: Gateway) -> int:
    connects: int = get(gateway.url + "/status").json()["upstream"]["feed"]["connects"]
    return connects


@pytest.mark.fault(1)
@pytest.mark.long
@pytest.mark.timeout(scaled(240))
def test_a_silent_feed_is_told_then_left(trial: Trial) -> None:
    """
    1. Four gateways, each with a reader of `/events` and a reader of its page.
    2. At a random instant all their feed sockets fall silent, keepalives included; new ones work.
    Result: within 5 s no price is live in the stream, and the page says so; within 10 s each
    gateway has begun to reconnect, and is live again with nobody's help.
    """
    stale_s: list[float] = []
    page_s: list[float] = []
    left_s: list[float] = []
    rounds = trial.count(1, 5)
    with ExitStack() as stack:
        check_closed = begin_closed(stack, trial)
        simulator = stack.enter_context(open_simulator("--rate", "2"))
        gateways = [stack.enter_context(open_served(simulator)) for _ in range(4)]
        streams = [stack.enter_context(observe(each.port, "/events")) for each in gateways]
        pages = [stack.enter_context(observe(each.port, find_stream(each))) for each in gateways]
        for turn in range(rounds):
            eventually_sync(lambda: all(map(is_live, streams)), 15)
            time.sleep(trial.rng.uniform(0.5, 1.5))
            muted_ns = time.monotonic_ns()
            simulator.control_sync("mute", scope="current")
            for stream, page in zip(streams, pages, strict=True):
                left = stream.wait_for_words("; reconnecting", muted_ns, 20)
                told = page.wait_for_words('data-state="stale"', muted_ns)
                page_s.append((told.at_ns - muted_ns) / 1e9)
                left_s.append((left.at_ns - muted_ns) / 1e9)
                for symbol in SYMBOLS:
                    screen = [e for e in stream.painted(symbol) if e.at_ns <= left.at_ns]
                    stale_s.append(live_after(screen, muted_ns))
            eventually_sync(lambda: all(map(is_live, streams)), 15)
            assert [count_connects(each) for each in gateways] == [turn + 2] * 4
        for stream in streams:
            stream.check_ids()
        check_closed()
    trial.tell(f"{len(left_s)} of {rounds * 4} silences told and left")
    trial.measure("live for", stale_s, STALE_S)
    trial.measure("page `stale` after", page_s, STALE_S)
    trial.measure("reconnecting after", left_s, LEFT_S)


@pytest.mark.fault(1)
@pytest.mark.long
@pytest.mark.timeout(scaled(120))
def test_quotes_alone_fall_silent(trial: Trial) -> None:
    """
    1. A gateway is live; a reader of `/events`.
    2. Quotes come no more, neither here nor on a new connection; trades and all else go on.
    Result: within 5 s nothing that has quotes is live, within 10 s the gateway has begun to
    reconnect, and while quotes are lost no bid of before is shown as live.
    3. Quotes come again: live.
    """
    with (
        open_simulator("--rate", "5") as simulator,
        open_served(simulator) as gateway,
        observe(gateway.port, "/events") as stream,
    ):
        eventually_sync(lambda: is_live(stream), 15)
        muted_ns = time.monotonic_ns()
        simulator.control_sync("mute", types=["Quote"])
        left = stream.wait_for_words("; reconnecting", muted_ns, 20)
        screen = [each for each in stream.painted("SPY") if each.at_ns <= left.at_ns]
        eventually_sync(lambda: count_connects(gateway) >= 3, 60)
        after = [each for each in stream.painted("SPY") if each.at_ns > left.at_ns]
        assert not [each for each in after if each.is_live and each.bid is not None]
        simulator.control_sync("unmute")
        eventually_sync(lambda: is_live(stream), 30)
    trial.measure("without quotes live for", [live_after(screen, muted_ns)], STALE_S)
    trial.measure("without quotes reconnecting after", [(left.at_ns - muted_ns) / 1e9], LEFT_S)


def begin_closed(stack: ExitStack, trial: Trial) -> Callable[[], None]:
    """Begin what takes half a minute, to be checked at the end of it.

    1. Two gateways that hold the market for closed, at feeds that send until then.
    2. One feed falls silent, keepalives included; the other keeps its keepalives.
    Result: the first is left within 35 s, the second never; neither ever says `stale` before, and
    the prices of the second stay what they are: the last of the day.
    """
    simulators = [stack.enter_context(open_simulator("--rate", "2")) for _ in range(2)]
    gateways = [
        stack.enter_context(open_served(each, GATEWAY_MARKET="closed")) for each in simulators
    ]
    streams = [stack.enter_context(observe(each.port, "/events")) for each in gateways]
    dead, quiet = streams
    eventually_sync(lambda: all(map(is_live, streams)), 15)
    muted_ns = time.monotonic_ns()
    mute(simulators[0], keepalive=False)
    mute(simulators[1], keepalive=True)

    def check() -> None:
        left = dead.wait_for_words("; reconnecting", muted_ns, 60)
        for stream in streams:
            told = [
                each.data["state"]
                for each in stream.seen
                if each.kind == "status"
                and each.data["upstream"] == "feed"
                and muted_ns < each.at_ns < left.at_ns
            ]
            assert told == ["closed"]
        assert not any(each.data["stale"] for each in quiet.seen if each.kind == "quote_update")
        assert count_connects(gateways[1]) == 1
        eventually_sync(lambda: count_connects(gateways[0]) >= 2, 15)
        trial.tell("closed market: no false alarm in more than 35 s of silence")
        left_s = (left.at_ns - muted_ns) / 1e9
        trial.measure("reconnecting without a frame after", [left_s], LEFT_WITHOUT_FRAME_S)

    return check


def mute(simulator: Simulator, *, keepalive: bool) -> None:
    """Let the feed's open sockets fall silent."""
    simulator.control_sync("mute", keepalive=keepalive, scope="all" if keepalive else "current")


@pytest.mark.fault(49)
@pytest.mark.long
@pytest.mark.timeout(scaled(900))
def test_one_market_is_frozen_for_ten_minutes(trial: Trial) -> None:
    """
    1. Two gateways; one knows its markets for 75 s, the other has just connected.
    2. The future freezes for ten minutes, the rest goes on.
    Result: its price is stale in time at both, no other price ever is, one connection more is
    tried; live again as soon as it moves.
    """
    future = next(each for each in UNIVERSE.instruments if each.startswith("/ES"))
    others = ("SPY", "AAPL", "BTC/USD:CXTALP")
    symbols = ",".join((*others, future))
    frozen_s = 600
    with ExitStack() as stack:
        simulator = stack.enter_context(open_simulator("--rate", "4"))

        def open_gateway() -> tuple[Gateway, Observer]:
            served = open_served(simulator, GATEWAY_SYMBOLS=symbols)
            gateway = stack.enter_context(served)
            stream = stack.enter_context(observe(gateway.port, "/events"))
            eventually_sync(lambda: all(map(stream.is_live, (*others, future))), 15)
            return gateway, stream

        known = open_gateway()
        time.sleep(75)
        young = open_gateway()
        frozen_ns = time.monotonic_ns()
        simulator.control_sync("freeze", symbols=[future])
        eventually_sync(lambda: not any(stream.is_live(future) for _, stream in (known, young)), 25)
        time.sleep(max(0.0, frozen_s - (time.monotonic_ns() - frozen_ns) / 1e9))
        live_s = [live_after(stream.painted(future), frozen_ns) for _, stream in (known, young)]
        connects = [count_connects(gateway) for gateway, _ in (known, young)]
        assert connects == [2, 2], "one connection as a try"
        for _, stream in (known, young):
            for symbol in others:
                assert stream.is_live(symbol)
                told = [e for e in stream.painted(symbol) if e.at_ns > frozen_ns]
                assert told
                assert all(each.is_live for each in told), f"{symbol} was disturbed"
            stream.check_ids()
        simulator.control_sync("freeze", symbols=[future], frozen=False)
        eventually_sync(lambda: all(s.is_live(future) for _, s in (known, young)), 10)
        assert [count_connects(gateway) for gateway, _ in (known, young)] == [2, 2]
    trial.tell(f"a market frozen for {frozen_s} s: connects 2 and 2, no other price stale")
    trial.measure("the frozen price live for, known for 75 s", live_s[:1], STALE_S)
    trial.measure("the frozen price live for, just connected", live_s[1:], BUSY_S + 2)
