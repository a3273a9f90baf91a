"""The net liquidating value between two readings."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.portfolio.net_liq import LiveNetLiq

symbols = st.sampled_from(["AAPL", "SPY", "/ESZ6"])
values = st.dictionaries(symbols, st.decimals(-10_000, 10_000, places=2))


def test_it_moves_with_the_positions_and_yields_to_the_broker() -> None:
    account = LiveNetLiq()
    assert account.live({"AAPL": Decimal(100)}) is None
    assert account.read(Decimal(1000), {"AAPL": Decimal(100)}) is None
    assert account.live({"AAPL": Decimal(130)}) == 1030
    assert account.read(Decimal(1031), {"AAPL": Decimal(130)}) == 1, "dividends, say"
    assert account.live({"AAPL": Decimal(130)}) == 1031


def test_what_is_bought_since_the_reading_was_paid_in_cash() -> None:
    account = LiveNetLiq()
    account.read(Decimal(1000), {"AAPL": Decimal(100)})
    assert account.live({"AAPL": Decimal(100), "SPY": Decimal(600)}) == 1000
    assert account.live({}) == 1000


@given(st.decimals(0, 1_000_000, places=2), values, values)
def test_at_a_reading_it_is_the_brokers_figure(
    reported: Decimal, before: dict[str, Decimal], now: dict[str, Decimal]
) -> None:
    account = LiveNetLiq()
    account.read(reported, before)
    assert account.live(before) == reported
    drift = account.read(reported + 5, now)
    assert drift is not None
    assert account.live(now) == reported + 5
