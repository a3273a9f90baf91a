import math
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.market.pricing import (
    RATE,
    expiry_s,
    find_term_volatility,
    find_volatility,
    price_option,
    years_until,
)

spots = st.floats(20, 8_000)
moneyness = st.floats(0.6, 1.6)
years = st.floats(0.002, 2.0)
volatilities = st.floats(0.08, 1.2)
dividends = st.floats(0, 0.06)


@given(spots, moneyness, years, volatilities, dividends)
def test_call_and_put_are_in_parity(
    spot: float, ratio: float, life: float, volatility: float, dividend: float
) -> None:
    strike = spot * ratio
    call = price_option(True, spot, strike, life, volatility, dividend)
    put = price_option(False, spot, strike, life, volatility, dividend)
    forward = spot * math.exp(-dividend * life) - strike * math.exp(-RATE * life)
    assert call.price - put.price == pytest.approx(forward, abs=1e-6 * spot)
    assert call.delta - put.delta == pytest.approx(math.exp(-dividend * life))
    assert call.gamma == put.gamma >= 0
    assert call.vega == put.vega >= 0


@given(spots, st.floats(0.85, 1.15), st.floats(0.02, 1.0), st.floats(0.1, 0.8), st.booleans())
def test_greeks_are_the_slopes_of_the_price(
    spot: float, ratio: float, life: float, volatility: float, is_call: bool
) -> None:
    def price(s: float = spot, t: float = life, v: float = volatility) -> float:
        return price_option(is_call, s, spot * ratio, t, v, 0.01).price

    theory = price_option(is_call, spot, spot * ratio, life, volatility, 0.01)
    step = spot * 1e-4
    assert theory.delta == pytest.approx(
        (price(spot + step) - price(spot - step)) / 2 / step, abs=1e-3
    )
    assert theory.vega == pytest.approx(
        (price(v=volatility + 1e-4) - price(v=volatility - 1e-4)) / 2e-4 / 100, rel=1e-2, abs=1e-5
    )
    day = 1 / 365
    assert theory.theta == pytest.approx(
        (price(t=life - day / 100) - price(t=life)) * 100, rel=2e-2, abs=spot * 1e-5
    )


@given(spots, st.floats(0.5, 2.0), years, volatilities)
def test_the_smile_is_positive_and_steeper_below(
    spot: float, ratio: float, life: float, volatility: float
) -> None:
    smile = find_volatility(volatility, spot, spot * ratio, life)
    assert smile >= volatility * 0.5
    if ratio < 0.99:
        assert smile > find_volatility(volatility, spot, spot, life)


def test_an_expired_option_still_has_a_price() -> None:
    after = datetime(2026, 12, 19, tzinfo=UTC).timestamp()
    life = years_until(date(2026, 12, 18), after)
    assert life > 0
    assert price_option(True, 600, 500, life, 0.2, 0.0).price == pytest.approx(100, abs=0.01)


def test_options_stop_at_four_in_new_york() -> None:
    assert expiry_s(date(2026, 12, 18)) == datetime(2026, 12, 18, 21, tzinfo=UTC).timestamp()
    assert expiry_s(date(2026, 7, 17)) == datetime(2026, 7, 17, 20, tzinfo=UTC).timestamp()


def test_the_front_is_a_little_higher() -> None:
    assert find_term_volatility(0.2, 0.02) > find_term_volatility(0.2, 0.5) > 0.2
