from datetime import date
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.market.corporate import (
    next_dividend,
    next_earnings,
    past_dividends,
    past_earnings,
)
from gateway.simulator.market.universe import list_universe

LISTED = list_universe(date(2026, 11, 20)).instruments


@settings(max_examples=50)
@given(st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.sampled_from(["AAPL", "KO", "JPM", "TSLA"]))
def test_reports_come_every_quarter(day: date, symbol: str) -> None:
    coming, past = next_earnings(LISTED[symbol], day), past_earnings(LISTED[symbol], day)
    assert coming is not None
    assert len(past) >= 8
    days = [coming.day, *(each.day for each in past)]
    assert days == sorted(set(days), reverse=True)
    assert past[0].day < day <= coming.day
    assert all(70 <= (late - early).days <= 110 for late, early in pairwise(days))


def test_funds_and_indices_report_nothing_and_some_pay_nothing() -> None:
    today = date(2026, 11, 20)
    assert next_earnings(LISTED["SPY"], today) is None
    assert next_earnings(LISTED["SPX"], today) is None
    assert next_dividend(LISTED["TSLA"], today) is None
    assert past_dividends(LISTED["TSLA"], today) == []
    coming = next_dividend(LISTED["KO"], today)
    assert coming is not None
    assert today <= coming.ex_day < coming.pay_day
    assert past_dividends(LISTED["KO"], today)[0].amount == coming.amount
