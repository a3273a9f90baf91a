import re
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.market.calendar import is_trading_day, monthly_expiry
from gateway.simulator.market.universe import Kind, list_expiries, list_universe

days = st.dates(date(2025, 1, 1), date(2031, 12, 31))
OPTION = re.compile(r"^\.[A-Z]+1?\d{6}[CP]\d+(\.\d)?$")


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
            assert (2000 + year) * 12 + month <= day.year * 12 + day.month + 7


@given(days, st.booleans())
def test_expiries_are_weekdays_to_come(day: date, daily: bool) -> None:
    expiries = list_expiries(day, daily)
    assert expiries == sorted(set(expiries))
    assert all(day <= expiry and is_trading_day(expiry) for expiry in expiries)
    assert expiries[0] - day <= timedelta(days=7)
    assert any(expiry == monthly_expiry(expiry.year, expiry.month) for expiry in expiries)


def test_every_option_has_a_valid_name_and_a_pair() -> None:
    universe = list_universe(date(2026, 11, 22))
    for option in universe.options.values():
        assert OPTION.match(option.symbol)
        assert len(option.occ) == 21
    calls = sum(option.is_call for option in universe.options.values())
    assert calls * 2 == len(universe.options)


def test_an_index_has_two_roots_and_a_split_leaves_an_adjusted_one() -> None:
    universe = list_universe(date(2026, 11, 22))
    assert [chain.root for chain in universe.chains["SPX"]] == ["SPX", "SPXW"]
    morning = universe.options[".SPX261218C6000"]
    evening = universe.options[".SPXW261218C6000"]
    assert morning.stops_s < morning.expires_s < evening.expires_s
    adjusted = universe.chains["TSLA"][1]
    assert (adjusted.root, adjusted.kind, adjusted.options[0].multiplier) == (
        "TSLA1",
        "Non-standard",
        150,
    )


def test_options_on_futures() -> None:
    universe = list_universe(date(2026, 11, 22))
    option = universe.future_options["./EW1Z26C6000:XCME"]
    assert option.occ == "./ESZ6 EW1Z6 261204C6000"
    assert universe.by_broker_symbol[option.occ] == option.symbol
    assert (option.underlying, option.multiplier) == ("/ESZ26:XCME", 50)
    quarterly = universe.future_options["./ESZ26C6000:XCME"]
    assert quarterly.is_am
    assert {chain.root for chain in universe.future_chains["/CL"]} == {"LO"}


@settings(max_examples=25)
@given(days)
def test_options_expire_before_what_they_are_on(day: date) -> None:
    universe = list_universe(day)
    for option in universe.future_options.values():
        contract = universe.instruments[option.underlying].contract
        assert contract is not None
        assert day <= option.expiry <= contract.expiry


def test_expiries_know_holidays_half_days_and_daylight_saving() -> None:
    june = list_universe(date(2026, 6, 1)).options
    assert not any(option.expiry == date(2026, 6, 19) for option in june.values())
    assert datetime.fromtimestamp(june[".SPY260618C600"].expires_s, UTC).hour == 20
    november = list_universe(date(2026, 11, 22)).options
    assert datetime.fromtimestamp(november[".SPY261127C600"].expires_s, UTC).hour == 18
    assert datetime.fromtimestamp(november[".SPY261218C600"].expires_s, UTC).hour == 21
