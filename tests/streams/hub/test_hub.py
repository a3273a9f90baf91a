"""The hub keeps its promises in whatever order things happen; time is virtual throughout."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.clock import Clock
from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.hub.hub import Hub, Mode, opening
from gateway.streams.hub.position import StreamPosition, count_data, parse_event_id
from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.records import (
    DATA_TYPES,
    MARKET_TYPES,
    Heartbeat,
    MarketRecord,
    Record,
    Upstream,
    encode,
)
from gateway.streams.topics import (
    ANY_ACCOUNT,
    MAIN_LOGIN,
    NOBODY,
    Owner,
    Topic,
    TopicPattern,
    balance_topic,
    grant_accounts,
    market_topic,
    status_topic,
)
from tests.faults.trial import Trial
from tests.sse import parse
from tests.streams.pulling import Puller
from tests.streams.samples import make_balance, make_quote, make_status, make_trade, topic_of
from tests.streams.virtual_time import VirtualLoop, run
from tests.waiting import scaled

EPOCH = "k3f9"
SYMBOLS = ["SPY", "QQQ", "/ESZ26:XCME", ".SPY261218C600"]
ACCOUNTS = ["5WX00001", "5WX00002"]
LOGINS = [MAIN_LOGIN, "ann"]
"""Both have accounts of the same numbers."""
OWNERS = [Owner(login, each) for login in LOGINS for each in ("", ANY_ACCOUNT, *ACCOUNTS)]
"""What may be granted: a login, all its accounts, or one of them."""
CONTROL = {"status", "heartbeat"}


def make_hub(**options: Any) -> Hub:
    clock = Clock(monotonic_s=asyncio.get_running_loop().time)
    return Hub(epoch=EPOCH, clock=clock, **options)


def everything() -> Subscription:
    return subscription_for(types=DATA_TYPES)


def parse_frames(chunk: bytes) -> list[tuple[int | None, dict[str, Any]]]:
    """Sequence (None without an id) and JSON of each frame; event name and type agree."""
    found = []
    for event in parse(chunk):
        body = json.loads(event.data, parse_float=Decimal)
        assert event.event == body["type"]
        parsed = None if event.id is None else parse_event_id(event.id)
        assert (event.id is None) == (parsed is None)
        assert parsed is None or parsed[0] == EPOCH
        found.append((parsed[1] if parsed else None, body))
    return found


def as_json(record: Any) -> dict[str, Any]:
    return json.loads(encode(record), parse_float=Decimal)  # type: ignore[no-any-return]


async def turn(times: int = 5) -> None:
    """Let everything run that is ready."""
    for _ in range(times):
        await asyncio.sleep(0)


@dataclass(eq=False)
class Reader:
    """A client and all that it was told, checked against what was published."""

    subscriber: Puller
    subscription: Subscription
    rate: float | None
    position: int
    state: dict[Topic, dict[str, Any]]
    task: asyncio.Task[bytes | None] | None = None
    told: int = 0
    last_data_s: float = float("-inf")


class HubMachine(RuleBasedStateMachine):
    """Clients come, read, stall, break off and come back while anything is published."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.hub = Hub(
            epoch=EPOCH,
            history_events=4,
            max_lag_s=2.0,
            tick_s=0.01,
            clock=Clock(monotonic_s=self.loop.time),
        )
        self.records: list[Record] = []
        self.forgotten: dict[Topic, int] = {}
        self.forgotten_at = 0
        self.readers: list[Reader] = []
        self.lost: list[tuple[Subscription, str, dict[Topic, dict[str, Any]]]] = []
        self.number = 0

    def run(self, seconds: float = 0.0) -> None:
        async def pass_time() -> None:
            await turn()
            if seconds:
                await asyncio.sleep(seconds)
                await turn()

        self.loop.run_until_complete(pass_time())

    def publish(self, records: Iterable[Record]) -> None:
        async def publish() -> None:
            for record in records:
                self.records.append(record)
                assert self.hub.publish(record) == len(self.records)

        self.loop.run_until_complete(publish())

    def newest(self) -> dict[Topic, tuple[int, Record]]:
        found: dict[Topic, tuple[int, Record]] = {}
        for seq, record in enumerate(self.records, 1):
            if not isinstance(record, Heartbeat) and self.forgotten.get(record.topic, 0) < seq:
                found[record.topic] = (seq, record)
        return found

    # What happens

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.integers(1, 12), is_trade=st.booleans())
    def tick(self, symbol: str, count: int, is_trade: bool) -> None:
        make = make_trade if is_trade else make_quote
        self.number += count
        self.publish(make(symbol, self.number - i) for i in range(count))

    @rule(symbols=st.lists(st.sampled_from(SYMBOLS), max_size=8))
    def mixed_ticks(self, symbols: list[str]) -> None:
        self.number += len(symbols)
        self.publish(make_quote(each, self.number - i) for i, each in enumerate(symbols))

    @rule(account=st.sampled_from(ACCOUNTS), login=st.sampled_from(LOGINS))
    def change_balance(self, account: str, login: str) -> None:
        self.number += 1
        self.publish([make_balance(account, self.number, login)])

    @rule(upstream=st.sampled_from(get_args(Upstream)), login=st.sampled_from(LOGINS))
    def change_status(self, upstream: Upstream, login: str) -> None:
        self.number += 1
        self.publish([make_status(upstream, str(self.number), login)])

    @rule()
    def beat(self) -> None:
        self.number += 1
        self.publish([Heartbeat(timestamp=self.number)])

    @rule(symbols=st.sets(st.sampled_from(SYMBOLS), max_size=2))
    def forget(self, symbols: set[str]) -> None:
        for key, (seq, _) in self.newest().items():
            if key.kind in MARKET_TYPES and key.subject in symbols:
                self.forgotten[key] = seq
                self.forgotten_at = len(self.records)
        self.hub.forget(symbols)

    @rule(account=st.sampled_from(ACCOUNTS), login=st.sampled_from(LOGINS))
    def forget_balance(self, account: str, login: str) -> None:
        """What an account had is gone, and nothing of another account or login."""
        topic = balance_topic(account, login)
        known = self.newest().get(topic)
        if known is not None:
            self.forgotten[topic] = known[0]
            self.forgotten_at = len(self.records)
        self.hub.forget_topics([topic])

    @rule(stale=st.booleans())
    def mark_stale(self, stale: bool) -> None:
        before = self.newest()

        async def mark() -> int:
            return self.hub.mark_stale(stale)

        marked = self.loop.run_until_complete(mark())
        changed = {
            key: msgspec.structs.replace(record, stale=stale)
            for key, (_, record) in before.items()
            if isinstance(record, MarketRecord) and record.stale is not stale
        }
        assert marked == len(changed)
        tail = self.hub.snapshot(everything())[-marked:] if marked else []
        assert {each.topic: each.record for each in tail} == changed
        self.records += [each.record for each in tail]

    @rule()
    def flush(self) -> None:
        async def flush() -> None:
            self.hub.flush()

        self.loop.run_until_complete(flush())

    @rule(seconds=st.sampled_from([0.0, 0.003, 0.02, 0.3, 1.5, 3.0]))
    def wait(self, seconds: float) -> None:
        self.run(seconds)

    # What clients do

    @precondition(lambda self: len(self.readers) < 6)
    @rule(
        types=st.sampled_from([DATA_TYPES, frozenset({"quote_update"}), frozenset[str]()]),
        symbols=st.none() | st.sets(st.sampled_from(SYMBOLS), max_size=2),
        owners=st.none() | st.sets(st.sampled_from(OWNERS), max_size=3),
        rate=st.sampled_from([None, None, 0.4, 5.0]),
    )
    def come(
        self,
        types: frozenset[str],
        symbols: set[str] | None,
        owners: set[Owner] | None,
        rate: float | None,
    ) -> None:
        subscription = subscription_for(types=types, symbols=symbols, owners=owners)
        self.open(subscription, None, {}, rate)

    @precondition(lambda self: self.lost)
    @rule(index=st.integers(0, 100), rate=st.sampled_from([None, 0.4]))
    def come_back(self, index: int, rate: float | None) -> None:
        subscription, event_id, state = self.lost.pop(index % len(self.lost))
        state = {key: each for key, each in state.items() if key[0] != "heartbeat"}
        self.open(subscription, event_id, state, rate)

    def open(
        self,
        subscription: Subscription,
        event_id: str | None,
        state: dict[Topic, dict[str, Any]],
        rate: float | None,
    ) -> None:
        mode, entries, cursor = opening(self.hub, subscription, event_id)
        newest = {k: each for k, each in self.newest().items() if subscription.matches(k)}
        statuses = [each for each in entries if each.topic.kind == "status"]
        data = entries[len(statuses) :]
        assert entries == statuses + data
        for part in (statuses, data):
            assert [each.seq for each in part] == sorted({each.seq for each in part})
        assert count_data(entries) == len(data)
        parsed = parse_event_id(event_id) if event_id else None
        if mode == "snapshot":
            state.clear()
            expected = newest
        else:
            assert parsed is not None
            expected = {
                key: each
                for key, each in newest.items()
                if each[0] > parsed[1] or key[0] == "status"
            }
        assert {each.topic: (each.seq, each.record) for each in entries} == expected
        frames = parse_frames(b"".join(each.frame for each in entries))
        for entry, (seq, body) in zip(entries, frames, strict=True):
            assert seq == (None if entry.topic.kind == "status" else entry.seq)
            state[entry.topic] = body
        # Whatever was held before, the client now holds exactly what is known.
        assert state == {key: as_json(record) for key, (_, record) in newest.items()}
        assert cursor == len(self.records)
        reader = Reader(
            subscriber=Puller(self.hub, subscription, after=cursor, rate=rate),
            subscription=subscription,
            rate=rate,
            position=cursor,
            state=state,
            told=max((each.seq for each in data), default=0),
        )
        self.readers.append(reader)

    @precondition(lambda self: self.readers)
    @rule(index=st.integers(0, 100))
    def read(self, index: int) -> None:
        reader = self.readers[index % len(self.readers)]
        if reader.task is None:
            reader.task = self.loop.create_task(reader.subscriber.read())
        self.run()

    @precondition(lambda self: self.readers)
    @rule(
        index=st.integers(0, 100),
        symbols=st.lists(st.sampled_from(SYMBOLS), min_size=2, max_size=12),
        flushed=st.integers(1, 11),
    )
    def read_in_the_middle_of_a_tick(self, index: int, symbols: list[str], flushed: int) -> None:
        """Part of what was published is flushed when a reader comes for it, part is not."""
        self.mixed_ticks(symbols[:flushed])
        self.flush()
        self.mixed_ticks(symbols[flushed:])
        self.read(index)

    @rule()
    def everybody_reads(self) -> None:
        for index in range(len(self.readers)):
            self.read(index)

    @precondition(lambda self: any(each.task for each in self.readers))
    @rule(index=st.integers(0, 100))
    def break_off(self, index: int) -> None:
        """A read is cancelled, as by a time-out; the others must not notice."""
        reading = [each for each in self.readers if each.task]
        reader = reading[index % len(reading)]
        others = [each.task for each in reading if each is not reader]
        assert reader.task is not None
        if not reader.task.done():
            reader.task.cancel()
            self.loop.run_until_complete(turn(1))
            assert not any(each.cancelled() for each in others if each)
            assert reader.task.cancelled()
            reader.task = None

    @precondition(lambda self: self.readers)
    @rule(index=st.integers(0, 100))
    def leave(self, index: int) -> None:
        reader = self.readers.pop(index % len(self.readers))
        if reader.task is not None:
            reader.task.cancel()
            self.loop.run_until_complete(turn())
        reader.subscriber.close()
        reader.subscriber.close()
        if not reader.rate and not any(k in self.forgotten for k in reader.state):
            # A client resumes from the newest id that it has seen, or from the snapshot's.
            seq = max(reader.told, 0)
            self.lost.append(
                (reader.subscription, StreamPosition(EPOCH, seq).event_id, reader.state)
            )

    # What must hold

    @invariant()
    def check_readers(self) -> None:
        for reader in self.readers:
            if is_done(reader) and reader.task is not None:
                chunk = reader.task.result()
                reader.task = None
                assert chunk
                self.check_chunk(reader, chunk)

    @invariant()
    def check_bounds(self) -> None:
        hub = self.hub
        assert hub.subscribers == len(self.readers)
        assert len(hub._groups) == len({each.subscription for each in self.readers})
        assert len(hub._log._ring) < 2 * 4
        newest = self.newest().keys()
        assert hub._log.latest.keys() == newest
        for kind in ("balance_update", "status"):
            owned = sorted(each for each in newest if each.kind == kind and each.owner != NOBODY)
            assert hub.find_topics(TopicPattern(kind), None) == owned
            for grant in ([], [Owner("ann")], [Owner("ann", ANY_ACCOUNT)], [OWNERS[2], OWNERS[4]]):
                mine = subscription_for(types=DATA_TYPES, owners=grant)
                found = hub.find_topics(TopicPattern(kind), frozenset(grant))
                assert found == [each for each in owned if mine.matches(each)]
        assert hub.published == hub.seq == len(self.records)

    def check_chunk(self, reader: Reader, chunk: bytes) -> None:
        frames = parse_frames(chunk)
        gap = frames.pop(0)[1] if frames[0][1]["type"] == "gap" else None
        begin, end = reader.position, reader.subscriber.cursor
        due = [
            (seq, record)
            for seq, record in enumerate(self.records[begin:end], begin + 1)
            if reader.subscription.matches(record.topic)
        ]
        given = []
        for seq, body in frames:
            assert body["type"] != "gap"
            key = topic_of(body["type"], subject(body), body.get("login", MAIN_LOGIN))
            assert reader.subscription.matches(key)
            if seq is not None:
                assert seq > reader.told
                reader.told = seq
                assert body == as_json(self.records[seq - 1])
                given.append(seq)
            elif key in reader.state:
                assert number_of(body) > number_of(reader.state[key])
            reader.state[key] = body
        if reader.rate:
            assert gap is None
            self.check_rated(reader, frames, end)
        else:
            self.check_gap(begin, due, frames, gap)
        for topic in {record.topic for _, record in due}:
            seq, record = [each for each in due if each[1].topic == topic][-1]
            if topic.kind in DATA_TYPES and self.forgotten.get(topic, 0) < seq:
                assert seq in given
            if topic.kind == "status":
                assert number_of(reader.state[topic]) >= number_of(as_json(record))
        reader.position = end

    def check_gap(
        self,
        begin: int,
        due: list[tuple[int, Record]],
        frames: list[tuple[int | None, dict[str, Any]]],
        gap: dict[str, Any] | None,
    ) -> None:
        wanted = [as_json(r) for _, r in due if not isinstance(r, Heartbeat)]
        got = [body for _, body in frames if body["type"] != "heartbeat"]
        if gap is None:
            assert got == wanted
        elif gap["skipped"] is None:
            assert len(got) < len(wanted) or any(s > begin for s in self.forgotten.values())
        else:
            assert 0 < gap["skipped"] == len(wanted) - len(got)

    def check_rated(
        self, reader: Reader, frames: list[tuple[int | None, dict[str, Any]]], end: int
    ) -> None:
        assert reader.rate
        keys = [
            body["type"] + subject(body) + body.get("login", "")
            for seq, body in frames
            if seq is not None
        ]
        assert len(keys) == len(set(keys))
        if keys:
            now_s = reader.subscriber.subscriber._due_s - 1 / reader.rate
            assert now_s >= reader.last_data_s + 1 / reader.rate - 1e-6
            reader.last_data_s = now_s

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(turn())
            self.loop.close()

    def finish(self) -> None:
        """Once nothing more happens, everybody has the newest; then the hub closes."""
        for _ in range(6):
            self.everybody_reads()
            self.run(3.0)
            self.check_readers()
        newest = self.newest()
        for reader in self.readers:
            for key, (_, record) in newest.items():
                if reader.subscription.matches(key):
                    assert reader.state[key] == as_json(record), key
        self.everybody_reads()
        self.hub.close("over")
        self.run(0.3)
        for reader in self.readers:
            assert reader.task is not None
            assert reader.task.done()
            assert reader.task.result() is None
            reader.task = None
            reader.subscriber.close()
        assert self.hub.subscribers == 0
        assert not self.hub._groups
        assert not asyncio.all_tasks(self.loop)


