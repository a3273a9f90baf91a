"""Fills, orders and money: what is conserved, and what is reported in which order."""

from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.broker.books.amounts import cents
from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.books.opening import MAIN, RETIREMENT, open_first
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)
START = instant(TODAY, time(11))
UNIVERSE = list_universe(TODAY)
SYMBOLS = [
    "SPY",
    "AAPL",
    "DIS",
    "KO",
    "/ESZ26:XCME",
    "BTC/USD:CXTALP",
    ".SPY261218C600",
    ".SPY261218P560",
    "./ESZ26P5850:XCME",
]
TRADES = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        st.integers(-9, 9).filter(bool),
        st.integers(90, 110),
        st.floats(0, 5),
    ),
    max_size=12,
)


def make_ledger(seed: int = 7) -> tuple[Ledger, Market]:
    market = Market(UNIVERSE, seed=seed, now=START)
    return open_first(market), market


def trade(ledger: Ledger, symbol: str, quantity: int, price: Decimal, number: str = MAIN) -> int:
    action = "Buy to Open" if quantity > 0 else "Sell to Open"
    signed = -price if quantity > 0 else price
    order = ledger.place(number, [(action, symbol, Decimal(abs(quantity)))], price=signed)
    return ledger.fill(number, order.id).id


def read_worth(position: dict[str, Any]) -> Decimal:
    """What an independent reader computes from a row of REST."""
    sign = {"Long": 1, "Short": -1, "Zero": 0}[position["quantity-direction"]]
    mark = Decimal(position["mark-price"])
    if position["instrument-type"] == "Future":
        mark -= Decimal(position["average-daily-market-close-price"])
    quantity: Decimal = sign * Decimal(position["quantity"])
    return mark * quantity * int(position["multiplier"])


@settings(max_examples=8)
@given(st.integers(), st.floats(0.1, 60))
def test_value_is_cash_plus_positions_at_their_marks(seed: int, seconds: float) -> None:
    ledger, market = make_ledger(seed)
    market.advance(START + seconds)
    for number in ledger.accounts:
        balance = ledger.balance(number)
        total = Decimal(balance["cash-balance"])
        for position in ledger.positions(number):
            total += read_worth(position)
            assert Decimal(position["mark"]) == (
                Decimal(position["mark-price"])
                * Decimal(position["quantity"])
                * position["multiplier"]
            )
        assert Decimal(balance["net-liquidating-value"]) == cents(ledger.value(number))
        assert ledger.value(number) == pytest.approx(total, abs=Decimal("1e-5"))


@settings(max_examples=30, deadline=None)
@given(TRADES)
def test_money_is_conserved(trades: list[tuple[str, int, int, float]]) -> None:
    """What an account is worth changes by prices against the fill, and by fees; by nothing else."""
    ledger, market = make_ledger()
    market.set_mode("closed", START)
    account = ledger.accounts[MAIN]
    for symbol, quantity, percent, _ in trades:
        before, paid = ledger.value(MAIN), len(account.transactions)
        price = (market.mark(symbol) * percent / 100).quantize(Decimal("0.01"))
        trade(ledger, symbol, quantity, price)
        fees = sum(each.fees for each in list(account.transactions)[paid:])
        held = account.positions[symbol]
        expected = (market.mark(symbol) - price) * quantity * held.multiplier - fees
        assert ledger.value(MAIN) - before == pytest.approx(expected, abs=Decimal("1e-9"))


@settings(max_examples=30, deadline=None)
@given(TRADES)
def test_the_gain_of_the_day_is_what_the_account_gained(
    trades: list[tuple[str, int, int, float]],
) -> None:
    """Over all positions, closed ones too: what was gained today is what the value rose by."""
    ledger, market = make_ledger()
    account = ledger.accounts[MAIN]
    first_value = ledger.value(MAIN)
    first = sum(p.gain_today(market.mark(s), TODAY) for s, p in account.positions.items())
    done = len(account.transactions)
    now = START
    for symbol, quantity, percent, pause in trades:
        now += pause
        market.advance(now)
        trade(ledger, symbol, quantity, (market.mark(symbol) * percent / 100).quantize(Decimal(1)))
    last = sum(p.gain_today(market.mark(s), TODAY) for s, p in account.positions.items())
    fees = sum(each.fees for each in list(account.transactions)[done:])
    assert ledger.value(MAIN) - first_value == pytest.approx(
        last - first - fees, abs=Decimal("1e-9")
    )


