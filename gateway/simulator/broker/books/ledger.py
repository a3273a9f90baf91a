"""A customer's accounts and everything that changes them; pure.

Every change is reported to `on_change` as (type, account, body), in the order in which the real
account streamer reports it: the order, then positions, then the balance. Cash moves only here, so
that a fill, a fee and a deposit are each counted once: what an account is worth changes by nothing
but prices, fees and money from outside.
"""

import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.amounts import ZERO, money, plain
from gateway.simulator.broker.books.balances import balance, net_liq
from gateway.simulator.broker.books.holdings import describe_position, describe_year, new_position
from gateway.simulator.broker.books.order_chains import describe_chain
from gateway.simulator.broker.books.orders import STAGES, ComplexOrder, Fill, Leg, Order
from gateway.simulator.broker.books.transactions import Transaction, find_fees
from gateway.simulator.broker.catalogue.naming import (
    broker_symbol,
    find_book,
    iso,
    today,
    underlying_symbol,
)
from gateway.simulator.broker.customer import TRADING_STATUS
from gateway.simulator.market.book import Book
from gateway.simulator.market.calendar import Phase, local_day
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Kind

Body = dict[str, Any]
OnChange = Callable[[str, str, Body], None]
VENUE = "CBOE_A"
FIRST_ORDER = 400_001
FIRST_TRANSACTION = 900_001


