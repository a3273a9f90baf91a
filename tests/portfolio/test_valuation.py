"""Gains and greeks of positions: worked examples, mistakes that others made, and properties."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portfolio.marks import Prices
from gateway.portfolio.valuation import Greeks, Reference, Valuation, value_holding
from tests.portfolio.worked import TODAY, D, at, make_holding, make_prices

amounts = st.decimals("0.01", 5000, places=2)
sizes = st.decimals(1, 500, places=0)
directions = st.sampled_from(["Long", "Short"])


def value(mark: str, *args: Any, **fields: Any) -> Valuation:
    return value_holding(make_holding(*args, **fields), at(mark), TODAY)


def test_shares_bought_today_count_from_the_price_paid() -> None:
    """A real row: 20 IAU bought today after a sale of 30 that were held before."""
    day = date(2023, 5, 19)
    holding = make_holding(
        "20",
        average_open_price="37.51",
        average_daily_price="37.51",
        realized_day_gain="7.888",
        realized_day_date=day,
        realized_today="-0.512",
        realized_today_date=day,
    )
    found = value_holding(holding, at("37.60"), day)
    assert found.pnl_day == D("9.688")
    assert found.pnl_open == D("1.288")


def test_shares_added_today_mix_the_bases() -> None:
    found = value("205", "150", average_daily_price="202")
    assert found.pnl_day == 450


def test_short_puts() -> None:
    found = value(
        "0.35",
        "40",
        "Short",
        instrument_type="Equity Option",
        multiplier="100",
        average_open_price="0.79",
        average_daily_price="0.41",
    )
    assert (found.pnl_open, found.pnl_day, found.value) == (D(1760), D(240), D(-1400))
    assert found.pnl_open_pct == D("55.6962")


def test_a_future_adds_only_its_move_since_settlement() -> None:
    found = value(
        "6021.25",
        "2",
        instrument_type="Future",
        multiplier="50",
        average_open_price="5990.50",
        average_daily_price="6010.00",
    )
    assert (found.pnl_open, found.pnl_day, found.value) == (D(3075), D(1125), D(1125))


def test_an_option_on_a_future() -> None:
    found = value(
        "42.25",
        "3",
        "Short",
        instrument_type="Future Option",
        multiplier="50",
        average_open_price="55.00",
    )
    assert found.pnl_open == D("1912.50")
    assert found.pnl_day is None, "its basis is not known"


def test_deltas_weighted_by_beta() -> None:
    aapl = value_holding(
        make_holding("150"),
        at("229.85"),
        TODAY,
        reference=Reference(underlying_price=D("229.85"), beta=D("1.15"), index_price=D("600.25")),
    )
    assert aapl.beta_delta is not None
    assert round(aapl.beta_delta, 1) == D("66.1")
    spy = Reference(underlying_price=D("600.25"), beta=D(1), index_price=D("600.25"))
    puts = value_holding(
        make_holding("5", "Short", instrument_type="Equity Option", multiplier="100"),
        at("3.10"),
        TODAY,
        greeks=Greeks(delta=D("-0.22")),
        reference=spy,
    )
    assert (puts.delta, puts.beta_delta) == (D(110), D(110))
    assert puts.theta is None


def test_a_future_is_weighed_by_its_equivalent_or_its_price() -> None:
    holding = make_holding("1", instrument_type="Future", multiplier="50")
    told = Reference(index_equivalent=D(506))
    assert value_holding(holding, at("6021.25"), TODAY, reference=told).beta_delta == 506
    priced = Reference(underlying_price=D("6021.25"), beta=D(1), index_price=D("600.25"))
    found = value_holding(holding, at("6021.25"), TODAY, reference=priced).beta_delta
    assert found is not None
    assert round(found, 1) == D("501.6")


def test_a_closed_position_keeps_what_it_realized_today() -> None:
    found = value(
        "9", "0", "Zero", realized_day_gain="12.50", realized_day_date=TODAY, average_open_price="8"
    )
    assert (found.pnl_day, found.realized_day, found.value) == (D("12.50"), D("12.50"), D(0))
    assert not found.is_unknown
    tomorrow = date(2026, 11, 21)
    holding = make_holding("0", "Zero", realized_day_gain="12.50", realized_day_date=TODAY)
    assert value_holding(holding, at("9"), tomorrow).pnl_day == 0


def test_what_is_unknown_stays_unknown() -> None:
    found = value_holding(make_holding(average_open_price="8"), Prices(), TODAY)
    assert found.is_unknown
    assert (found.mark, found.value, found.pnl_open, found.pnl_day) == (None,) * 4
    assert found.beta_delta is None, "no beta"
    option = make_holding(instrument_type="Equity Option", multiplier="100")
    assert value_holding(option, at("2"), TODAY).delta is None, "no greeks from the feed"


def test_the_brokers_mark_is_not_live() -> None:
    holding = make_holding(broker_mark="8.10", average_open_price="8")
    found = value_holding(holding, Prices(), TODAY)
    assert (found.mark_source, found.is_stale, found.pnl_open) == ("rest", True, D(10))


def test_days_to_expiration_are_those_of_the_calendar() -> None:
    found = value("1", expires_on=date(2026, 12, 18))
    assert found.days_to_expiration == 28


@pytest.mark.parametrize("direction", ["Long", "Short"])
def test_per_cent_is_of_what_was_paid_or_received(direction: str) -> None:
    found = value("6", "100", direction, average_open_price="5")
    assert found.pnl_open_pct == (20 if direction == "Long" else -20)
    assert value("6", average_open_price="0").pnl_open_pct is None


@given(amounts, amounts, sizes, directions)
def test_a_flat_price_moves_nothing(
    price: Decimal, basis: Decimal, quantity: Decimal, direction: str
) -> None:
    holding = make_holding(
        str(quantity), direction, average_open_price=basis, average_daily_price=price
    )
    found = value_holding(holding, at(str(price)), TODAY)
    assert found.pnl_day == 0
    assert found.pnl_open == (price - basis) * holding.signed_quantity


@given(amounts, amounts, sizes, directions, st.sampled_from([2, 4, 5, 10]))
def test_a_split_changes_nothing(
    price: Decimal, basis: Decimal, quantity: Decimal, direction: str, factor: int
) -> None:
    def find(quantity: Decimal, price: Decimal, basis: Decimal) -> Valuation:
        holding = make_holding(
            str(quantity), direction, average_open_price=basis, average_daily_price=basis
        )
        return value_holding(holding, at(str(price)), TODAY)

    before = find(quantity, price, basis)
    after = find(quantity * factor, price / factor, basis / factor)
    for name in ("value", "pnl_open", "pnl_day", "pnl_open_pct"):
        assert getattr(before, name) == pytest.approx(getattr(after, name)), name


@given(amounts, amounts, amounts, sizes)
def test_a_short_is_the_mirror_of_a_long(
    price: Decimal, opened: Decimal, daily: Decimal, quantity: Decimal
) -> None:
    long, short = (
        value_holding(
            make_holding(str(quantity), each, average_open_price=opened, average_daily_price=daily),
            make_prices(last=str(price)),
            TODAY,
        )
        for each in ("Long", "Short")
    )
    for name in ("value", "pnl_open", "pnl_day", "delta", "pnl_open_pct"):
        assert getattr(long, name) == -getattr(short, name), name
