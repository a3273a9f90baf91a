"""What a new simulator's accounts hold: the same for the same seed, and only what is listed."""

from datetime import date, time

from gateway.simulator.broker.books.ledger import Ledger
from gateway.simulator.broker.books.opening import open_first, open_second
from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 20)


def make_market(seed: int = 7) -> Market:
    return Market(list_universe(TODAY), seed=seed, now=instant(TODAY, time(11)))


def holdings(ledger: Ledger) -> dict[str, dict[str, str]]:
    return {
        number: {symbol: str(held.quantity) for symbol, held in account.positions.items()}
        for number, account in ledger.accounts.items()
    }


def test_the_same_seed_opens_the_same_accounts() -> None:
    assert holdings(open_first(make_market())) == holdings(open_first(make_market()))


def test_everything_held_has_a_book() -> None:
    market = make_market()
    for ledger in (open_first(market), open_second(market)):
        for account in ledger.accounts.values():
            assert all(market.find(symbol) is not None for symbol in account.positions)


def test_an_account_of_the_same_number_is_another_one_for_another_customer() -> None:
    market = make_market()
    first, second = open_first(market), open_second(market)
    same = first.accounts.keys() & second.accounts.keys()
    assert same, "what is told apart by more than its number needs such a pair"
    for number in same:
        assert first.accounts[number] is not second.accounts[number]
        assert holdings(first)[number] != holdings(second)[number]
