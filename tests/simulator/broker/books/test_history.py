"""The past of an account against what is known of it: the last close, the day's gain, deposits."""

from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from gateway.simulator.broker.books.balances import balance
from gateway.simulator.broker.books.history import (
    BACK,
    describe_now,
    list_points,
    list_snapshots,
    parse_interval,
    start_of,
    step_of,
    value_at_close,
)
from gateway.simulator.broker.books.opening import MAIN, RETIREMENT, open_first
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)
NOW = instant(TODAY, time(15))
CENT = Decimal("0.01")


def make_market() -> Market:
    return Market(list_universe(TODAY), seed=7, now=NOW)


@pytest.mark.parametrize("back", BACK)
def test_every_history_ends_with_the_value_now(back: str) -> None:
    market = make_market()
    ledger = open_first(market)
    begins = start_of(market, back)
    assert begins is not None
    points = list_points(market, ledger.accounts[MAIN], *begins)
    times = [point["time"] for point in points]
    assert times == sorted(times)
    assert len(set(times)) == len(times) >= 5
    assert Decimal(points[-1]["total-close"]) == pytest.approx(ledger.value(MAIN), abs=CENT)
    assert all(Decimal(point["total-close"]) > 0 for point in points)
    assert points[0].keys() >= {"open", "pending-cash-close", "total-low", "time"}


def test_a_day_starts_at_its_open() -> None:
    market = make_market()
    begins = start_of(market, "1d")
    assert begins is not None
    points = list_points(market, open_first(market).accounts[MAIN], *begins)
    assert points[0]["time"] == "2026-11-25 14:30:00+00"
    assert points[1]["time"] == "2026-11-25 14:35:00+00"
    assert start_of(market, "2d") is None
    assert step_of(market, NOW - 3_600) == 300
    assert step_of(market, NOW - 90 * 86_400) == 86_400


def test_the_close_is_now_less_what_was_gained_and_put_in_since() -> None:
    market = make_market()
    ledger = open_first(market)
    account = ledger.accounts[RETIREMENT]
    before = value_at_close(market, account)
    market.advance(NOW + 60)
    ledger.deposit(RETIREMENT, Decimal(5_000))
    account.pending = Decimal(250)
    # Neither prices nor deposits of today change what yesterday closed at.
    assert value_at_close(market, account) == pytest.approx(before, abs=Decimal("1e-9"))
    (snapshot,) = list_snapshots(market, account, TODAY - timedelta(days=1), TODAY, "EOD")
    assert snapshot["snapshot-date"] == "2026-11-24"
    assert Decimal(snapshot["net-liquidating-value"]) == pytest.approx(before, abs=CENT)


def test_a_deposit_is_a_step_in_the_history() -> None:
    market = make_market()
    ledger = open_first(market)
    account = ledger.accounts[RETIREMENT]
    ledger.deposit(RETIREMENT, Decimal(50_000))
    market.advance(NOW + 600)
    points = list_points(market, account, NOW - 3_600, 300)
    values = [Decimal(point["total-close"]) for point in points]
    steps = [after - before for before, after in pairwise(values)]
    assert max(steps) > 49_000
    assert sorted(steps)[-2] < 5_000


def test_snapshots_are_of_trading_days() -> None:
    market = make_market()
    account = open_first(market).accounts[MAIN]
    found = list_snapshots(market, account, date(2026, 11, 2), TODAY, "EOD")
    days = [each["snapshot-date"] for each in found]
    assert days[0] == "2026-11-02"
    assert "2026-11-07" not in days
    assert days[-1] == "2026-11-24"
    assert list_snapshots(market, account, TODAY, TODAY, "BOD")[0]["time-of-day"] == "BOD"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("15", 900), ("1h", 3_600), ("1d", 86_400), ("0m", None), ("soon", None)],
)
def test_intervals(text: str, seconds: float | None) -> None:
    assert parse_interval(text) == seconds


def test_the_point_of_now_is_the_balance() -> None:
    market = make_market()
    account = open_first(market).accounts[MAIN]
    value = Decimal(describe_now(market, account)["total-close"])
    assert value == Decimal(balance(market, account)["net-liquidating-value"])
