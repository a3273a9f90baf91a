"""Prices lie on ticks, and sizes are what somebody could trade."""

from datetime import date
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.market.ticks import (
    option_tick,
    quote_size,
    to_tick,
    trade_size,
    typical_volume,
)
from gateway.simulator.market.universe import Instrument, Option, list_universe

UNIVERSE = list_universe(date(2026, 11, 20))
ITEMS = sorted(UNIVERSE.instruments.values(), key=lambda each: each.symbol)
OPTIONS = [UNIVERSE.options[symbol] for symbol in sorted(UNIVERSE.options)]


@given(st.sampled_from(ITEMS), st.floats(0.5, 2.0))
def test_a_price_goes_to_the_nearest_tick(item: Instrument, factor: float) -> None:
    price = item.price * factor
    on_tick = to_tick(price, item)
    assert Decimal(str(on_tick)) % Decimal(str(item.tick)) == 0
    assert abs(on_tick - price) <= item.tick / 2 * 1.001
    assert to_tick(on_tick, item) == on_tick


@given(st.sampled_from(OPTIONS), st.floats(0, 900))
def test_an_option_costs_a_tick_at_least(option: Option, price: float) -> None:
    on_tick = option_tick(option, price)
    tick = option.tick if price < 3 else option.tick_above
    assert on_tick >= tick
    assert Decimal(str(on_tick)) % Decimal(str(tick)) == 0


@pytest.mark.parametrize("item", ITEMS, ids=lambda each: each.symbol)
def test_sizes_are_above_zero(item: Instrument) -> None:
    random = Random(7)
    assert min(quote_size(random, item) for _ in range(50)) > 0
    assert min(trade_size(random, item) for _ in range(50)) > 0
    assert typical_volume(item) >= 0
