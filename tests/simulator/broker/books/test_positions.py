"""The two bases of a position; the worked examples are rows that were seen."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.books.positions import Position
from gateway.simulator.market.universe import Kind

TODAY = date(2026, 11, 20)
D = Decimal


def make_position(quantity: int, paid: str, close: str, kind: Kind = Kind.EQUITY) -> Position:
    multiplier = {Kind.OPTION: 100, Kind.FUTURE: 50}.get(kind, 1)
    basis = D(paid), D(close), D(paid), D(close)
    return Position("X", kind, multiplier, 1.0, D(quantity), *basis)


def test_an_add_mixes_the_close_and_the_price_paid() -> None:
    held = make_position(100, "190", "200")
    held.fill(D(50), D(206), 2.0, TODAY)
    assert held.average_daily == D(202)
    assert held.gain_today(D(205), TODAY) == D(450)


def test_a_sale_of_what_was_bought_today_is_against_the_price_paid() -> None:
    held = Position("IAU", Kind.EQUITY, 1, 0.0)
    held.fill(D(50), D("37.51"), 2.0, TODAY)
    held.fill(D(-30), D("37.3529"), 3.0, TODAY)
    assert held.realized_today == held.realized_day == D("-4.713")
    assert held.gain_today(D("37.60"), TODAY) == D("0.09") * 20 - D("4.713")


def test_shorts_have_their_own_sign() -> None:
    held = make_position(-40, "0.79", "0.41", Kind.OPTION)
    assert held.gain_today(D("0.35"), TODAY) == D(240)
    assert held.worth(D("0.35")) == D(-1400)


def test_a_future_is_worth_its_move_since_settlement() -> None:
    held = make_position(2, "5990.50", "6010.00", Kind.FUTURE)
    assert held.worth(D("6021.25")) == held.gain_today(D("6021.25"), TODAY) == D("1125")
    assert held.fill(D(-1), D("6021.25"), 2.0, TODAY) == D("562.5")
    assert held.end_day(D("6030")) == D(1000)
    assert held.worth(D("6030")) == 0


def test_crossing_zero_closes_and_opens() -> None:
    held = make_position(10, "100", "110")
    held.fill(D(-25), D(120), 2.0, TODAY)
    assert (held.quantity, held.average_open, held.average_daily) == (D(-15), D(120), D(120))
    assert (held.realized_today, held.realized_day) == (D(200), D(100))


def test_realized_gains_are_of_their_day() -> None:
    held = make_position(10, "100", "110")
    held.fill(D(-5), D(120), 2.0, TODAY)
    assert held.gain_today(D(110), date(2026, 11, 23)) == 0
    held.fill(D(-1), D(110), 3.0, date(2026, 11, 23))
    assert held.realized_day == 0


@given(
    st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.decimals(1, 999, places=2))),
    st.sampled_from([Kind.EQUITY, Kind.OPTION, Kind.FUTURE]),
    st.decimals(1, 999, places=2),
)
def test_cash_and_worth_together_are_the_gain(
    fills: list[tuple[int, Decimal]], kind: Kind, mark: Decimal
) -> None:
    held = make_position(0, "0", "0", kind)
    cash = sum((held.fill(D(count), price, 1.0, TODAY) for count, price in fills), D(0))
    gained = cash + held.worth(mark)
    expected = sum((mark - price) * count * held.multiplier for count, price in fills)
    assert abs(gained - expected) < D("1e-9")
    assert abs(held.gain_today(mark, TODAY) - expected) < D("1e-9")