class Ledger:
    """The accounts of one customer. `market.now` is the clock of everything that happens."""

    def __init__(self, market: Market, accounts: Iterable[Account]) -> None:
        self.accounts = {account.number: account for account in accounts}
        self.on_change: OnChange = lambda kind, number, body: None
        self._market = market
        self._orders = itertools.count(FIRST_ORDER)
        self._transactions = itertools.count(FIRST_TRANSACTION)
        self._day = today(market)

    # --- reading -------------------------------------------------------------------------------

    def value(self, number: str) -> Decimal:
        """Return the net liquidating value. Raises: KeyError."""
        return net_liq(self._market, self.accounts[number])

    def balance(self, number: str) -> Body:
        """Return the balance object. Raises: KeyError."""
        return balance(self._market, self.accounts[number])

    def positions(self, number: str, *, with_marks: bool = True) -> list[Body]:
        """Return the position objects, odd rows by hand behind them. Raises: KeyError."""
        account = self.accounts[number]
        found = [
            describe_position(self._market, number, held, with_marks=with_marks)
            for held in account.positions.values()
        ]
        return found + account.odd_rows

    def trading_status(self, number: str) -> Body:
        """Return what the account may do. Raises: KeyError."""
        stamps = {"account-number": number, "updated-at": iso(self._market.now)}
        return stamps | TRADING_STATUS | self.accounts[number].status

    def order(self, number: str, identity: int) -> Order:
        """Return an order. Raises: KeyError."""
        return self.accounts[number].orders[identity]

    # --- orders --------------------------------------------------------------------------------

    def place(
        self,
        number: str,
        legs: Iterable[tuple[str, str, Decimal]],
        *,
        price: Decimal | None = None,
        until: str = "Live",
        at: float | None = None,
        **fields: Any,
    ) -> Order:
        """Place an order of (action, symbol, quantity) legs and take it through its first stages.

        `price` is signed, a credit being positive; `until` is the last stage that it reaches by
        itself, or Contingent. Raises: KeyError for an unknown account or symbol.
        """
        account = self.accounts[number]
        made = [self._make_leg(*leg) for leg in legs]
        if not made:
            raise ValueError("an order has legs")
        underlying = underlying_symbol(self._market, made[0].symbol)
        book = find_book(self._market, underlying)
        kind = book.kind.value if book is not None else Kind.EQUITY.value
        order = Order(next(self._orders), number, underlying, kind, made, price=price, **fields)
        account.orders[order.id] = order
        now = self._now(at)
        for stage in ("Received", "Contingent") if until == "Contingent" else STAGES:
            self._enter(order, stage, now)
            if stage == until:
                break
        return order

    def advance(self, number: str, identity: int, status: str) -> Order:
        """Move an order to a status, whatever it was. Raises: KeyError."""
        order = self.order(number, identity)
        self._enter(order, status, self._market.now)
        self._follow_up(order)
        return order

    def fill(
        self,
        number: str,
        identity: int,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        at: float | None = None,
    ) -> Order:
        """Fill units of an order, all that remain by default, at a net price a unit.

        Without a price at its own, or at the marks. Raises: KeyError; ValueError when it is over or
        less remains.
        """
        order = self.order(number, identity)
        units = order.remaining if quantity is None else quantity
        if order.is_over or not 0 < units <= order.remaining:
            raise ValueError(f"order {identity} has {plain(order.remaining)} left to fill")
        account, now = self.accounts[number], self._now(at)
        touched = self._execute(account, order, units, price, now)
        order.updated_at = now
        self._report_order(order)
        if not order.remaining:
            self._enter(order, "Filled", now)
        for symbol in touched:
            body = describe_position(
                self._market, number, account.positions[symbol], with_marks=True
            )
            self.on_change("CurrentPosition", number, body)
        self.note_balance(number)
        summary = describe_year(account, order.underlying, order.underlying_kind, local_day(now))
        self.on_change("UnderlyingYearGainSummary", number, summary)
        self.on_change("OrderChain", number, describe_chain(account, order.underlying))
        self._follow_up(order)
        return order

    def cancel(self, number: str, identity: int) -> Order:
        """Cancel what remains of an order. Raises: KeyError; ValueError when it is over."""
        order = self._open(number, identity)
        self._enter(order, "Cancel Requested", self._market.now)
        self._enter(order, "Cancelled", self._market.now)
        self._follow_up(order)
        return order

    def reject(self, number: str, identity: int, reason: str) -> Order:
        """Reject an order. Raises: KeyError; ValueError when it is over."""
        order = self._open(number, identity)
        order.reject_reason = reason
        self._enter(order, "Rejected", self._market.now)
        return order

    def replace(self, number: str, identity: int, *, price: Decimal) -> Order:
        """Replace what remains of an order at another price and return the new order.

        Raises: KeyError; ValueError when it is over.
        """
        old, now = self._open(number, identity), self._market.now
        self._enter(old, "Replace Requested", now)
        share = old.remaining / old.size
        legs = [(leg.action, leg.symbol, leg.quantity * share) for leg in old.legs]
        old.is_edited = True
        new = self.place(
            number, legs, price=price, until="Received", order_type=old.order_type,
            time_in_force=old.time_in_force, stop_trigger=old.stop_trigger, replaces=old.id,
            complex_id=old.complex_id, complex_tag=old.complex_tag,
        )  # fmt: skip
        old.replaced_by = new.id
        self._enter(old, "Cancelled", now)
        for stage in STAGES[1:]:
            self._enter(new, stage, now)
        return new

    def place_complex(
        self, number: str, kind: str, orders: Iterable[Order], trigger: Order | None = None
    ) -> ComplexOrder:
        """Tie orders that were placed: OCO, OTO or OTOCO. Raises: KeyError."""
        made = ComplexOrder(next(self._orders), number, kind, list(orders), trigger)
        self.accounts[number].complex_orders[made.id] = made
        for order in made.parts():
            order.complex_id = made.id
            order.complex_tag = f"{kind}::{'trigger' if order is trigger else 'order'}"
        self.on_change("ComplexOrder", number, made.describe())
        return made

    # --- money and time ------------------------------------------------------------------------

    def deposit(self, number: str, amount: Decimal) -> None:
        """Move money in, or out when negative. Raises: KeyError."""
        account = self.accounts[number]
        if amount:
            name = "Deposit" if amount > 0 else "Withdrawal"
            account.cash += amount
            account.transactions.append(
                Transaction(
                    next(self._transactions), number, self._market.now, "Money Movement", name,
                    f"Wire funds {'received' if amount > 0 else 'sent'}", amount,
                )
            )  # fmt: skip
        self.note_balance(number)

    def note_balance(self, number: str) -> None:
        """Report the balance as it is. Raises: KeyError."""
        self.on_change("AccountBalance", number, self.balance(number))

    def note_status(self, number: str) -> None:
        """Report what the account may do. Raises: KeyError."""
        self.on_change("TradingStatus", number, self.trading_status(number))

    def note_position(self, number: str, name: str) -> None:
        """Report a position by either symbol. Raises: KeyError."""
        book = self._find(name)
        held = self.accounts[number].positions[book.symbol]
        self.on_change(
            "CurrentPosition",
            number,
            describe_position(self._market, number, held, with_marks=True),
        )

    def match(self) -> int:
        """Fill every live order that the market meets, end the day when it is over; how many."""
        if today(self._market) != self._day:
            self._day = today(self._market)
            self._end_day()
        filled = 0
        for account in self.accounts.values():
            for order in [each for each in account.orders.values() if each.is_working]:
                price = self._natural(order)
                if price is not None:
                    self.fill(account.number, order.id, price=price)
                    filled += 1
        return filled

    # --- inside --------------------------------------------------------------------------------

    def _now(self, at: float | None) -> float:
        return self._market.now if at is None else at

    def _find(self, name: str) -> Book:
        book = find_book(self._market, name)
        if book is None:
            raise KeyError(name)
        return book

    def _make_leg(self, action: str, name: str, quantity: Decimal) -> Leg:
        book = self._find(name)
        known = broker_symbol(self._market, book.symbol)
        return Leg(book.symbol, known, book.kind.value, action, quantity)

    def _open(self, number: str, identity: int) -> Order:
        order = self.order(number, identity)
        if order.is_over:
            raise ValueError(f"order {identity} is {order.status}")
        return order

    def _enter(self, order: Order, status: str, at: float) -> None:
        order.enter(status, at)
        self._report_order(order)

    def _report_order(self, order: Order) -> None:
        self.on_change("Order", order.account, order.describe())

    def _execute(
        self, account: Account, order: Order, units: Decimal, price: Decimal | None, at: float
    ) -> list[str]:
        prices = self._leg_prices(order, order.price if price is None else price)
        size, day = order.size, local_day(at)
        for leg, paid in zip(order.legs, prices, strict=True):
            count = leg.quantity / size * units
            fill_id = f"{order.id}_{len(leg.fills) + 1}"
            leg.fills.append(Fill(fill_id, count, paid, at, VENUE))
            book = self._find(leg.symbol)
            held = account.positions.get(leg.symbol)
            if held is None:
                held = account.positions[leg.symbol] = new_position(book, at)
            is_opening = held.quantity * leg.sign >= 0
            realized = held.realized_today if held.realized_on == day else ZERO
            fees = find_fees(book.kind, count, is_opening=is_opening)
            moved = held.fill(count * leg.sign, paid, at, day)
            account.cash += moved - fees.total
            gained = account.gains.get(order.underlying, ZERO) + held.realized_today - realized
            account.gains[order.underlying] = gained
            account.transactions.append(
                Transaction(
                    next(self._transactions), account.number, at, "Trade", leg.action,
                    f"{'Sold' if leg.sign < 0 else 'Bought'} {plain(count)} {leg.name} @ "
                    f"{money(paid)}",
                    moved, fees, leg.name, leg.kind, order.underlying, leg.action, count, paid,
                    order.id, len(order.legs), VENUE,
                )
            )  # fmt: skip
        return [leg.symbol for leg in order.legs]

    def _leg_prices(self, order: Order, net: Decimal | None) -> list[Decimal]:
        """What each leg costs so that a unit comes to the net price; the first takes the rest."""
        marks = [self._market.mark(leg.symbol) for leg in order.legs]
        if net is None:
            return marks
        ratios = [leg.sign * leg.quantity / order.size for leg in order.legs]
        others = sum((r * m for r, m in zip(ratios[1:], marks[1:], strict=True)), ZERO)
        return [(-net - others) / ratios[0], *marks[1:]]

    def _natural(self, order: Order) -> Decimal | None:
        """The net price at which the market fills an order now, or None when it does not."""
        net = ZERO
        for leg in order.legs:
            book = self._market.find(leg.symbol)
            if book is None or self._market.phase(book.kind) is not Phase.OPEN:
                return None
            side = book.ask if leg.sign > 0 else book.bid
            if side != side:
                return None
            net -= leg.sign * leg.quantity / order.size * Decimal(str(side))
        if order.stop_trigger is not None:
            book = self._market.find(order.legs[0].symbol)
            last = Decimal(str(book.last)) if book is not None else ZERO
            if (last - order.stop_trigger) * order.legs[0].sign < 0:
                return None
        if order.order_type in ("Market", "Stop"):
            return net
        return net if order.price is not None and net >= order.price else None

    def _follow_up(self, order: Order) -> None:
        """What the end of an order means for those that depend on it."""
        found = self.accounts[order.account].complex_orders.get(order.complex_id)
        if found is None or not order.is_over:
            return
        now = self._market.now
        if order is found.trigger:
            live = order.status == "Filled"
            for each in found.orders:
                if each.status == "Contingent":
                    for stage in STAGES[1:] if live else ("Cancelled",):
                        self._enter(each, stage, now)
        elif order.status == "Filled" and found.kind in ("OCO", "OTOCO"):
            for each in found.orders:
                if not each.is_over:
                    self._enter(each, "Cancelled", now)
        self.on_change("ComplexOrder", order.account, found.describe())

    def _end_day(self) -> None:
        for account in self.accounts.values():
            for symbol, held in list(account.positions.items()):
                book = self._market.find(symbol)
                if not held.quantity or book is None:
                    del account.positions[symbol]
                    continue
                account.cash += held.end_day(book.mark)
            for order in account.orders.values():
                if order.is_working and order.time_in_force == "Day":
                    self._enter(order, "Expired", self._market.now)
            self.note_balance(account.number)
