"""The observer against a real gateway: it sees what is there, and notices what is wrong."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.faults.observer import Painted, live_after, observe
from tests.waiting import eventually_sync
from tests.web.running import make_quote, make_status, open_gateway


def test_it_follows_over_a_reconnect_and_remembers_what_was_painted() -> None:
    with open_gateway() as gateway:
        gateway.publish(make_status("live"), make_quote(bid=Decimal("450.24")))
        with observe(gateway.port, "/events?symbols=SPY", retry_s=0.01) as observer:
            observer.wait_for("snapshot_end")
            assert observer.is_live("SPY")
            gateway.publish(make_quote(last="451.00"))
            observer.wait_for("quote_update", 2)
            gateway.call(lambda: gateway.context.hub.close("test"))
            eventually_sync(lambda: len(observer.lost_ns) >= 1)
            assert not observer.is_live("SPY")
            assert [each.last for each in observer.painted("SPY")][:2] == [
                Decimal("450.25"),
                Decimal("451.00"),
            ]
            assert observer.check_ids() == 2


def test_it_compares_with_what_was_sent() -> None:
    with open_gateway() as gateway:
        gateway.publish(make_quote(bid=Decimal("1.5"), ask=Decimal("1.6")))
        with observe(gateway.port, "/events?symbols=SPY") as observer:
            observer.wait_for("snapshot_end")
            good = {"sent_ns": observer.seen[0].at_ns - 1, "bidPrice": 1.5, "askPrice": 1.6}
            assert observer.check_values("SPY", [good]) == 1
            with pytest.raises(AssertionError, match="SPY"):
                observer.check_values("SPY", [good | {"bidPrice": "NaN"}])


def test_it_notices_ids_that_fall() -> None:
    with open_gateway() as gateway:
        gateway.publish(make_quote("SPY"), make_quote("QQQ"))
        with observe(gateway.port, "/events") as observer:
            observer.wait_for("snapshot_end")
        assert observer.check_ids() == 2
        first, second = [at for at, each in enumerate(observer.seen) if each.event.id]
        observer.seen[first], observer.seen[second] = observer.seen[second], observer.seen[first]
        with pytest.raises(AssertionError):
            observer.check_ids()


def test_when_a_live_price_was_last_to_be_seen() -> None:
    live = Painted(10_000_000_000, None, None, None, True)
    stale = replace(live, at_ns=14_000_000_000, is_live=False)
    assert live_after([live, stale], 12_000_000_000) == 2.0
    assert live_after([live, stale], 15_000_000_000) == 0.0
    assert live_after([live], 12_000_000_000) == float("inf")
    assert live_after([live, stale, replace(live, at_ns=16_000_000_000)], 12_000_000_000) == float(
        "inf"
    )
