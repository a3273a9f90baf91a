"""What waits for the backplane: order, merging under pressure, inheritance; pure."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.account_records import removal_of
from gateway.streams.backplane.codec import decode_change, encode_change
from gateway.streams.backplane.outbox import EpochComplete, Outbox, Tombstone
from gateway.streams.publisher import publish_stale
from gateway.streams.records import QuoteUpdate, Record, Status
from gateway.streams.topics import Topic, balance_topic, market_topic
from tests.streams.samples import AT, make_balance, make_quote, make_status, make_trade


def take_all(outbox: Outbox) -> list[object]:
    return list(outbox.drain(10**6))


def test_what_is_published_waits_in_order() -> None:
    outbox = Outbox()
    records: list[Record] = [make_status(), make_quote("SPY", 1), make_quote("SPY", 2)]
    for record in records:
        outbox.publish(record)
    assert outbox.drain(1) == records[:1]
    assert outbox.pending == 2
    assert take_all(outbox) == records[1:]
    assert outbox.latest(market_topic("quote_update", "SPY")) is records[2]
    assert outbox.latest(market_topic("quote_update", "QQQ")) is None


def test_a_removal_is_sent_and_leaves_nothing_behind() -> None:
    outbox = Outbox()
    balance = make_balance()
    removal = removal_of(balance)
    outbox.publish(balance)
    outbox.publish(removal)
    assert outbox.latest(balance.topic) is None
    assert take_all(outbox) == [balance, removal]
    outbox.publish(removal)
    outbox.restart()
    assert take_all(outbox) == [removal, EpochComplete()]


def test_a_removal_goes_over_the_wire() -> None:
    removal = removal_of(make_balance(login="other"))
    kind, fields, data = encode_change(removal)
    assert (kind, fields) == ("x", "balance_update other/5WX00001 5WX00001")
    assert decode_change(b"x", data) == removal
    assert decode_change(b"x", b"{}") is None


def test_forgetting_stands_where_it_happened() -> None:
    outbox = Outbox()
    outbox.publish(make_quote("SPY", 1))
    outbox.forget(["SPY", "QQQ"])
    outbox.publish(make_quote("SPY", 2))
    assert take_all(outbox) == [
        make_quote("SPY", 1),
        Tombstone((market_topic("quote_update", "SPY"),)),
        make_quote("SPY", 2),
    ]
    outbox.forget(["QQQ"])
    assert outbox.pending == 0


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), max_size=60))
def test_merging_keeps_the_newest_of_each_key_in_order(steps: list[tuple[str, bool]]) -> None:
    """With room for four changes; a reader that applies what it takes ends with what is known."""
    outbox = Outbox(max_pending=4)
    seen: dict[Topic, Record] = {}
    count = 0
    for symbol, is_forgotten in steps:
        if is_forgotten:
            outbox.forget([symbol])
        else:
            count += 1
            outbox.publish(make_quote(symbol, count))
    prices = []
    for change in outbox.drain(10**6):
        if isinstance(change, Tombstone):
            for key in change.topics:
                seen.pop(key, None)
        else:
            assert isinstance(change, QuoteUpdate)
            assert change.last is not None
            seen[change.topic] = change
            prices.append(int(change.last))
    assert seen == {key: outbox.latest(key) for key in outbox.topics}
    assert prices == sorted(prices)
    assert len(prices) + outbox.conflated == count


def test_pressure_is_bounded_by_keys() -> None:
    outbox = Outbox(max_pending=10)
    for number in range(1000):
        outbox.publish(make_quote(f"S{number % 7}", number))
        assert outbox.pending <= 14
    assert outbox.conflated >= 980


def test_a_mark_is_published_once() -> None:
    outbox = Outbox()
    outbox.publish(make_quote("SPY", 1))
    outbox.publish(make_quote("QQQ", 1))
    outbox.publish(make_status())
    take_all(outbox)
    assert outbox.mark_stale(symbols={"SPY"}) == 1
    assert outbox.mark_stale() == 1
    assert outbox.mark_stale() == 0
    assert outbox.mark_stale(stale=False) == 2
    take_all(outbox)
    publish_stale(outbox, "gone", now_ms=0)
    changes = take_all(outbox)
    assert [type(each).__name__ for each in changes] == ["Status", "QuoteUpdate", "QuoteUpdate"]
    assert isinstance(changes[0], Status)
    assert (changes[0].state, changes[0].reason) == ("stale", "gone")


def test_an_epoch_begins_with_everything_statuses_first() -> None:
    outbox = Outbox()
    outbox.publish(make_quote("SPY", 1))
    outbox.publish(make_status())
    outbox.drain(1)
    outbox.restart()
    assert take_all(outbox) == [make_status(), make_quote("SPY", 1), EpochComplete()]


def test_what_waits_when_an_epoch_begins_is_merged_too_and_counted() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.publish(make_quote("SPY", number))
        outbox.publish(make_quote("QQQ", number))
    outbox.drain(1)
    outbox.restart()
    assert take_all(outbox) == [make_quote("SPY", 2), make_quote("QQQ", 2), EpochComplete()]
    assert outbox.conflated == 3


def test_market_data_is_inherited_stale_and_only_where_nothing_newer_is_known() -> None:
    outbox = Outbox()
    outbox.publish(make_quote("SPY", 9))
    outbox.inherit(
        [make_quote("SPY", 1), make_quote("QQQ", 2), make_trade("OLD", 3), make_status()],
        {"SPY", "QQQ"},
    )
    outbox.restart()
    assert take_all(outbox) == [
        Tombstone((market_topic("trade_update", "OLD"),)),
        make_quote("SPY", 9),
        make_quote("QQQ", 2, stale=True),
        EpochComplete(),
    ]


def test_each_login_settles_its_own_balances() -> None:
    outbox = Outbox()
    outbox.inherit([make_balance("A"), make_balance("A", login="ann")], ())
    outbox.publish(make_status("accounts"))
    assert take_all(outbox)[-1] == Tombstone((balance_topic("A"),))
    outbox.publish(make_status("accounts", login="ann"))
    assert take_all(outbox)[-1] == Tombstone((balance_topic("A", "ann"),))


def test_every_login_s_statuses_go_stale_with_the_publisher() -> None:
    outbox = Outbox()
    statuses = [make_status("feed"), make_status("session"), make_status("accounts", login="ann")]
    for status in statuses:
        outbox.publish(status)
    publish_stale(outbox, "gone", now_ms=0)
    assert {each.topic for each in outbox.statuses()} == {each.topic for each in statuses}
    assert {(each.state, each.reason) for each in outbox.statuses()} == {("stale", "gone")}


def test_balances_of_others_go_when_all_own_ones_are_known() -> None:
    outbox = Outbox()
    outbox.inherit([make_balance("A"), make_balance("B")], ())
    outbox.publish(make_balance("A", 2))
    outbox.publish(Status(upstream="accounts", state="degraded", since=AT, reason="polling"))
    assert not [each for each in take_all(outbox) if isinstance(each, Tombstone)]
    outbox.publish(make_status("accounts"))
    assert take_all(outbox)[-1] == Tombstone((balance_topic("B"),))
    # A successor that was warm before it took over knew its accounts already.
    outbox.inherit([make_balance("A"), make_balance("C")], ())
    assert take_all(outbox) == [Tombstone((balance_topic("C"),))]
