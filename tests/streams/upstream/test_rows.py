"""Rows of the broker: what is read of them, and that an odd one costs nothing but itself."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.upstream.rows import (
    list_items,
    read_metrics,
    read_number,
    read_order,
    read_position,
    read_rows,
    read_signed,
    read_time,
)

POSITION: dict[str, Any] = {
    "account-number": "5WX00001",
    "symbol": "RIVN  261218P00010000",
    "instrument-type": "Equity Option",
    "underlying-symbol": "RIVN",
    "quantity": 40,
    "quantity-direction": "Short",
    "close-price": "0.41",
    "average-open-price": "0.79",
    "average-daily-market-close-price": "0.41",
    "multiplier": "1.0",
    "cost-effect": "Debit",
    "realized-day-gain": "7.888",
    "realized-day-gain-effect": "Credit",
    "realized-day-gain-date": "2026-11-20",
    "realized-today": "0.512",
    "realized-today-effect": "Debit",
    "realized-today-date": "2026-11-20",
    "expires-at": "2026-12-18T21:00:00.000+00:00",
    "mark-price": "0.35",
    "updated-at": "2026-11-20T15:30:00.123+00:00",
}
ORDER: dict[str, Any] = {
    "id": 4242,
    "account-number": "5WX00001",
    "underlying-symbol": "SPY",
    "order-type": "Limit",
    "time-in-force": "Day",
    "size": 2,
    "price": "1.25",
    "price-effect": "Debit",
    "status": "Live",
    "received-at": "2026-11-20T15:30:00.000+00:00",
    "updated-at": 1_795_188_600_123,
    "replaces-order-id": "4241",
    "legs": [
        {
            "action": "Buy to Open",
            "instrument-type": "Equity Option",
            "symbol": "SPY   261218C00600000",
            "quantity": 2,
            "remaining-quantity": 1,
            "fills": [
                {
                    "fill-id": "7",
                    "quantity": 1,
                    "fill-price": "1.25",
                    "filled-at": "2026-11-20T15:30:01.000+00:00",
                }
            ],
        }
    ],
}
METRICS: dict[str, Any] = {
    "symbol": "AAPL",
    "implied-volatility-index": "0.2841",
    "implied-volatility-index-rank": "0.314",
    "implied-volatility-percentile": "0.55",
    "beta": "1.15",
    "liquidity-rating": 4,
    "market-cap": 3_400_000_000_000,
    "dividend-ex-date": "2026-11-07",
    "dividend-yield": "0.0041",
    "earnings": {"expected-report-date": "2027-01-28", "time-of-day": "AMC"},
}
READERS = [(read_position, POSITION), (read_order, ORDER), (read_metrics, METRICS)]

odd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


def test_a_position() -> None:
    found = read_position(POSITION)
    holding = found.holding
    assert holding.signed_quantity == -40, "the effect of closing is not its sign"
    assert (holding.multiplier, holding.average_daily_price) == (Decimal("1.0"), Decimal("0.41"))
    assert holding.realized_of_day(date(2026, 11, 20)) == Decimal("7.888")
    assert holding.realized_open(date(2026, 11, 20)) == Decimal("-0.512")
    assert holding.expires_on == date(2026, 12, 18)
    assert found.updated_at == datetime(2026, 11, 20, 15, 30, 0, 123_000, UTC)
    assert found.streamer_symbol is None


def test_a_close_of_0_on_the_first_day_is_not_known() -> None:
    assert read_position({**POSITION, "close-price": "0.0"}).close_price is None


def test_an_order() -> None:
    found = read_order(ORDER)
    assert (found.order_id, found.replaces, found.price) == ("4242", "4241", Decimal("-1.25"))
    assert found.updated_at == datetime(2026, 11, 20, 15, 30, 0, 123_000, UTC)
    (leg,) = found.legs
    assert (leg.remaining, leg.fills[0].price) == (Decimal(1), Decimal("1.25"))


def test_a_status_that_nobody_knows_stays_as_it_is() -> None:
    assert read_order({**ORDER, "status": "Levitating"}).status == "Levitating"
    contingent = {name: each for name, each in ORDER.items() if not name.endswith("-at")}
    assert read_order({**contingent, "order-rule": {}}).received_at is None


def test_metrics() -> None:
    found = read_metrics(METRICS)
    assert (found.beta, found.liquidity_rating) == (Decimal("1.15"), 4)
    assert (found.earnings_on, found.earnings_time) == (date(2027, 1, 28), "AMC")
    future = {name: each for name, each in METRICS.items() if name != "market-cap"}
    assert read_metrics(future).market_cap is None


@pytest.mark.parametrize(("read", "row"), READERS)
@given(data=st.data())
def test_any_field_may_be_anything(read: Any, row: dict[str, Any], data: st.DataObject) -> None:
    """One row in the middle is spoilt; its neighbours are read."""
    name = data.draw(st.sampled_from(sorted(row)))
    spoilt = {**row, name: data.draw(odd)}
    if data.draw(st.booleans()):
        del spoilt[name]
    found, unreadable = read_rows([row, spoilt, row], read)
    assert len(found) + unreadable == 3
    assert found[0] == found[-1] == read(row)


@pytest.mark.parametrize("name", ["account-number", "symbol", "quantity", "quantity-direction"])
def test_a_position_without_the_essential_is_not_read(name: str) -> None:
    without = {key: each for key, each in POSITION.items() if key != name}
    assert read_rows([without, POSITION], read_position)[1] == 1


@pytest.mark.parametrize("row", [None, 7, "row", [], ["symbol"]])
def test_what_is_no_object_is_no_row(row: Any) -> None:
    assert read_rows([row], read_position) == ([], 1)


@pytest.mark.parametrize("data", [None, {}, [], {"items": None}, {"items": {}}, "no"])
def test_an_answer_of_another_form_is_not_an_empty_list(data: Any) -> None:
    with pytest.raises(ValueError, match="no list of items"):
        list_items(data)
    assert list_items({"items": []}) == []


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.50", Decimal("1.50")),
        (2, Decimal(2)),
        (0.1, Decimal("0.1")),
        ("NaN", None),
        ("Infinity", None),
        ("", None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_numbers(value: Any, number: Decimal | None) -> None:
    assert read_number({"x": value}, "x") == number


def test_an_amount_takes_the_sign_of_its_effect() -> None:
    def signed(effect: Any, amount: Any = "5") -> Decimal | None:
        return read_signed({"x": amount, "x-effect": effect}, "x")

    assert [signed(each) for each in ("Credit", "Debit", None, "Odd")] == [5, -5, 5, None]
    assert signed("Debit", None) is None, "an effect without its amount"
    assert signed("None", "0.0") == 0


def test_times_without_a_zone_are_utc() -> None:
    row = {"t": "2023-06-08 13:30:00+00", "u": "2023-06-08T13:30:00", "v": 10**30}
    assert read_time(row, "t") == read_time(row, "u") == datetime(2023, 6, 8, 13, 30, tzinfo=UTC)
    assert read_time(row, "v") is None
