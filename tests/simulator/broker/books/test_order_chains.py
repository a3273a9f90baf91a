"""What an order chain tells of the orders of an underlying."""

from datetime import date, time
from decimal import Decimal

import pytest

from gateway.simulator.broker.books.opening import MAIN, open_first
from gateway.simulator.broker.books.order_chains import describe_chain
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)


def test_a_chain_holds_what_was_filled_and_what_is_left() -> None:
    market = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
    ledger = open_first(market)
    chain = describe_chain(ledger.accounts[MAIN], "GLD")
    assert chain["lite-nodes-sizes"] == len(chain["lite-nodes"]) == 2
    (entry,) = chain["computed-data"]["open-entries"]
    assert (entry["symbol"], entry["quantity"], entry["quantity-type"]) == ("GLD", "35", "Long")
    closed = describe_chain(ledger.accounts[MAIN], "XLF")
    assert closed["computed-data"]["open"] is False
    gained = ledger.accounts[MAIN].gains["XLF"]
    assert Decimal(closed["computed-data"]["realized-gain"]) == abs(gained)
    with pytest.raises(ValueError, match="KO"):
        describe_chain(ledger.accounts[MAIN], "KO")
