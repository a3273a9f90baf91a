"""Positions from readings and pushes, in any order."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.portfolio.holding import Holding
from gateway.streams.upstream.position_book import NO_CHANGES, PositionBook, PositionKey
from gateway.streams.upstream.rows import PositionRow

ACCOUNTS = ("5WX00001", "5WX00002")
SYMBOLS = ("AAPL", "SPY", "/ESZ6")
TODAY = date(2026, 11, 20)
START = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def make_row(
    symbol: str = "AAPL",
    quantity: int = 1,
    version: int = 0,
    account: str = ACCOUNTS[0],
    **more: Any,
) -> PositionRow:
    holding = Holding(
        broker_symbol=symbol,
        instrument_type="Equity",
        underlying=symbol,
        quantity=Decimal(quantity),
        direction="Long" if quantity else "Zero",
        **more,
    )
    return PositionRow(
        account=account,
        holding=holding,
        streamer_symbol=None,
        close_price=None,
        updated_at=START + timedelta(seconds=version),
    )


KEY = PositionKey(ACCOUNTS[0], "AAPL")


def test_a_push_while_a_reading_is_on_its_way_wins() -> None:
    book = PositionBook()
    book.read(ACCOUNTS[0], [make_row(quantity=1)], asked_s=1.0)
    assert book.push(make_row(quantity=3, version=2), 2.5).changed == (KEY,)
    assert book.read(ACCOUNTS[0], [make_row(quantity=1, version=1)], asked_s=2.0) == NO_CHANGES
    assert book.read(ACCOUNTS[0], [], asked_s=2.0) == NO_CHANGES, "opened meanwhile"
    assert book.read(ACCOUNTS[0], [], asked_s=3.0).removed == (KEY,)


def test_an_older_push_changes_nothing() -> None:
    book = PositionBook()
    book.push(make_row(quantity=3, version=2), 1.0)
    assert book.push(make_row(quantity=2, version=1), 1.1) == NO_CHANGES
    assert book.push(make_row(quantity=3, version=2), 1.2) == NO_CHANGES, "the same twice"
    (row,) = book.rows()
    assert row.holding.quantity == 3


def test_a_closed_position_stays_until_its_day_is_over() -> None:
    book = PositionBook()
    book.push(make_row(quantity=0, realized_day_gain=Decimal(5), realized_day_date=TODAY), 1.0)
    assert book.end_day(TODAY) == NO_CHANGES
    assert book.end_day(TODAY + timedelta(days=1)).removed == (KEY,)
    assert len(book) == 0


def test_a_position_that_was_closed_stays_although_it_is_listed_no_more() -> None:
    book = PositionBook()
    book.push(make_row(quantity=0, realized_day_gain=Decimal(5), realized_day_date=TODAY), 1.0)
    assert book.read(ACCOUNTS[0], [], 2.0) == NO_CHANGES
    assert len(book) == 1
    assert book.drop(KEY).removed == (KEY,)
    assert book.drop(KEY) == NO_CHANGES


def test_accounts_do_not_touch_each_other() -> None:
    book = PositionBook()
    for account in ACCOUNTS:
        book.read(account, [make_row(account=account)], asked_s=1.0)
    assert book.read(ACCOUNTS[0], [make_row(account=ACCOUNTS[1], quantity=9)], 2.0).removed == (
        KEY,
    )
    assert [row.account for row in book.rows()] == [ACCOUNTS[1]]
    assert book.forget_account(ACCOUNTS[1]).removed == (PositionKey(ACCOUNTS[1], "AAPL"),)
    assert book.get(KEY) is None


class BrokerAndBook(RuleBasedStateMachine):
    """A broker whose positions change, whose pushes may be lost or doubled, and who is read.

    After a reading without a change since it was asked for, the book is what the broker has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.version = 0
        self.broker: dict[str, PositionRow] = {}
        self.book = PositionBook()
        self.asked: tuple[float, list[PositionRow]] | None = None
        self.is_exact = True

    def tick(self) -> float:
        self.now_s += 1.0
        return self.now_s

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=st.integers(0, 5), pushes=st.integers(0, 2))
    def trade(self, symbol: str, quantity: int, pushes: int) -> None:
        self.version += 1
        self.tick()
        row = self.broker[symbol] = make_row(symbol, quantity, self.version)
        for _ in range(pushes):
            self.book.push(row, self.tick())
        if not pushes:
            self.is_exact = False

    @rule()
    def purge(self) -> None:
        """Remove what is closed, as the broker does overnight, without a push."""
        closed = [name for name, row in self.broker.items() if row.holding.is_closed]
        for name in closed:
            del self.broker[name]
        self.tick()
        self.is_exact = self.is_exact and not closed

    @rule()
    def ask(self) -> None:
        self.asked = self.tick(), list(self.broker.values())

    @rule()
    def read(self) -> None:
        if self.asked is not None:
            asked_s, rows = self.asked
            self.book.read(ACCOUNTS[0], rows, asked_s)
            self.asked = None
            self.is_exact = self.is_exact and same(rows, self.broker.values())

    @rule()
    def read_now(self) -> None:
        self.book.read(ACCOUNTS[0], list(self.broker.values()), self.tick())
        self.is_exact = True

    @invariant()
    def is_what_the_broker_has(self) -> None:
        if self.is_exact:
            # What was closed stays until its day is over, whether the broker lists it or not.
            rows = self.book.rows()
            known = [r for r in rows if r.holding.broker_symbol in self.broker or not is_closed(r)]
            assert same(known, self.broker.values())


def is_closed(row: PositionRow) -> bool:
    return row.holding.is_closed


def same(rows: Iterable[PositionRow], others: Iterable[PositionRow]) -> bool:
    def order(row: PositionRow) -> str:
        return row.holding.broker_symbol

    return sorted(rows, key=order) == sorted(others, key=order)


TestBrokerAndBook = BrokerAndBook.TestCase
