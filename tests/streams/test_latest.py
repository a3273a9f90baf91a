"""What the hub and the outbox do alike with the newest records."""

import msgspec
import pytest

from gateway.streams.backplane.follower_hub import FollowerHub
from gateway.streams.backplane.outbox import Outbox
from gateway.streams.hub.hub import Hub
from gateway.streams.latest import LatestValues
from gateway.streams.records import Record
from gateway.streams.topics import market_topic
from tests.streams.samples import make_balance, make_quote, make_status, make_trade

SPY = market_topic("quote_update", "SPY")


@pytest.fixture(params=[lambda: Hub(epoch="k3f9"), FollowerHub, Outbox], ids=["hub", "f", "o"])
def values(request: pytest.FixtureRequest) -> LatestValues:
    made = request.param()
    assert isinstance(made, LatestValues)
    return made


def test_the_newest_of_each_topic_is_known(values: LatestValues) -> None:
    quotes = [make_quote("SPY", each) for each in (1, 2)]
    assert [values.publish(each) for each in quotes] == [1, 2]
    assert values.latest(SPY) is quotes[1]
    assert list(values.records()) == [quotes[1]]
    balances = [make_balance("B"), make_balance("A")]
    status = make_status("feed")
    for balance in balances:
        values.publish(balance)
    values.publish(status)
    assert values.balances() == balances[::-1]
    assert values.statuses() == [status]


def test_only_what_differs_is_marked_again(values: LatestValues) -> None:
    values.publish(make_quote("SPY", 1))
    values.publish(make_quote("QQQ", 1, stale=True))
    values.publish(make_status())
    assert values.mark_stale() == 1
    assert values.mark_stale() == 0
    assert values.latest(SPY) == make_quote("SPY", 1, stale=True)
    assert values.mark_stale(stale=False, symbols={"SPY"}) == 1
    assert values.latest(SPY) == make_quote("SPY", 1)


def test_everything_can_be_stale_at_once_whoever_owns_it(values: LatestValues) -> None:
    """Whoever sees an account, and not how its login is doing, has nothing else that says so."""
    records: list[Record] = [
        make_quote("SPY", 1),
        make_balance("A"),
        make_balance("A", login="ann"),
    ]
    status = make_status("accounts")
    for record in (*records, make_quote("QQQ", 1, stale=True), status):
        values.publish(record)
    count = values.publish(status)
    values.mark_all_stale()
    for record in records:
        assert values.latest(record.topic) == msgspec.structs.replace(record, stale=True)
    assert values.latest(status.topic) is status
    assert values.publish(status) == count + len(records) + 1


def test_a_forgotten_symbol_is_gone_with_all_its_types(values: LatestValues) -> None:
    values.publish(make_quote("SPY", 1))
    values.publish(make_trade("SPY", 1))
    kept = make_quote("QQQ", 1)
    values.publish(kept)
    values.forget(["SPY", "NONE"])
    assert list(values.records()) == [kept]
    values.forget_topics([kept.topic, SPY])
    assert list(values.records()) == []
