"""The hub keeps its promises in whatever order things happen; time is virtual throughout."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.hub.hub import Hub, Mode, opening
from gateway.streams.hub.subscription import subscription_for
from gateway.streams.records import (
    Heartbeat,
    Record,
)
from gateway.streams.topics import (
    TopicPattern,
    balance_topic,
    grant_accounts,
    market_topic,
    status_topic,
)
from tests.streams.hub.hubs import ACCOUNTS, EPOCH, everything, make_hub, parse_frames, turn
from tests.streams.pulling import Puller
from tests.streams.samples import make_balance, make_quote, make_status
from tests.streams.virtual_time import run


def test_a_chunk_ends_where_the_flush_did() -> None:
    async def scenario() -> None:
        hub = make_hub(tick_s=10.0)
        subscriber = Puller(hub, everything())
        hub.publish(make_quote("SPY", 1))
        hub.flush()
        hub.publish(make_quote("SPY", 2))
        for expected in (1, 2):
            chunk = await subscriber.read()
            assert chunk
            assert [seq for seq, _ in parse_frames(chunk)] == [expected]
            assert subscriber.cursor == expected
        subscriber.close()

    run(scenario())


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_quiet_symbol_beside_busy_ones_has_no_gap(is_waiting: bool) -> None:
    async def scenario() -> None:
        hub = make_hub(history_events=4)
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]))
        reading = asyncio.create_task(subscriber.read()) if is_waiting else None
        await turn()
        for number in range(40):
            hub.publish(make_quote("QQQ", number))
            await asyncio.sleep(0.5)
        hub.publish(make_quote("SPY", 1))
        chunk = await (reading or subscriber.read())
        assert chunk
        assert [(seq, body["symbol"]) for seq, body in parse_frames(chunk)] == [(41, "SPY")]
        assert hub.conflated == 0
        subscriber.close()

    run(scenario())


def test_a_burst_larger_than_history_within_one_tick_hides_nothing() -> None:
    async def scenario() -> None:
        hub = make_hub(history_events=4)
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]))
        reading = asyncio.create_task(subscriber.read())
        await turn()
        hub.publish(make_quote("SPY", 1))
        for number in range(40):
            hub.publish(make_quote("QQQ", number))
        chunk = await reading
        assert chunk
        assert [seq for seq, _ in parse_frames(chunk)] == [1]
        # The next burst has nothing for this reader: it is woken in vain and goes on waiting.
        reading = asyncio.create_task(subscriber.read())
        for number in range(40):
            hub.publish(make_quote("QQQ", number))
        await asyncio.sleep(1)
        assert not reading.done()
        hub.publish(make_quote("SPY", 2))
        chunk = await reading
        assert chunk
        assert [seq for seq, _ in parse_frames(chunk)] == [82]
        subscriber.close()

    run(scenario())


def test_a_reader_is_not_slow_because_others_symbols_are_old() -> None:
    async def scenario() -> None:
        hub = make_hub(max_lag_s=2.0)
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]))
        hub.publish(make_quote("QQQ", 1))
        await asyncio.sleep(10)
        hub.publish(make_quote("SPY", 1))
        hub.publish(make_quote("SPY", 2))
        await turn()
        chunk = await subscriber.read()
        assert chunk
        assert [seq for seq, _ in parse_frames(chunk)] == [2, 3]
        subscriber.close()

    run(scenario())


def test_a_missed_heartbeat_is_no_gap() -> None:
    async def scenario() -> None:
        hub = make_hub(max_lag_s=2.0)
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]))
        for number in range(4):
            hub.publish(Heartbeat(timestamp=number))
            await asyncio.sleep(15)
        chunk = await subscriber.read()
        assert chunk
        assert [body["timestamp"] for _, body in parse_frames(chunk)] == [3]
        subscriber.close()

    run(scenario())


def test_what_was_forgotten_unread_is_a_gap_when_history_rolled_over() -> None:
    async def scenario() -> None:
        hub = make_hub(history_events=4)
        subscriber = Puller(hub, everything())
        hub.publish(make_quote("SPY", 1))
        hub.forget(["SPY", "never seen"])
        for number in range(10):
            hub.publish(make_quote(f"S{number}", number))
        await turn()
        chunk = await subscriber.read()
        assert chunk
        (_, gap), *frames = parse_frames(chunk)
        assert gap["skipped"] is None
        assert [seq for seq, _ in frames] == list(range(2, 12))
        subscriber.close()

    run(scenario())


def test_rate_spaces_updates_and_keeps_the_last_of_a_burst() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        hub = make_hub()
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]), rate=4)
        got = []

        async def read() -> None:
            while chunk := await subscriber.read():
                got.append((loop.time(), [body["last"] for _, body in parse_frames(chunk)]))

        reading = asyncio.create_task(read())
        await turn()
        for number in range(100):
            hub.publish(make_quote("SPY", number))
            await asyncio.sleep(0.013)
        await asyncio.sleep(1)
        assert all(len(values) == 1 for _, values in got)
        times = [at_s for at_s, _ in got]
        assert all(b - a >= 0.25 - 1e-9 for a, b in pairwise(times))
        assert 5 <= len(got) <= 7
        assert got[0][1] == [0]
        assert got[-1][1] == [99]
        hub.close("over")
        await reading
        subscriber.close()

    run(scenario())


def test_rate_holds_up_neither_heartbeat_nor_status() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        hub = make_hub()
        subscriber = Puller(hub, subscription_for(symbols=["SPY"]), rate=0.01)
        hub.publish(make_quote("SPY", 1))
        hub.publish(make_status("feed", "1"))
        chunk = await subscriber.read()
        assert chunk
        assert [body["type"] for _, body in parse_frames(chunk)] == ["quote_update", "status"]
        begin_s = loop.time()
        hub.publish(make_quote("SPY", 2))
        hub.publish(make_status("feed", "2"))
        chunk = await subscriber.read()
        assert chunk
        assert [body.get("reason") for _, body in parse_frames(chunk)] == ["2"]
        assert loop.time() - begin_s < 0.3
        for number in range(3):
            await asyncio.sleep(15)
            hub.publish(Heartbeat(timestamp=number))
            chunk = await subscriber.read()
            assert chunk
            assert [body["timestamp"] for _, body in parse_frames(chunk)] == [number]
        chunk = await subscriber.read()  # what was told is not told again
        assert chunk
        assert [(seq, body["last"]) for seq, body in parse_frames(chunk)] == [(3, 2)]
        assert loop.time() - begin_s == pytest.approx(100, abs=0.3)
        subscriber.close()

    run(scenario())


def test_a_gap_reaches_all_who_follow_and_nobody_later() -> None:
    async def scenario() -> None:
        clock = Clock(monotonic_s=asyncio.get_running_loop().time)
        hub = FollowerHub(history_events=8, clock=clock)
        quick = Puller(hub, subscription_for(symbols=["SPY"]))
        rated = Puller(hub, subscription_for(symbols=["SPY"]), rate=0.01)
        slow = Puller(hub, subscription_for(symbols=["QQQ"]))
        hub.publish(make_quote("SPY", 1))
        assert await quick.read()
        assert await rated.read()
        hub.publish_gap("backplane")
        hub.publish(make_quote("SPY", 2))
        gap = b'event: gap\ndata: {"type":"gap","skipped":null,"reason":"backplane"}\n\n'
        chunk = await quick.read()
        assert chunk is not None
        assert chunk.startswith(gap)
        assert chunk.count(b"event: ") == 2
        assert await rated.read() == gap
        assert [each.topic.kind for each in hub.snapshot(everything())] == ["quote_update"]
        # Whoever has fallen out of the history has missed it, and is told that it missed something.
        for number in range(40):
            hub.publish(make_quote("SPY", number))
        hub.publish(make_quote("QQQ", 1))
        hub.flush()
        slow.subscriber.cursor = 0
        chunk = await slow.read()
        assert chunk is not None
        assert b'"skipped":null,"reason":"slow"' in chunk
        for each in (quick, rated, slow):
            each.close()

    run(scenario())


def test_the_first_event_goes_out_at_once_and_a_burst_waits_for_the_tick() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        hub = make_hub(tick_s=0.05)
        subscriber = Puller(hub, everything())
        begin_s = loop.time()
        hub.publish(make_quote("SPY", 1))
        assert await subscriber.read()
        assert loop.time() == begin_s
        hub.publish(make_quote("SPY", 2))
        hub.publish(make_quote("SPY", 3))
        chunk = await subscriber.read()
        assert chunk
        assert [seq for seq, _ in parse_frames(chunk)] == [2, 3]
        assert loop.time() - begin_s == pytest.approx(0.05)
        subscriber.close()

    run(scenario())


def test_what_is_published_before_the_loop_runs_is_not_lost() -> None:
    hub = Hub(epoch=EPOCH, tick_s=0.0)
    hub.publish(make_quote("SPY", 1))

    async def scenario() -> None:
        subscriber = Puller(hub, everything(), after=0)
        hub.publish(make_quote("SPY", 2))
        chunk = await subscriber.read()
        assert chunk
        assert [seq for seq, _ in parse_frames(chunk)] == [1, 2]
        subscriber.close()

    run(scenario())


def test_age_is_that_of_the_newest_data() -> None:
    now_s = 100.0
    hub = Hub(epoch=EPOCH, clock=Clock(monotonic_s=lambda: now_s))
    hub.publish(make_status())
    hub.publish(Heartbeat(timestamp=1))
    assert hub.age_s is None
    hub.publish(make_quote())
    now_s = 107.0
    hub.publish(Heartbeat(timestamp=2))
    assert hub.age_s == 7.0


def test_look_ups() -> None:
    hub = Hub(epoch=EPOCH)
    assert hub.last_event_id == "k3f9-0"
    assert hub.latest(market_topic("quote_update", "SPY")) is None
    records: list[Record] = [
        make_balance("B"),
        make_status("feed"),
        make_balance("A"),
        make_quote(),
        Heartbeat(timestamp=1),
    ]
    for record in records:
        hub.publish(record)
    assert hub.latest(market_topic("quote_update", "SPY")) is records[3]
    assert hub.latest(Heartbeat.topic) is None
    assert (hub.keys, hub.history) == (4, 5)
    assert hub.balances() == [records[2], records[0]]
    assert hub.statuses() == [records[1]]
    assert hub.last_event_id == "k3f9-5"
    assert [each.record for each in hub.snapshot(everything())] == [
        records[1],
        records[0],
        records[2],
        records[3],
    ]


@pytest.mark.fault(10)
@given(
    st.text(max_size=70)
    | st.from_regex(r"(k3f9|zzzz)-[0-9]{1,3}", fullmatch=True)
    | st.sampled_from(["", "k3f9", "k3f9-", "k3f9-1\n", "k3f9--1", "k3f9-1\0", "x" * 10_240])
)
def test_a_forged_id_leads_to_a_snapshot_or_to_the_exact_rest(last_event_id: str) -> None:
    hub = Hub(epoch=EPOCH)
    for number in range(1, 6):
        hub.publish(make_quote(f"S{number}", number))
    hub.forget(["S1"])
    hub.publish(make_quote("S6", 6))
    hub.publish(make_quote("S7", 7))
    mode: Mode
    mode, entries, cursor = opening(hub, everything(), last_event_id)
    provable = {f"k3f9-{seq}": seq for seq in (6, 7)}
    seq = provable.get(last_event_id)
    assert mode == ("snapshot" if seq is None else "resume")
    assert [each.seq for each in entries] == [each for each in range(2, 8) if each > (seq or 0)]
    assert cursor == 7


@pytest.mark.fault(10)
def test_nothing_is_provable_right_after_something_was_forgotten() -> None:
    hub = Hub(epoch=EPOCH)
    hub.publish(make_quote("SPY", 1))
    before = hub.last_event_id
    assert hub.changed_since(before, everything()) == []
    hub.forget(["QQQ"])
    assert hub.changed_since(before, everything()) == []
    hub.forget(["SPY"])
    # This client may hold the record that is known no more.
    assert hub.changed_since(before, everything()) is None
    hub.publish(make_quote("QQQ", 1))
    assert hub.changed_since(before, everything()) is None
    assert hub.changed_since(hub.last_event_id, everything()) == []


def test_topics_with_an_owner_are_found_as_they_come_and_go() -> None:
    hub = Hub(epoch=EPOCH)
    balances = TopicPattern("balance_update")
    seen = hub.owned_version
    for record in (make_quote("SPY", 1), make_status("feed"), make_status("session")):
        hub.publish(record)
    assert hub.owned_version == seen + 1
    hub.publish(make_balance(ACCOUNTS[1]))
    hub.publish(make_balance(ACCOUNTS[0], login="ann"))
    seen = hub.owned_version
    hub.publish(make_balance(ACCOUNTS[1], 2))
    assert hub.owned_version == seen, "a newer record is no other topic"
    hers, his = balance_topic(ACCOUNTS[0], "ann"), balance_topic(ACCOUNTS[1])
    assert hub.find_topics(balances, None) == [hers, his]
    assert hub.find_topics(balances, grant_accounts(None)) == [his]
    assert hub.find_topics(TopicPattern("balance_update", frozenset({"9"})), None) == []
    assert hub.find_topics(TopicPattern("status"), None) == [status_topic("session")]
    assert hub.find_topics(TopicPattern("order_update"), None) == []
    hub.forget_topics([hers, hers, balance_topic("9")])
    assert hub.owned_version == seen + 1
    assert hub.find_topics(balances, None) == [his]


def test_memory_is_bounded_by_history_and_keys() -> None:
    async def scenario() -> None:
        hub = make_hub(history_events=16)
        stalled = [Puller(hub, everything()) for _ in range(50)]
        busy = Puller(hub, subscription_for(symbols=["SPY"]))
        for number in range(2_000):
            hub.publish(make_quote(f"S{number}", number))
            hub.publish(make_quote("SPY", number))
            hub.forget([f"S{number}"])
            assert await busy.read()
            assert len(hub._log._ring) < 32
            assert len(hub._log.latest) == 1
            assert all(len(each.chunks) <= 1 for each in hub._groups.values())
        for each in [*stalled, busy]:
            each.close()
        assert not hub._groups

    run(scenario())
