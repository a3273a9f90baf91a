"""Removals: in no snapshot, given to whoever may know the record, and to nobody else."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.streams.account_records import BalanceUpdate, Removed, removal_of
from gateway.streams.hub import log
from gateway.streams.hub.hub import Hub, opening
from gateway.streams.hub.subscribers import Subscriber
from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.topics import Owner, TopicPattern
from tests.streams.samples import make_balance, make_quote

ACCOUNTS = ("A", "B", "C")
PRIVATE = frozenset({"balance_update", "quote_update"})


def make_removal(account: str) -> Removed:
    return removal_of(make_balance(account))


def see(*accounts: str) -> Subscription:
    return subscription_for(types=PRIVATE, owners=[Owner("main", each) for each in accounts])


def list_accounts(hub: Hub, subscription: Subscription) -> list[str]:
    records = [each.record for each in hub.snapshot(subscription)]
    return [each.account for each in records if isinstance(each, BalanceUpdate)]


def test_what_was_removed_is_nowhere() -> None:
    hub = Hub(epoch="e")
    hub.publish(make_balance("A"))
    hub.publish(make_balance("B"))
    version = hub.owned_version
    hub.publish(make_removal("A"))
    assert list_accounts(hub, see("A", "B")) == ["B"]
    assert hub.latest(make_balance("A").topic) is None
    assert hub.keys == 1
    assert [each.account for each in hub.balances()] == ["B"]
    assert hub.owned_version > version
    found = hub.find_topics(TopicPattern("balance_update"), None)
    assert [each.subject for each in found] == ["B"]


def test_whoever_knew_it_gets_the_removal_with_an_id() -> None:
    hub = Hub(epoch="e")
    hub.publish(make_balance("A"))
    known = hub.last_event_id
    hub.publish(make_removal("A"))
    mode, entries, _ = opening(hub, see("A"), known)
    assert mode == "resume"
    (entry,) = entries
    assert entry.frame.startswith(b"event: removed\nid: e-2\n")
    data = json.loads(entry.frame.partition(b"data: ")[2])
    assert data["of"] == "balance_update"
    assert data["account"] == "A"
    assert opening(hub, see("B"), known)[1] == []
    assert opening(hub, see("A"), hub.last_event_id)[1] == []
    assert opening(hub, see("A"), None)[1] == []


def test_what_came_back_is_not_removed() -> None:
    hub = Hub(epoch="e")
    hub.publish(make_balance("A", 1))
    known = hub.last_event_id
    hub.publish(make_removal("A"))
    hub.publish(make_balance("A", 2))
    (entry,) = opening(hub, see("A"), known)[1]
    assert isinstance(entry.record, BalanceUpdate)
    assert entry.record.balance == 2


def test_removals_are_bounded_and_older_ones_cost_a_snapshot(monkeypatch: Any) -> None:
    monkeypatch.setattr(log, "MAX_REMOVED", 3)
    hub = Hub(epoch="e")
    accounts = [f"A{n}" for n in range(5)]
    for account in accounts:
        hub.publish(make_balance(account))
    known = hub.last_event_id
    for account in accounts:
        hub.publish(make_removal(account))
    assert opening(hub, see(*accounts), known)[0] == "snapshot"
    assert opening(hub, see(*accounts), f"e-{hub.seq - 3}")[0] == "resume"


class Client:
    """A program that keeps what it was told, and may come back with its last id."""

    def __init__(self, hub: Hub, accounts: tuple[str, ...]) -> None:
        self.hub = hub
        self.subscription = see(*accounts)
        self.known: dict[str, Decimal] = {}
        self.last_id: str | None = None
        self.is_full = False
        self.subscriber: Subscriber | None = None
        self.connect()

    def connect(self) -> None:
        mode, entries, cursor = opening(self.hub, self.subscription, self.last_id)
        if mode == "snapshot":
            self.known.clear()
        self.take(b"".join(each.frame for each in entries))
        self.subscriber = self.hub.subscribe(self.subscription, self, after=cursor)

    def disconnect(self) -> None:
        if self.subscriber is not None:
            self.subscriber.close()
            self.subscriber = None
        self.is_full = False

    def write(self, chunk: bytes) -> bool:
        self.take(chunk)
        return not self.is_full

    def close(self, reason: str) -> None:
        """Nothing closes here."""

    def take(self, chunk: bytes) -> None:
        for frame in filter(None, chunk.split(b"\n\n")):
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
            data = json.loads(fields[b"data"], parse_float=Decimal)
            if b"id" in fields:
                self.last_id = fields[b"id"].decode()
            if fields[b"event"] == b"balance_update":
                self.known[data["account"]] = Decimal(data["balance"])
            elif fields[b"event"] == b"removed":
                self.known.pop(data["account"], None)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["publish", "publish", "remove", "flush", "away", "back", "full", "free", "other"]
        ),
        st.integers(0, 2),
    ),
    max_size=60,
)


def numbers() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


@settings(max_examples=200)
@given(STEPS, st.sampled_from([2, 1000]))
def test_a_client_knows_what_the_snapshot_says_and_nothing_else(
    steps: list[tuple[str, int]], history: int
) -> None:
    async def play() -> None:
        hub, balances = Hub(epoch="e", history_events=history), numbers()
        grants = (("A",), ("A", "B"), ACCOUNTS)
        clients = [Client(hub, each) for each in grants]
        for step, which in steps:
            client = clients[which]
            match step:
                case "publish":
                    hub.publish(make_balance(ACCOUNTS[which], next(balances)))
                case "remove":
                    hub.publish(make_removal(ACCOUNTS[which]))
                case "other":
                    hub.publish(make_quote("SPY", next(balances)))
                case "flush":
                    hub.flush()
                case "away":
                    client.disconnect()
                case "back" if client.subscriber is None:
                    client.connect()
                case "full":
                    client.is_full = True
                case "free" if client.subscriber is not None and client.is_full:
                    client.is_full = False
                    client.subscriber.resume_writing()
        for client in clients:
            client.is_full = False
            if client.subscriber is None:
                client.connect()
            else:
                client.subscriber.resume_writing()
        hub.flush()
        for client, grant in zip(clients, grants, strict=True):
            records = [each.record for each in hub.snapshot(client.subscription)]
            want = {r.account: r.balance for r in records if isinstance(r, BalanceUpdate)}
            assert client.known == want
            assert set(want) <= set(grant)
            client.disconnect()

    asyncio.run(play())
