"""Balances and margin: what cash and positions at their marks come to; pure.

The rule is a simple one (a quarter of shares, twice the price of short options, a fixed sum a
future), but balances, margin reports and buying power all follow from it and agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.amounts import ZERO, cents, effect, money, signed
from gateway.simulator.broker.books.positions import Position
from gateway.simulator.broker.catalogue.naming import (
    broker_symbol,
    find_book,
    iso,
    today,
    underlying_symbol,
)
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Kind

Body = dict[str, Any]
FUTURE_MARGIN = Decimal(15_000)  # a contract
SHARE_RATE = Decimal("0.25")
COIN_RATE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Valued:
    """A position with its mark."""

    held: Position
    mark: Decimal

    @property
    def worth(self) -> Decimal:
        """What it adds to the net liquidating value."""
        return self.held.worth(self.mark)


def value_positions(market: Market, account: Account) -> list[Valued]:
    """Return every position with its mark now."""
    return [Valued(held, market.mark(held.symbol)) for held in account.positions.values()]


def net_liq(market: Market, account: Account) -> Decimal:
    """Return cash and every position at its mark."""
    valued = value_positions(market, account)
    return account.cash + account.pending + sum((each.worth for each in valued), ZERO)


def requirement(each: Valued, *, is_margin: bool) -> Decimal:
    """Return what a position ties up."""
    kind, quantity = each.held.kind, each.held.quantity
    if kind is Kind.FUTURE:
        return abs(quantity) * FUTURE_MARGIN
    if kind in (Kind.OPTION, Kind.FUTURE_OPTION):
        return -2 * each.worth if is_margin and quantity < 0 else ZERO
    if kind is Kind.CRYPTO:
        return abs(each.worth) * COIN_RATE
    return abs(each.worth) * (SHARE_RATE if is_margin else 1)


def balance(market: Market, account: Account) -> Body:
    """Return the balance object of REST and of the pushes."""
    valued = value_positions(market, account)
    longs, shorts = _sides(valued, 1), _sides(valued, -1)
    long_options = longs[Kind.OPTION] + longs[Kind.FUTURE_OPTION]
    value = account.cash + account.pending + sum((each.worth for each in valued), ZERO)
    needed = sum((requirement(each, is_margin=account.is_margin) for each in valued), ZERO)
    futures = sum(requirement(e, is_margin=True) for e in valued if e.held.kind is Kind.FUTURE)
    free = max(account.cash, ZERO)
    if account.is_margin:
        free = max(value - needed - long_options, ZERO)
    times = 2 if account.is_margin else 1
    amounts = {
        "long-equity-value": longs[Kind.EQUITY],
        "short-equity-value": shorts[Kind.EQUITY],
        "long-derivative-value": longs[Kind.OPTION],
        "short-derivative-value": shorts[Kind.OPTION],
        "long-futures-value": longs[Kind.FUTURE],
        "short-futures-value": shorts[Kind.FUTURE],
        "long-futures-derivative-value": longs[Kind.FUTURE_OPTION],
        "short-futures-derivative-value": shorts[Kind.FUTURE_OPTION],
        "long-cryptocurrency-value": longs[Kind.CRYPTO],
        "long-margineable-value": longs[Kind.EQUITY] if account.is_margin else ZERO,
        "margin-equity": value,
        "equity-buying-power": free * times,
        "derivative-buying-power": free,
        "day-trading-buying-power": free * 4 if account.is_margin else ZERO,
        "available-trading-funds": free,
        "maintenance-requirement": needed,
        "futures-margin-requirement": Decimal(futures),
        "net-liquidating-value": value,
        "cash-available-to-withdraw": max(min(account.cash, free), ZERO),
        "day-trade-excess": free,
        "used-derivative-buying-power": needed,
        "reg-t-margin-requirement": needed * times,
        "maintenance-excess": free,
        "sma-equity-option-buying-power": free,
    }
    body: Body = {"account-number": account.number}
    body |= dict.fromkeys(NOTHING, "0.0")
    body |= {name: money(cents(amount)) for name, amount in amounts.items()}
    # Fees are fractions of a cent, so cash is as well; what follows from prices is rounded.
    body |= {"cash-balance": money(account.cash)} | signed("pending-cash", account.pending)
    body |= {
        "buying-power-adjustment-effect": "None",
        "unsettled-cryptocurrency-fiat-effect": "None",
        "currency": "USD",
        "snapshot-date": today(market).isoformat(),
        "updated-at": iso(market.now),
    }
    return {name: value for name, value in body.items() if name not in account.omitted}


def margin_report(market: Market, account: Account) -> Body:
    """Return the requirements of an account, grouped by underlying."""
    groups: dict[str, list[Valued]] = {}
    for each in value_positions(market, account):
        if each.held.quantity:
            underlying = underlying_symbol(market, each.held.symbol)
            groups.setdefault(underlying, []).append(each)
    value = net_liq(market, account)
    totals = {
        name: sum(
            (requirement(e, is_margin=account.is_margin) for g in groups.values() for e in g), ZERO
        )
        for name in ("margin-requirement", "maintenance-requirement", "initial-requirement")
    }
    needed = totals["margin-requirement"]
    body: Body = {
        "account-number": account.number,
        "description": "Total",
        "margin-calculation-type": "Reg T" if account.is_margin else "Cash",
        "option-level": "No Restrictions",
        "last-state-timestamp": round(market.now * 1000),
        "groups": [_group(market, account, name, group) for name, group in groups.items()],
    }
    for name, amount in totals.items():
        body |= signed(name, -cents(amount))
    value, needed = cents(value), cents(needed)
    body |= signed("margin-equity", value) | signed("option-buying-power", value - needed)
    body |= signed("reg-t-margin-requirement", -needed)
    return (
        body
        | signed("reg-t-option-buying-power", value - needed)
        | signed("maintenance-excess", value - needed)
    )


def effective_margin(market: Market, account: Account, underlying: str) -> Body | None:
    """Return the rates that hold for an underlying, or None for an unknown symbol."""
    if find_book(market, underlying) is None:
        return None
    rate = money(SHARE_RATE if account.is_margin else Decimal(1))
    return {
        "account-number": account.number,
        "underlying-symbol": underlying,
        "long-equity-initial": "0.5" if account.is_margin else "1.0",
        "short-equity-initial": "0.5",
        "long-equity-maintenance": rate,
        "short-equity-maintenance": rate,
        "naked-option-standard": "0.2",
        "naked-option-minimum": "0.1",
        "naked-option-floor": "100.0",
        "is-deleted": False,
    }


def _group(market: Market, account: Account, name: str, group: Iterable[Valued]) -> Body:
    entries, total = [], ZERO
    for each in group:
        needed = cents(requirement(each, is_margin=account.is_margin))
        total += needed
        held = each.held
        side = "LONG" if held.quantity > 0 else "SHORT"
        what = "OPTION" if held.kind in (Kind.OPTION, Kind.FUTURE_OPTION) else "UNDERLYING"
        entry: Body = {
            "instrument-symbol": broker_symbol(market, held.symbol),
            "instrument-type": held.kind.value,
            "quantity": money(held.quantity),
            "close-price": money(held.close_price),
            "fixing-price": "NaN",
        }
        entries.append(
            {"description": f"{side}_{what}", "margin-requirement": money(needed),
             "margin-requirement-effect": effect(-needed), "includes-working-order": False,
             "buying-power": money(needed), "buying-power-effect": effect(-needed),
             "position-entries": [entry]}
        )  # fmt: skip
    book = find_book(market, name)
    body: Body = {
        "description": name,
        "code": name,
        "underlying-symbol": name,
        "underlying-type": book.kind.value if book is not None else "Equity",
        "margin-calculation-type": "Reg T" if account.is_margin else "Cash",
        "price-increase-percent": "-1.0",
        "price-decrease-percent": "-1.0",
        "groups": entries,
    }
    for field in ("margin-requirement", "maintenance-requirement", "initial-requirement"):
        body |= signed(field, -total)
    return body | signed("buying-power", -total)


def _sides(valued: Iterable[Valued], sign: int) -> dict[Kind, Decimal]:
    sums = dict.fromkeys(Kind, ZERO)
    for each in valued:
        if each.held.quantity * sign > 0:
            sums[each.held.kind] += abs(each.worth)
    return sums


NOTHING = (
    "short-margineable-value",
    "maintenance-call-value",
    "reg-t-call-value",
    "day-trading-call-value",
    "day-equity-call-value",
    "short-cryptocurrency-value",
    "cryptocurrency-margin-requirement",
    "unsettled-cryptocurrency-fiat-amount",
    "closed-loop-available-balance",
    "equity-offering-margin-requirement",
    "long-bond-value",
    "bond-margin-requirement",
    "futures-overnight-margin-requirement",
    "futures-intraday-margin-requirement",
    "pending-margin-interest",
    "effective-cryptocurrency-buying-power",
    "apex-starting-day-margin-equity",
    "buying-power-adjustment",
    "special-memorandum-account-value",
    "special-memorandum-account-apex-adjustment",
    "total-settle-balance",
    "cash-settle-balance",
    "previous-day-cryptocurrency-fiat-amount",
    "debit-margin-balance",
    "intraday-equities-cash-amount",
    "intraday-futures-cash-amount",
)
