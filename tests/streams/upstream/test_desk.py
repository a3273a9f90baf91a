"""What is held, valued: against an independent reader, over a day, through the real sockets."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.streams.account_records import PositionUpdate
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import opening
from gateway.streams.hub.subscription import subscription_for
from gateway.streams.topics import MAIN_LOGIN, Owner, account_topic
from gateway.streams.upstream.instruments import Instrument, InstrumentKey
from gateway.streams.upstream.rows import read_order
from tests.simulation import Simulator
from tests.streams.running import Running, running
from tests.streams.samples import make_quote
from tests.streams.upstream.deskwork import ACCOUNT, TODAY, Stage, make_row
from tests.waiting import eventually

CENT = Decimal("0.01")


def test_a_position_is_valued_as_it_comes_and_as_its_price_moves() -> None:
    stage = Stage()
    stage.read(make_row("AAPL", -10))
    held = stage.held("AAPL")
    assert [held.quantity, held.value, held.pnl_open] == [-10, None, None]
    stage.hub.publish(make_quote("AAPL", 105))
    stage.tick()
    held = stage.held("AAPL")
    assert [held.mark, held.mark_source] == [105, "last"]
    assert [held.value, held.pnl_open, held.pnl_day] == [-1050, -50, -40]
    assert held.description == "AAPL"


def test_what_does_not_change_is_not_published_again() -> None:
    stage = Stage()
    stage.read(make_row())
    stage.hub.publish(make_quote("AAPL", 105))
    stage.settle()
    published = stage.hub.published
    stage.settle()
    assert stage.hub.published == published
    stage.hub.publish(make_quote("AAPL", 105, volume=Decimal(7)))  # nothing that it is valued with
    stage.settle()
    assert stage.hub.published == published + 1


def test_a_position_that_is_sold_elsewhere_is_removed() -> None:
    stage = Stage()
    stage.read(make_row(), make_row("KO", 5))
    known = stage.hub.last_event_id
    stage.now_s += 30
    stage.read(make_row("KO", 5))
    assert stage.position("AAPL") is None
    assert stage.position("KO") is not None
    subscription = subscription_for(
        types=frozenset({"position_update"}), owners=[Owner(MAIN_LOGIN, ACCOUNT)]
    )
    _, entries, _ = opening(stage.hub, subscription, known)
    assert b"event: removed" in b"".join(each.frame for each in entries)


def test_a_position_closed_today_keeps_its_gains_until_new_yorks_midnight() -> None:
    stage = Stage()
    gains = {
        "realized-day-gain": "12.50",
        "realized-day-gain-effect": "Credit",
        "realized-day-gain-date": TODAY,
        "realized-today": "3.00",
        "realized-today-effect": "Debit",
        "realized-today-date": TODAY,
    }
    stage.read(make_row("AAPL", 0, **gains))
    stage.settle()
    held = stage.held("AAPL")
    assert [held.quantity, held.pnl_day, held.pnl_open] == [0, Decimal("12.50"), Decimal(-3)]
    assert stage.portfolio().pnl_day == Decimal("12.50")
    stage.now_s += 30
    stage.read()  # the broker lists it no more
    assert stage.position("AAPL") is not None
    stage.tick(timedelta(hours=11, minutes=59).total_seconds() - 32)
    assert stage.position("AAPL") is not None
    stage.tick(120)
    stage.settle()
    assert stage.position("AAPL") is None
    assert stage.portfolio().pnl_day == 0
    stage.read(make_row("AAPL", 0, **gains))  # still listed: it is of yesterday
    assert stage.position("AAPL") is None


def test_net_liq_is_the_brokers_moved_by_the_positions_since() -> None:
    stage = Stage()
    stage.read(make_row("AAPL", 10))
    stage.hub.publish(make_quote("AAPL", 100))
    stage.settle()
    stage.balance(5000)
    stage.hub.publish(make_quote("AAPL", 103))
    stage.settle()
    portfolio = stage.portfolio()
    assert [portfolio.net_liq, portfolio.net_liq_reported] == [5030, 5000]
    stage.balance(5020)
    stage.settle()
    assert stage.portfolio().net_liq == 5020
    assert stage.desk.drift == Decimal(10) / 5020
    assert stage.portfolio().day_change is None


def test_a_position_without_a_mark_is_in_no_sum_and_counted() -> None:
    stage = Stage()
    stage.read(make_row("AAPL", 10), make_row("KO", 5))
    stage.hub.publish(make_quote("KO", 60))
    stage.settle()
    assert [stage.portfolio().value, stage.portfolio().unknown] == [300, 1]


def test_a_stale_price_makes_a_stale_position_and_portfolio() -> None:
    stage = Stage()
    stage.read(make_row("AAPL", 10))
    stage.hub.publish(make_quote("AAPL", 100))
    stage.settle()
    assert not stage.held("AAPL").stale
    stage.hub.mark_stale()
    stage.settle()
    assert stage.held("AAPL").stale
    assert stage.portfolio().stale
    assert stage.held("AAPL").mark == 100


def test_positions_and_orders_that_cannot_be_read_are_stale_each_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.read(make_row("AAPL", 10))
    stage.hub.publish(make_quote("AAPL", 100))
    row = {"id": 7, "account-number": ACCOUNT, "status": "Live"}
    stage.holdings.on_orders(stage.holdings.orders.push(read_order(row), stage.now_s))
    stage.settle()
    for what, stale in (("orders", [False, True]), ("positions", [True, False])):
        monkeypatch.setattr(stage.holdings, "is_stale", lambda account, kind, w=what: kind == w)
        stage.settle()
        order = stage.order("7")
        assert order is not None
        assert [stage.held("AAPL").stale, order.stale] == stale


def test_held_symbols_their_underlyings_and_spy_are_followed_first() -> None:
    now_s = 0.0
    demand = Demand(max_symbols=4, now_s=lambda: now_s)
    stage = Stage(demand=demand)
    option = make_row(
        "IWM   261218P00227500",
        -2,
        instrument_type="Equity Option",
        underlying_symbol="IWM",
        multiplier=100,
        streamer_symbol=".IWM261218P227.5",
    )
    key = InstrumentKey("Equity", "IWM")
    stage.instruments.learn([Instrument(key=key, streamer_symbol="IWM")])
    stage.read(option)
    assert demand.wanted == {".IWM261218P227.5", "IWM", "SPY"}
    assert stage.held("IWM   261218P00227500").description == "IWM 18 Dec 26 227.5 P"
    stage.now_s += 30
    stage.read(option, make_row("KO"), make_row("PEP"))
    assert demand.wanted == {".IWM261218P227.5", "KO", "PEP", "SPY"}
    assert stage.desk.report().not_followed == 1
    stage.now_s += 30
    stage.read(make_row("KO"))
    assert demand.count("KO") == 1
    assert demand.count("PEP") == 0


def test_a_symbol_is_mapped_and_never_taken_apart() -> None:
    """Two-digit fractions and adjusted roots are what taking apart gets wrong."""
    stage = Stage()
    symbol = "F     261218C00012750"
    stage.read(
        make_row(symbol, 1, instrument_type="Equity Option", streamer_symbol=None, multiplier=100)
    )
    assert stage.held(symbol).symbol is None
    key = InstrumentKey("Equity Option", symbol)
    stage.instruments.learn([Instrument(key=key, streamer_symbol=".F261218C12.75")])
    stage.instruments.on_found()
    stage.settle()
    assert stage.held(symbol).symbol == ".F261218C12.75"


PRICES = st.decimals("0.01", "5000", places=2)
UNKNOWN_PRICES = st.one_of(st.none(), PRICES)


@settings(max_examples=1000)
@given(
    st.lists(
        st.tuples(
            st.integers(-500, 500),  # quantity
            PRICES,  # average open
            UNKNOWN_PRICES,  # basis of the day
            UNKNOWN_PRICES,  # last
            st.sampled_from([1, 10, 100, 150]),
            st.decimals("-900", "900", places=2),  # realized today
        ),
        max_size=12,
    )
)
def test_random_portfolios_are_what_an_independent_reader_computes(rows: list[Any]) -> None:
    stage = Stage()
    bodies: list[dict[str, Any]] = []
    want: list[Any] = []
    for number, (quantity, opened, basis, last, multiplier, realized) in enumerate(rows):
        bodies.append(
            make_row(
                f"S{number}",
                quantity,
                average_open_price=str(opened),
                average_daily_market_close_price=None if basis is None else str(basis),
                multiplier=multiplier,
                realized_day_gain=str(abs(realized)),
                realized_day_gain_effect="Debit" if realized < 0 else "Credit",
                realized_day_gain_date=TODAY,
            )
        )
        if last is not None:
            stage.hub.publish(make_quote(f"S{number}", last))
        value = open_ = day = None
        if quantity == 0:
            value, open_, day = Decimal(0), Decimal(0), realized
        elif last is not None:
            value, open_ = last * quantity * multiplier, (last - opened) * quantity * multiplier
            day = None if basis is None else (last - basis) * quantity * multiplier + realized
        want.append((value, open_, day))
    stage.read(*bodies)
    stage.settle()
    found = [stage.held(f"S{number}") for number in range(len(rows))]
    assert [(each.value, each.pnl_open, each.pnl_day) for each in found] == want
    portfolio = stage.portfolio()
    known = [each for each in want if each[0] is not None]
    assert portfolio.unknown == len(want) - len(known)
    assert portfolio.value == sum(each[0] for each in known)
    assert portfolio.pnl_open == sum(each[1] for each in known)
    assert portfolio.pnl_day == sum(each[2] or 0 for each in known)


# --- The real sockets ----------------------------------------------------------------------------


def list_positions(up: Running, account: str) -> list[PositionUpdate]:
    return [
        each
        for each in up.hub.records()
        if isinstance(each, PositionUpdate) and each.account == account
    ]


async def read_rows(up: Running, account: str) -> dict[str, dict[str, Any]]:
    sdk = await up.upstream.session.ready()
    path = f"/accounts/{account}/positions?include-marks=true&include-closed-positions=true"
    data: dict[str, Any] = await sdk._get(path)
    return {each["symbol"]: each for each in data["items"]}


def compute(row: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Open and day's gain by the broker's published formulas, from nothing but its row."""
    sign = {"Long": 1, "Short": -1, "Zero": 0}[row["quantity-direction"]]
    units = Decimal(str(row["quantity"])) * Decimal(str(row["multiplier"])) * sign
    mark = Decimal(row["mark-price"])

    def realized(name: str) -> Decimal:
        return Decimal(row[name]) * (-1 if row[f"{name}-effect"] == "Debit" else 1)

    open_ = (mark - Decimal(row["average-open-price"])) * units + realized("realized-today")
    day = (mark - Decimal(row["average-daily-market-close-price"])) * units
    return open_, day + realized("realized-day-gain")