def is_done(reader: Reader) -> bool:
    return reader.task is not None and reader.task.done()


def number_of(body: dict[str, Any]) -> int:
    """What rises from one status or heartbeat to the next."""
    return int(body["timestamp"] if body["type"] == "heartbeat" else body["reason"])


def subject(body: dict[str, Any]) -> str:
    return str(body.get("symbol") or body.get("account") or body.get("upstream") or "")


@pytest.mark.fault(4)
@pytest.mark.timeout(scaled(180))
def test_the_hub_keeps_its_promises(trial: Trial) -> None:
    runs, steps = trial.count(150, 1500), 40
    run_state_machine_as_test(
        HubMachine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    trial.tell(f"the hub: {runs:,} runs of up to {steps} steps in any order")


def test_equal_subscriptions_share_one_object() -> None:
    async def scenario() -> None:
        hub = make_hub()
        subscribers = [
            Puller(hub, subscription_for(symbols=symbols))
            for symbols in (["SPY", "QQQ"], ["QQQ", "SPY"], {"SPY", "QQQ"})
        ]
        for number in range(3):
            reads = [asyncio.create_task(each.read()) for each in subscribers]
            await turn()
            hub.publish(make_quote("SPY", number))
            hub.publish(make_quote("QQQ", number))
            first, *others = await asyncio.gather(*reads)
            assert first
            assert all(each is first for each in others)
            assert [body["symbol"] for _, body in parse_frames(first)] == ["SPY", "QQQ"]
        for each in subscribers:
            each.close()
        assert hub.subscribers == 0

    run(scenario())


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


@given(st.data())
def test_a_group_matches_what_its_subscription_matches(data: st.DataObject) -> None:
    subjects = st.sampled_from([*SYMBOLS, *ACCOUNTS, ""])
    subscription = subscription_for(
        types=data.draw(st.frozensets(st.sampled_from(sorted(DATA_TYPES)))),
        symbols=data.draw(st.none() | st.sets(subjects)),
        owners=data.draw(st.none() | st.sets(st.sampled_from(OWNERS))),
    )
    hub = Hub(epoch=EPOCH)
    subscriber = Puller(hub, subscription)
    (group,) = hub._groups.values()
    kinds = st.sampled_from(sorted(DATA_TYPES | CONTROL))
    topics = data.draw(
        st.sets(st.builds(topic_of, kinds, subjects, st.sampled_from(LOGINS)), max_size=6)
    )
    for topic in topics:
        assert group.matches(topic) is subscription.matches(topic)
    expected = any(map(subscription.matches, topics))
    others = [topic for topic in topics if topic.kind not in MARKET_TYPES]
    assert group.matches_any(topics, {topic.kind for topic in topics}, others) is expected
    subscriber.close()


def test_a_wish_for_nothing_matches_nothing() -> None:
    """An empty grant is not the same as no restriction."""
    nobody = subscription_for(types=DATA_TYPES, symbols=[], owners=[])
    assert not nobody.matches(balance_topic(ACCOUNTS[0]))
    assert not nobody.matches(market_topic("quote_update", "SPY"))
    assert nobody.matches(status_topic("feed"))
    quotes = frozenset({"quote_update"})
    main, one = Owner(MAIN_LOGIN), Owner(MAIN_LOGIN, ACCOUNTS[0])
    shared = subscription_for(types=quotes, owners=[])
    assert subscription_for(types=quotes, owners=[one]) == shared, "they see the same"
    assert subscription_for(types=quotes, owners=[main]) != shared, "it sees the login's statuses"


def test_the_statuses_of_every_login_reach_its_owner_alone() -> None:
    viewer = subscription_for(types=DATA_TYPES, owners=[Owner(MAIN_LOGIN, ANY_ACCOUNT)])
    owner = subscription_for(types=DATA_TYPES, owners=[Owner(MAIN_LOGIN)])
    for upstream in ("session", "accounts"):
        assert not viewer.matches(status_topic(upstream))
        assert owner.matches(status_topic(upstream))
        assert not owner.matches(status_topic(upstream, "ann"))
    for each in (viewer, owner):
        assert each.matches(status_topic("feed", "ann")), "whichever login carries it"


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


def test_a_grant_need_not_list_what_it_covers() -> None:
    every = subscription_for(types=DATA_TYPES, owners=[Owner("ann", ANY_ACCOUNT)])
    assert every.matches(balance_topic("5WX00009", "ann")), "an account that came later"
    assert not every.matches(balance_topic("5WX00009")), "the same number of another login"
    assert not every.matches(status_topic("session", "ann")), "the login itself was not granted"
    mine = subscription_for(types=DATA_TYPES, owners=[Owner("ann"), Owner("ann", "5WX00001")])
    assert mine.matches(status_topic("session", "ann"))
    assert not mine.matches(status_topic("session", "bob"))
    assert not mine.matches(balance_topic("5WX00002", "ann"))


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
