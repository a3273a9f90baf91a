"""What stands above a chain: expirations, and the expected move at the price of this moment."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from gateway.pages.authoring.address import Address
from gateway.pages.panels.chain_outlook import ChainOutlook, expect_move, list_tabs
from gateway.streams.documents import OptionChain
from tests.pages.panels.chains import make_chain, make_expiration
from tests.pages.reading import make_quote
from tests.pages.showing import render


def words_of(outlook: ChainOutlook, *quotes: str, **values: object) -> str:
    records = [make_quote("SPY", each, **values) for each in quotes]
    return " ".join(render(outlook, *records).words.split())


@pytest.mark.parametrize(
    ("price", "volatility", "days", "move"),
    [
        ("600.25", "0.15", 30, "25.81"),
        ("600.25", "0.15", 365, "90.04"),
        ("600.25", "0.15", 0, "0.00"),
    ],
)
def test_the_expected_move(price: str, volatility: str, days: int, move: str) -> None:
    found = expect_move(Decimal(price), Decimal(volatility), days)
    assert found is not None
    assert f"{found:.2f}" == move


@pytest.mark.parametrize(
    "given",
    [
        (None, Decimal("0.15"), 30),
        (Decimal(600), None, 30),
        (Decimal(600), Decimal("0.15"), None),
        (Decimal(600), Decimal("0.15"), -1),
        (Decimal("NaN"), Decimal("0.15"), 30),
    ],
)
def test_it_is_unknown_as_soon_as_a_part_is(
    given: tuple[Decimal | None, Decimal | None, int | None],
) -> None:
    assert expect_move(*given) is None


def test_the_brokers_price_stands_until_the_feed_has_one() -> None:
    outlook = ChainOutlook("chain-outlook", "SPY", make_chain())
    assert words_of(outlook) == "600.25 IV 15.0% ±24.94 (±4.2%) Expected move"
    live = words_of(outlook, "300.00", change_pct=Decimal("-1.5"))
    assert live == "300.00 −1.50% IV 15.0% ±12.46 (±4.2%) Expected move"


def test_what_is_not_known_is_left_out() -> None:
    chosen = msgspec.structs.replace(make_expiration(), implied_volatility=None)
    chain = msgspec.structs.replace(make_chain(), expiration=chosen)
    assert words_of(ChainOutlook("o", "SPY", chain)) == "600.25"


def test_the_chain_of_a_product_follows_no_contract() -> None:
    assert ChainOutlook("o", "/ES", make_chain()).keys() == ()


def test_each_tab_says_its_days_volatility_and_move() -> None:
    chain: OptionChain = make_chain(others=[make_expiration(date(2027, 1, 15))])
    first, second = list_tabs(chain, Address(), "chain")
    assert (first.days, first.volatility, first.is_monthly) == ("28d", "15%", True)
    assert first.meaning == "Regular · settled PM · expected move ±24.94"
    assert (first.is_chosen, second.is_chosen) == (True, False)
