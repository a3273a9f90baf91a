"""What waits for the backplane: order, merging under pressure, inheritance; pure."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.backplane.outbox import Complete, Forget, Outlet
from gateway.streams.publisher import tell_stale
from gateway.streams.records import Key, QuoteUpdate, Record, Status
from tests.streams.samples import AT, make_balance, make_quote, make_status, make_trade


def take_all(outlet: Outlet) -> list[object]:
    return list(outlet.take(10**6))


def test_what_is_published_waits_in_order() -> None:
    outlet = Outlet()
    records: list[Record] = [make_status(), make_quote("SPY", 1), make_quote("SPY", 2)]
    for record in records:
        outlet.publish(record)
    assert outlet.take(1) == records[:1]
    assert outlet.pending == 2
    assert take_all(outlet) == records[1:]
    assert outlet.latest("quote_update", "SPY") is records[2]
    assert outlet.latest("quote_update", "QQQ") is None


def test_forgetting_stands_where_it_happened() -> None:
    outlet = Outlet()
    outlet.publish(make_quote("SPY", 1))
    outlet.forget(["SPY", "QQQ"])
    outlet.publish(make_quote("SPY", 2))
    assert take_all(outlet) == [
        make_quote("SPY", 1),
        Forget((("quote_update", "SPY"),)),
        make_quote("SPY", 2),
    ]
    outlet.forget(["QQQ"])
    assert outlet.pending == 0


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), max_size=60))
def test_merging_keeps_the_newest_of_each_key_in_order(steps: list[tuple[str, bool]]) -> None:
    """With room for four changes; a reader that applies what it takes ends with what is known."""
    outlet = Outlet(max_pending=4)
    seen: dict[Key, Record] = {}
    count = 0
    for symbol, is_forgotten in steps:
        if is_forgotten:
            outlet.forget([symbol])
        else:
            count += 1
            outlet.publish(make_quote(symbol, count))
    prices = []
    for change in outlet.take(10**6):
        if isinstance(change, Forget):
            for key in change.keys:
                seen.pop(key, None)
        else:
            assert isinstance(change, QuoteUpdate)
            assert change.last is not None
            seen[change.key] = change
            prices.append(int(change.last))
    assert seen == {key: outlet.latest(*key) for key in outlet.keys}
    assert prices == sorted(prices)
    assert len(prices) + outlet.conflated == count


def test_pressure_is_bounded_by_keys() -> None:
    outlet = Outlet(max_pending=10)
    for number in range(1000):
        outlet.publish(make_quote(f"S{number % 7}", number))
        assert outlet.pending <= 14
    assert outlet.conflated >= 980


def test_a_mark_is_published_once() -> None:
    outlet = Outlet()
    outlet.publish(make_quote("SPY", 1))
    outlet.publish(make_quote("QQQ", 1))
    outlet.publish(make_status())
    take_all(outlet)
    assert outlet.mark_stale(symbols={"SPY"}) == 1
    assert outlet.mark_stale() == 1
    assert outlet.mark_stale() == 0
    assert outlet.mark_stale(stale=False) == 2
    take_all(outlet)
    tell_stale(outlet, "gone", now_ms=0)
    changes = take_all(outlet)
    assert [type(each).__name__ for each in changes] == ["Status", "QuoteUpdate", "QuoteUpdate"]
    assert isinstance(changes[0], Status)
    assert (changes[0].state, changes[0].reason) == ("stale", "gone")


def test_an_epoch_begins_with_everything_statuses_first() -> None:
    outlet = Outlet()
    outlet.publish(make_quote("SPY", 1))
    outlet.publish(make_status())
    outlet.take(1)
    outlet.restart()
    assert take_all(outlet) == [make_status(), make_quote("SPY", 1), Complete()]


def test_what_waits_when_an_epoch_begins_is_merged_too_and_counted() -> None:
    outlet = Outlet()
    for number in range(3):
        outlet.publish(make_quote("SPY", number))
        outlet.publish(make_quote("QQQ", number))
    outlet.take(1)
    outlet.restart()
    assert take_all(outlet) == [make_quote("SPY", 2), make_quote("QQQ", 2), Complete()]
    assert outlet.conflated == 3


def test_market_data_is_inherited_stale_and_only_where_nothing_newer_is_known() -> None:
    outlet = Outlet()
    outlet.publish(make_quote("SPY", 9))
    outlet.inherit(
        [make_quote("SPY", 1), make_quote("QQQ", 2), make_trade("OLD", 3), make_status()],
        {"SPY", "QQQ"},
    )
    outlet.restart()
    assert take_all(outlet) == [
        Forget((("trade_update", "OLD"),)),
        make_quote("SPY", 9),
        make_quote("QQQ", 2, stale=True),
        Complete(),
    ]


def test_balances_of_others_go_when_all_own_ones_are_known() -> None:
    outlet = Outlet()
    outlet.inherit([make_balance("A"), make_balance("B")], ())
    outlet.publish(make_balance("A", 2))
    outlet.publish(Status(upstream="accounts", state="degraded", since=AT, reason="polling"))
    assert not [each for each in take_all(outlet) if isinstance(each, Forget)]
    outlet.publish(make_status("accounts"))
    assert take_all(outlet)[-1] == Forget((("balance_update", "B"),))
    # A successor that was warm before it took over knew its accounts already.
    outlet.inherit([make_balance("A"), make_balance("C")], ())
    assert take_all(outlet) == [Forget((("balance_update", "C"),))]
