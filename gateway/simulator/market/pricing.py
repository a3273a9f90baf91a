"""Black-Scholes with a dividend yield, and the volatility smile of the simulated market; pure.

Source: Black and Scholes (1973) in Merton's form with a continuous yield. Theta is per calendar
day, vega and rho per one percentage point, as dxFeed's Greeks event documents them.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

RATE = 0.04  # one flat riskless rate, per year
YEAR_S = 365.0 * 86_400.0
SHORTEST_S = 300.0  # an option in its last minutes is priced as if five remained: no division by 0
NEW_YORK = ZoneInfo("America/New_York")
SKEW = -0.16  # volatility per unit of standardised log-moneyness; puts below the money cost more
CURVATURE = 0.035
STEEPEST = 3.0  # standard deviations beyond which the smile stays flat


@dataclass(frozen=True, slots=True)
class Theoretical:
    """Price and sensitivities of one option at one instant."""

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


def years_until(expiry: date, now: float) -> float:
    """Return the years from `now` (epoch seconds) to 16:00 New York on the expiry."""
    return max(expiry_s(expiry) - now, SHORTEST_S) / YEAR_S


def expiry_s(expiry: date) -> float:
    """Return the epoch second at which the options of a day stop trading."""
    return datetime.combine(expiry, time(16), NEW_YORK).astimezone(UTC).timestamp()


def find_volatility(at_the_money: float, spot: float, strike: float, years: float) -> float:
    """Return the implied volatility of a strike; the same for its call and its put."""
    width = at_the_money * math.sqrt(max(years, 1 / 52))
    moneyness = math.log(strike / spot) / width
    moneyness = max(-STEEPEST, min(STEEPEST, moneyness))
    factor = 1.0 + SKEW * moneyness + CURVATURE * moneyness * moneyness
    return at_the_money * max(0.5, factor)


def find_term_volatility(base: float, years: float) -> float:
    """Return the at-the-money volatility of an expiry: a little higher in front."""
    return base * (1.0 + 0.12 * math.exp(-years * 12.0))


def price_option(
    is_call: bool, spot: float, strike: float, years: float, volatility: float, dividend: float
) -> Theoretical:
    """Return price and greeks of a European option."""
    root = math.sqrt(years)
    deviation = volatility * root
    carried = spot * math.exp(-dividend * years)
    owed = strike * math.exp(-RATE * years)
    d1 = math.log(carried / owed) / deviation + deviation / 2
    d2 = d1 - deviation
    n1, n2 = _cumulative(d1), _cumulative(d2)
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    gamma = math.exp(-dividend * years) * density / (spot * deviation)
    decay = -carried * density * volatility / (2 * root)
    vega = carried * density * root / 100
    if is_call:
        price = carried * n1 - owed * n2
        delta = math.exp(-dividend * years) * n1
        theta = decay - RATE * owed * n2 + dividend * carried * n1
        rho = owed * years * n2 / 100
    else:
        price = owed * (1 - n2) - carried * (1 - n1)
        delta = -math.exp(-dividend * years) * (1 - n1)
        theta = decay + RATE * owed * (1 - n2) - dividend * carried * (1 - n1)
        rho = -owed * years * (1 - n2) / 100
    return Theoretical(max(price, 0.0), delta, gamma, theta / 365, vega, rho)


def _cumulative(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
