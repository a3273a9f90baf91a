"""Decimals by instrument: cells keep their width, and nothing is rounded away."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.rendering.formats import MAX_DECIMALS_BELOW_ONE, MINUS, format_number
from gateway.pages.rendering.ticks import FUTURES, decimals_for
from gateway.simulator.market.universe import Kind, list_universe

TICKS = {f"/{root}Z26:XCME": Decimal(tick) for root, tick in FUTURES.items()}


def read(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace(MINUS, "-"))


@pytest.mark.parametrize(
    ("symbol", "prices", "decimals"),
    [
        ("SPY", ["600.25", "600.2"], 2),
        ("SPY", ["600.2550"], 3),
        ("SPX", ["6004.6"], 2),
        ("PENNY", ["0.5"], 4),
        ("PENNY", ["0.5123", "1.02"], 4),
        ("PENNY", [None, "0"], 2),
        (".SPY261218C600", ["0.05"], 2),
        (".SPXW260318C7015", [None, "0.1"], 2),
        ("/ESZ26:XCME", ["6021"], 2),
        ("/ZBZ26:XCBT", ["117"], 5),
        ("/ZNZ26:XCBT", ["110.5"], 6),
        ("/ZTZ26:XCBT", ["103.5", "103.50390625"], 8),
        ("/ZTZ26:XCBT{=5m}", ["103.5"], 8),
        ("/6JZ26:XCME", ["0.0065"], 7),
        ("/NEWZ26:XCME", ["1.2345"], 4),
        ("BTC/USD:CXTALP", ["98250.5"], 2),
        ("DOGE/USD:CXTALP", ["0.38"], 4),
        ("SHIB/USD:CXTALP", ["0.0000245"], 8),
    ],
)
def test_decimals(symbol: str, prices: list[str | None], decimals: int) -> None:
    assert decimals_for(symbol, *(Decimal(each) if each else None for each in prices)) == decimals


@given(
    st.sampled_from(sorted(TICKS)),
    st.lists(st.integers(-(10**5), 10**5), min_size=1, max_size=6),
)
def test_every_price_of_a_future_is_shown_whole_and_as_wide_as_every_other(
    symbol: str, counts: list[int]
) -> None:
    prices = [count * TICKS[symbol] for count in counts]
    decimals = decimals_for(symbol, *prices)
    assert decimals == decimals_for(symbol)
    assert [read(format_number(each, decimals)) for each in prices] == prices


@given(
    st.sampled_from(["SPY", "SPX", ".SPY261218C600", "BTC/USD:CXTALP"]),
    st.lists(st.integers(100, 10**8), min_size=1, max_size=6),
)
def test_prices_in_cents_have_two_decimals_whatever_they_are(
    symbol: str, counts: list[int]
) -> None:
    prices = [Decimal(count).scaleb(-2) for count in counts]
    assert decimals_for(symbol, *prices) == 2
    assert [read(format_number(each, 2)) for each in prices] == prices


@given(st.lists(st.integers(1, 9_999), min_size=1, max_size=6))
def test_stocks_below_a_dollar_have_four(counts: list[int]) -> None:
    prices = [Decimal(count).scaleb(-4) for count in counts]
    assert decimals_for("PENNY", *prices) == 4
    assert [read(format_number(each, 4)) for each in prices] == prices


@given(
    st.sampled_from([*TICKS, "SPY", "BTC/USD:CXTALP", ".SPY261218C600", "", "/", "./"]),
    st.lists(st.none() | st.decimals(), max_size=6),
)
def test_decimals_stay_within_bounds(symbol: str, prices: list[Decimal | None]) -> None:
    assert 2 <= decimals_for(symbol, *prices) <= MAX_DECIMALS_BELOW_ONE


def test_the_ticks_are_those_of_the_simulated_exchange() -> None:
    """Two tables, written apart."""

    futures = [
        item
        for item in list_universe(date(2026, 11, 20)).instruments.values()
        if item.kind is Kind.FUTURE
    ]
    assert futures
    for item in futures:
        assert TICKS[f"/{item.name[1:-2]}Z26:XCME"] == Decimal(str(item.tick))
