"""The hub keeps its promises in whatever order things happen; time is virtual throughout.

Over 400 lines because it is one state machine: its rules share the clients and what they know.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.clock import Clock
from gateway.streams.hub.hub import Hub, opening
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
)
from tests.faults.trial import Trial
from tests.streams.hub.hubs import (
    ACCOUNTS,
    EPOCH,
    LOGINS,
    OWNERS,
    SYMBOLS,
    everything,
    parse_frames,
    turn,
)
from tests.streams.pulling import Puller
from tests.streams.samples import make_balance, make_quote, make_status, make_trade, topic_of
from tests.streams.virtual_time import VirtualLoop
from tests.waiting import scaled


def as_json(record: Any) -> dict[str, Any]:
    return json.loads(encode(record), parse_float=Decimal)  # type: ignore[no-any-return]


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
