import re
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.market.universe import Kind, list_expiries, list_universe, third_friday

days = st.dates(date(2025, 1, 1), date(2031, 12, 31))
OPTION = re.compile(r"^\.[A-Z]+\d{6}[CP]\d+(\.\d)?$")


def test_what_november_2026_lists() -> None:
    universe = list_universe(date(2026, 11, 22))
    assert {"SPY", "QQQ", "SPX", "VIX", "/ESZ26:XCME", "/CLF27:XNYM", "BTC/USD:CXTALP"} <= set(
        universe.instruments
    )
    assert sum(item.kind is Kind.EQUITY for item in universe.instruments.values()) >= 40
    assert {".SPY261218C600", ".SPXW261218P6000", ".AAPL261218C227.5"} <= set(universe.options)
    assert universe.by_broker_symbol["/ESZ6"] == "/ESZ26:XCME"
    assert universe.by_broker_symbol["SPY   261218C00600000"] == ".SPY261218C600"


@settings(max_examples=25)
@given(days)
def test_futures_are_still_to_come(day: date) -> None:
    for item in list_universe(day).instruments.values():
        if item.kind is Kind.FUTURE:
            code, year = item.symbol.split(":")[0][-3], int(item.symbol.split(":")[0][-2:])
            month = "FGHJKMNQUVXZ".index(code) + 1
            assert (2000 + year, month) >= (day.year, day.month)
            assert (2000 + year) * 12 + month <= day.year * 12 + day.month + 4


@given(days, st.booleans())
def test_expiries_are_weekdays_to_come(day: date, daily: bool) -> None:
    expiries = list_expiries(day, daily)
    assert expiries == sorted(set(expiries))
    assert all(day <= expiry and expiry.weekday() < 5 for expiry in expiries)
    assert expiries[0] - day <= timedelta(days=6)
    assert any(expiry == third_friday(expiry.year, expiry.month) for expiry in expiries)


def test_every_option_has_a_valid_name_and_a_pair() -> None:
    universe = list_universe(date(2026, 11, 22))
    for option in universe.options.values():
        assert OPTION.match(option.symbol)
        assert len(option.occ) == 21
    calls = sum(option.is_call for option in universe.options.values())
    assert calls * 2 == len(universe.options)
