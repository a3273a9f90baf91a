"""Money on its way: pending, then cash, and never both."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest

from gateway.simulator.broker.books.opening import MAIN, open_first
from gateway.simulator.broker.books.transfers import Transfers
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize("amount", ["250.5", "-100"])
def test_a_transfer_is_worth_its_amount_once(amount: str) -> None:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    ledger, transfers = open_first(market), Transfers()
    pushed: list[tuple[str, dict[str, Any]]] = []
    ledger.on_change = lambda kind, number, body: pushed.append((kind, body))
    cash, before = ledger.accounts[MAIN].cash, ledger.value(MAIN)
    made = transfers.begin(ledger, MAIN, Decimal(amount), market.now)
    assert ledger.accounts[MAIN].cash == cash
    assert ledger.value(MAIN) == before + Decimal(amount)
    transfers.settle(ledger, made.id, market.now)
    assert ledger.accounts[MAIN].cash == cash + Decimal(amount)
    assert ledger.value(MAIN) == before + Decimal(amount)
    assert [kind for kind, _ in pushed] == ["ExternalTransaction", "AccountBalance"] * 2
    assert [body["state"] for _, body in pushed[::2]] == ["Pending", "Completed"]
    assert ledger.accounts[MAIN].transactions[-1].value == Decimal(amount)
    with pytest.raises(ValueError, match="already"):
        transfers.settle(ledger, made.id, market.now)


def test_what_no_transfer_is() -> None:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    ledger, transfers = open_first(market), Transfers()
    with pytest.raises(ValueError, match="moves"):
        transfers.begin(ledger, MAIN, Decimal(0), market.now)
    with pytest.raises(KeyError):
        transfers.settle(ledger, 1, market.now)
