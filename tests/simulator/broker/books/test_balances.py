"""What an account is worth is its cash and what it holds, each at the same mark."""

from datetime import date, time
from decimal import Decimal

from gateway.simulator.broker.books.balances import balance, margin_report, net_liq, value_positions
from gateway.simulator.broker.books.opening import open_first
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)


def test_worth_is_cash_and_what_is_held() -> None:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    for account in open_first(market).accounts.values():
        held = sum((each.worth for each in value_positions(market, account)), Decimal(0))
        assert net_liq(market, account) == account.cash + held
        shown = Decimal(balance(market, account)["net-liquidating-value"])
        assert shown == net_liq(market, account).quantize(Decimal("0.01"))


def test_what_follows_from_prices_is_in_whole_cents() -> None:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    account = next(iter(open_first(market).accounts.values()))
    # Fees are fractions of a cent, so cash is as well.
    account.cash += Decimal("0.0016")
    assert balance(market, account)["cash-balance"] == str(account.cash)
    account.cash -= Decimal("0.0016")
    report = margin_report(market, account)
    for body in (balance(market, account), report, *report["groups"]):
        amounts = [
            Decimal(value)
            for name, value in body.items()
            if isinstance(value, str) and "." in value and name != "updated-at"
        ]
        assert amounts
        assert [each for each in amounts if each % Decimal("0.01")] == []
    total = sum(Decimal(group["margin-requirement"]) for group in report["groups"])
    assert abs(total - Decimal(report["margin-requirement"])) < Decimal("0.10")


def test_money_that_comes_is_worth_what_it_is() -> None:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    account = next(iter(open_first(market).accounts.values()))
    before = net_liq(market, account)
    account.cash += 1000
    account.pending += 7
    assert net_liq(market, account) == before + 1007