@pytest.mark.parametrize("market", ["open", "closed"])
async def test_every_gain_is_to_the_cent_what_the_broker_would_say(
    simulator: Simulator, market: str
) -> None:
    """Frozen while it is compared, so that both look at one instant."""
    if market == "closed":
        await simulator.control("market", open=False)
    try:
        async with running(simulator.settings(market=market)) as up:
            for account in simulator.hello["accounts"]:
                await eventually(partial(list_positions, up, account), 10)
                symbols = [each.symbol for each in list_positions(up, account)]
                await simulator.control("freeze", symbols=symbols)
                rows = await read_rows(up, account)

                def agree(account: str = account, rows: Any = rows) -> bool:
                    records = list_positions(up, account)
                    assert len(records) == len(rows)
                    for each in records:
                        open_, day = compute(rows[each.broker_symbol])
                        assert each.pnl_open is not None, each.broker_symbol
                        assert each.pnl_day is not None, each.broker_symbol
                        assert abs(each.pnl_open - open_) < CENT, each
                        assert abs(each.pnl_day - day) < CENT, each
                        assert each.mark_source != "rest", each
                    return True

                await eventually(agree, 10)
    finally:
        await simulator.control("market", open=True)


async def test_a_fill_changes_everything_within_a_second_and_nothing_twice(
    simulator: Simulator,
) -> None:
    account = simulator.hello["accounts"][0]
    async with running(simulator.settings()) as up:

        def position() -> PositionUpdate | None:
            record = up.hub.latest(account_topic("position_update", account, "AMD"))
            return record if isinstance(record, PositionUpdate) else None

        def cash() -> Decimal:
            return {each.account: each.cash for each in up.hub.balances()}[account] or Decimal(0)

        def is_filled() -> bool:
            record: Any = up.hub.latest(account_topic("order_update", account, str(order)))
            return record is not None and record.status == "Filled" and not record.is_working

        await eventually(lambda: list_positions(up, account), 10)
        await eventually(lambda: up.upstream.accounts.connects, 10)
        legs = [{"action": "Buy to Open", "symbol": "AMD", "quantity": 7}]
        body: Any = {"account": account, "legs": legs, "price": "-20.00"}
        order = (await simulator.control("order", **body))["done"]
        held = position()
        before = Decimal(0) if held is None else held.quantity
        want = cash() - 140
        await simulator.control("order", do="fill", account=account, id=order)
        await eventually(lambda: (p := position()) and p.quantity == before + 7, 1)
        await eventually(is_filled, 1)
        await eventually(lambda: want - 2 < cash() < want, 1)  # and the fees
        await eventually(lambda: (p := position()) and p.mark is not None, 10)