def test_the_kinds_of_positions_that_there_are() -> None:
    ledger, _ = make_ledger()
    kinds = {position["instrument-type"] for position in ledger.positions(MAIN)}
    assert kinds == {"Equity", "Equity Option", "Future", "Future Option", "Cryptocurrency"}
    rows = {row["symbol"]: row for row in ledger.positions(MAIN)}
    assert rows["XLF"]["quantity-direction"] == "Zero"
    assert Decimal(rows["XLF"]["realized-today"]) > 0
    assert rows["XLF"]["realized-today-date"] == TODAY.isoformat()
    # Bought more today: the day's basis is neither the close nor the price paid.
    nvda = rows["NVDA"]
    assert nvda["quantity"] == "100"
    assert nvda["average-daily-market-close-price"] != nvda["close-price"]
    assert rows["/ESZ6"]["multiplier"] == 50
    assert (
        next(row for row in rows.values() if row["symbol"].startswith("TSLA1"))["multiplier"] == 150
    )
    assert [ledger.accounts[n].describe()["margin-or-cash"] for n in (MAIN, RETIREMENT)] == [
        "Margin",
        "Cash",
    ]


def test_a_fill_is_reported_as_order_positions_balance() -> None:
    ledger, _ = make_ledger()
    heard: list[tuple[str, dict[str, Any]]] = []
    ledger.on_change = lambda kind, number, body: heard.append((kind, body))
    legs = [
        ("Sell to Open", ".SPY261218P560", Decimal(2)),
        ("Buy to Open", ".SPY261218P550", Decimal(2)),
    ]
    order = ledger.place(MAIN, legs, price=Decimal("1.25"))
    assert [body["status"] for _, body in heard] == ["Received", "Routed", "In Flight", "Live"]
    heard.clear()
    ledger.fill(MAIN, order.id, quantity=Decimal(1))
    assert [kind for kind, _ in heard] == [
        "Order", "CurrentPosition", "CurrentPosition", "AccountBalance",
        "UnderlyingYearGainSummary", "OrderChain",
    ]  # fmt: skip
    body = heard[0][1]
    assert body["status"] == "Live"
    assert [leg["remaining-quantity"] for leg in body["legs"]] == [1, 1]
    heard.clear()
    ledger.fill(MAIN, order.id)
    assert [(kind, body.get("status")) for kind, body in heard[:2]] == [
        ("Order", "Live"),
        ("Order", "Filled"),
    ]
    fills = [leg["fills"][0] for leg in heard[1][1]["legs"]]
    assert Decimal(fills[0]["fill-price"]) - Decimal(fills[1]["fill-price"]) == Decimal("1.25")
    with pytest.raises(ValueError, match="left to fill"):
        ledger.fill(MAIN, order.id)


def test_what_was_realized_of_an_underlying_adds_up() -> None:
    ledger, _ = make_ledger()
    heard: list[dict[str, Any]] = []

    def listen(kind: str, number: str, body: dict[str, Any]) -> None:
        if kind == "UnderlyingYearGainSummary":
            heard.append(body)

    ledger.on_change = listen
    for quantity, price in ((10, 60), (-4, 61), (-6, 59)):
        trade(ledger, "KO", quantity, Decimal(price))
    gains = [(each["yearly-realized-gain"], each["yearly-realized-gain-effect"]) for each in heard]
    assert gains == [("0.0", "None"), ("4.0", "Credit"), ("2.0", "Debit")]
    assert heard[-1]["symbol"] == "KO"
    assert heard[-1]["fees-effect"] == "Debit"


def test_a_replacement_is_a_new_order_for_what_remained() -> None:
    ledger, _ = make_ledger()
    order = ledger.place(MAIN, [("Buy to Open", "KO", Decimal(100))], price=Decimal(-10))
    ledger.fill(MAIN, order.id, quantity=Decimal(40))
    new = ledger.replace(MAIN, order.id, price=Decimal(-11))
    old_body, body = order.describe(), new.describe()
    assert (old_body["status"], old_body["edited"], old_body["replacing-order-id"]) == (
        "Cancelled",
        True,
        new.id,
    )
    assert (body["status"], body["replaces-order-id"], body["size"]) == ("Live", order.id, 60)
    with pytest.raises(ValueError, match="is Cancelled"):
        ledger.cancel(MAIN, order.id)


