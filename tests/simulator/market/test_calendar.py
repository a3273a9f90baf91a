from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.market.calendar import (
    Phase,
    close_of,
    current_session,
    find_phase,
    find_session,
    instant,
    is_half_day,
    is_trading_day,
    list_half_days,
    list_holidays,
    monthly_expiry,
    next_session,
    next_trading_day,
    previous_session,
    previous_trading_day,
)

DAYS = st.dates(date(2024, 1, 1), date(2035, 12, 31))


def test_the_holidays_of_2026_as_published() -> None:
    assert list(list_holidays(2026)) == [
        date(2026, month, day)
        for month, day in (
            *((1, 1), (1, 19), (2, 16), (4, 3), (5, 25), (6, 19)),
            *((7, 3), (9, 7), (11, 26), (12, 25)),
        )
    ]
    assert list_half_days(2026) == (date(2026, 11, 27), date(2026, 12, 24))
    assert list_half_days(2025) == (date(2025, 7, 3), date(2025, 11, 28), date(2025, 12, 24))


def test_a_new_year_on_a_saturday_is_not_made_up_for() -> None:
    assert "New Year's Day" not in list_holidays(2028).values()
    assert is_trading_day(date(2027, 12, 31))


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2026, 6, 18), (2025, 4, 17), (2026, 12, 18), (2026, 11, 20)]
)
def test_a_monthly_on_a_holiday_expires_the_day_before(year: int, month: int, day: int) -> None:
    assert monthly_expiry(year, month) == date(year, month, day)


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        (date(2026, 7, 17), time(20)),
        (date(2026, 12, 18), time(21)),
        (date(2026, 11, 27), time(18)),
        (date(2026, 3, 6), time(21)),
        (date(2026, 3, 9), time(20)),
    ],
)
def test_the_close_moves_with_daylight_saving_and_half_days(day: date, utc: time) -> None:
    assert datetime.fromtimestamp(close_of(day), UTC) == datetime.combine(day, utc, UTC)


@pytest.mark.parametrize(
    ("day", "at", "phase"),
    [
        (date(2026, 11, 25), time(3, 59), Phase.CLOSED),
        (date(2026, 11, 25), time(4), Phase.PRE),
        (date(2026, 11, 25), time(9, 30), Phase.OPEN),
        (date(2026, 11, 25), time(16), Phase.EXTENDED),
        (date(2026, 11, 25), time(20), Phase.CLOSED),
        (date(2026, 11, 26), time(11), Phase.CLOSED),
        (date(2026, 11, 27), time(12, 59), Phase.OPEN),
        (date(2026, 11, 27), time(13), Phase.EXTENDED),
        (date(2026, 11, 27), time(17), Phase.CLOSED),
        (date(2026, 11, 28), time(11), Phase.CLOSED),
    ],
)
def test_phases_of_the_stock_market(day: date, at: time, phase: Phase) -> None:
    assert find_phase("Equity", instant(day, at)) == phase


def test_futures_open_on_sunday_evening_and_pause_for_an_hour() -> None:
    sunday = date(2026, 11, 22)
    assert find_phase("CME", instant(sunday, time(17, 59))) == Phase.CLOSED
    assert find_phase("CME", instant(sunday, time(18))) == Phase.OPEN
    assert find_phase("CME", instant(date(2026, 11, 23), time(17, 30))) == Phase.CLOSED
    assert find_phase("CME", instant(date(2026, 11, 26), time(11))) == Phase.OPEN
    assert find_phase("CME", instant(date(2026, 12, 25), time(11))) == Phase.CLOSED
    session = current_session("CME", instant(sunday, time(18)))
    assert session is not None
    assert session.day == date(2026, 11, 23)


@given(DAYS)
def test_neighbours_are_neighbours(day: date) -> None:
    after = next_trading_day(day)
    assert previous_trading_day(after) <= day or not is_trading_day(day)
    if is_trading_day(day):
        assert previous_trading_day(after) == day
        session = find_session("Equity", day)
        assert session is not None
        assert session.start_s < session.open_s < session.close_s < session.extended_s
        assert session.close_s - session.open_s == (3.5 if is_half_day(day) else 6.5) * 3600
    for collection in ("Equity", "CME"):
        assert next_session(collection, day).day > day > previous_session(collection, day).day
