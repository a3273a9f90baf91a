from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.market.candles import MOST_CANDLES, list_history, parse_candle_symbol
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

START = 1_795_190_400.0
UNIVERSE = list_universe(date(2026, 11, 20))
PERIODS = ["15s", "m", "5m", "h", "4h", "d", "3d", "w", "mo", "3mo"]


@pytest.mark.parametrize(
    ("asked", "normal"),
    [
        ("SPY{=1d}", "SPY{=d}"),
        ("SPY{=d}", "SPY{=d}"),
        ("SPY{=5m,tho=true}", "SPY{=5m,tho=true}"),
        ("SPY{tho=true,=1h}", "SPY{=h,tho=true}"),
        ("SPY{=15s,price=mid,a=s}", "SPY{=15s,a=s,price=mid}"),
        ("/ESZ26:XCME{=1mo}", "/ESZ26:XCME{=mo}"),
    ],
)
def test_symbols_have_a_normal_form(asked: str, normal: str) -> None:
    parsed = parse_candle_symbol(asked)
    assert parsed is not None
    assert parsed.text == normal


@pytest.mark.parametrize("text", ["SPY", "SPY{}", "SPY{=5x}", "SPY{=0m}", "{=5m}", "SPY{=5m", ""])
def test_what_is_no_candle_symbol(text: str) -> None:
    assert parse_candle_symbol(text) is None


@given(st.sampled_from(PERIODS), st.integers(0, 2_000_000_000))
def test_an_instant_lies_in_its_candle(period: str, at: int) -> None:
    symbol = parse_candle_symbol(f"SPY{{={period}}}")
    assert symbol is not None
    start = symbol.align(at)
    assert start <= at
    assert symbol.align(start) == start
    assert symbol.align(start - 1) < start


@settings(max_examples=10)
@given(
    st.sampled_from(PERIODS), st.sampled_from(["SPY", "SPX", "BTC/USD:CXTALP"]), st.integers(0, 9)
)
def test_history_is_whole(period: str, base: str, minutes: int) -> None:
    market = Market(UNIVERSE, seed=3, now=START)
    for n in range(minutes * 4):
        market.advance(START + n * 15)
    book = market.find(base)
    symbol = parse_candle_symbol(f"{base}{{={period}}}")
    assert book is not None
    assert symbol is not None
    candles = list_history(book, symbol, START - 40 * symbol.period_s, market.now, 3)
    starts = [candle.start_s for candle in candles]
    assert starts == sorted(set(starts), reverse=True)
    assert starts[0] == symbol.align(market.now)
    assert starts[-1] >= START - 41 * symbol.period_s
    for candle in candles:
        assert candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
        assert candle.low > 0
    assert candles[0].close == book.last


def test_the_past_does_not_change() -> None:
    market = Market(UNIVERSE, seed=3, now=START)
    book, symbol = market.find("SPY"), parse_candle_symbol("SPY{=h}")
    assert book is not None
    assert symbol is not None
    before = list_history(book, symbol, START - 86_400, market.now, 3)[1:]
    market.advance(START + 60)
    assert list_history(book, symbol, START - 86_400, market.now, 3)[1:] == before


def test_history_has_a_beginning() -> None:
    market = Market(UNIVERSE, seed=3, now=START)
    book, symbol = market.find("SPY"), parse_candle_symbol("SPY{=m}")
    assert book is not None
    assert symbol is not None
    assert len(list_history(book, symbol, 0, market.now, 3)) == MOST_CANDLES


def test_the_day_is_the_day_of_the_summary() -> None:
    market = Market(UNIVERSE, seed=3, now=START)
    market.advance(START + 30)
    book, symbol = market.find("SPY"), parse_candle_symbol("SPY{=1d}")
    assert book is not None
    assert symbol is not None
    days = list_history(book, symbol, START - 14 * 86_400, market.now, 3)
    today = days[0]
    assert (today.open, today.high, today.low) == (book.day_open, book.day_high, book.day_low)
    assert all(datetime.fromtimestamp(day.start_s, UTC).weekday() < 5 for day in days)