def test_one_cancels_the_other_and_a_trigger_releases() -> None:
    ledger, _ = make_ledger()
    legs = [("Sell to Close", "AAPL", Decimal(10))]
    take = ledger.place(MAIN, legs, price=Decimal(900))
    loss = ledger.place(MAIN, legs, order_type="Stop", stop_trigger=Decimal(10))
    ledger.place_complex(MAIN, "OCO", [take, loss])
    ledger.fill(MAIN, take.id)
    assert (take.status, loss.status) == ("Filled", "Cancelled")
    trigger = ledger.place(MAIN, [("Buy to Open", "KO", Decimal(1))], price=Decimal(-1))
    after = ledger.place(
        MAIN, [("Sell to Close", "KO", Decimal(1))], price=Decimal(99), until="Contingent"
    )
    tied = ledger.place_complex(MAIN, "OTO", [after], trigger)
    assert after.describe()["contingent-status"] == "Pending Order"
    ledger.fill(MAIN, trigger.id)
    assert after.status == "Live"
    assert not tied.is_over


def test_the_market_fills_what_it_meets() -> None:
    ledger, market = make_ledger()
    assert ledger.match() == 0
    order = ledger.place(MAIN, [("Buy to Open", "KO", Decimal(10))], price=Decimal(-50))
    stop = ledger.place(
        MAIN, [("Sell to Open", "KO", Decimal(10))], order_type="Stop", stop_trigger=Decimal(45)
    )
    market.set_quote("KO", bid=49.98, ask=49.99, last=49.98)
    assert ledger.match() == 1
    assert order.legs[0].fills[0].price == Decimal("49.99")
    assert stop.status == "Live"
    market.set_quote("KO", bid=44.0, ask=44.01, last=44.0)
    ledger.match()
    assert stop.status == "Filled"
    market.set_mode("closed", START)
    last = ledger.place(MAIN, [("Buy to Open", "KO", Decimal(1))], order_type="Market")
    assert ledger.match() == 0
    assert last.status == "Live"


def test_a_night_settles_futures_and_clears_what_was_realized() -> None:
    ledger, market = make_ledger()
    order = ledger.place(MAIN, [("Buy to Open", "KO", Decimal(1))], price=Decimal(-1))
    market.set_mode("closed", START)
    market.now = START + timedelta(days=1).total_seconds()
    before, cash = ledger.value(MAIN), ledger.accounts[MAIN].cash
    future = ledger.accounts[MAIN].positions["/ESZ26:XCME"]
    gained = future.worth(market.mark("/ESZ26:XCME"))
    ledger.match()
    assert order.status == "Expired"
    assert ledger.value(MAIN) == pytest.approx(before, abs=Decimal("1e-9"))
    assert ledger.accounts[MAIN].cash == cash + gained
    rows = {row["symbol"]: row for row in ledger.positions(MAIN)}
    assert "XLF" not in rows
    assert {row["realized-today"] for row in rows.values()} == {"0.0"}


def test_money_from_outside_and_missing_fields() -> None:
    ledger, _ = make_ledger()
    before = ledger.value(MAIN)
    ledger.deposit(MAIN, Decimal("-250.25"))
    account = ledger.accounts[MAIN]
    account.omitted = {"net-liquidating-value"}
    assert ledger.value(MAIN) == before - Decimal("250.25")
    assert account.transactions[-1].describe()["value-effect"] == "Debit"
    assert account.deposits_since(START) == Decimal("-250.25")
    assert "net-liquidating-value" not in ledger.balance(MAIN)
    assert "net-liquidating-value" in ledger.balance(RETIREMENT)
    account.pending = Decimal(500)
    assert ledger.balance(MAIN)["pending-cash-effect"] == "Credit"
    assert ledger.value(MAIN) == before + Decimal("249.75")


def test_marks_only_when_asked() -> None:
    ledger, _ = make_ledger()
    assert not any("mark" in body for body in ledger.positions(MAIN, with_marks=False))


def test_an_unknown_account_or_symbol() -> None:
    ledger, _ = make_ledger()
    with pytest.raises(KeyError):
        ledger.balance("5WZ")
    with pytest.raises(KeyError):
        ledger.place(MAIN, [("Buy to Open", "NOPE", Decimal(1))])
