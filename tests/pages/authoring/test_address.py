"""What a page's address keeps: choices are read with bounds, links keep the rest."""

from gateway.pages.authoring.address import (
    LONGEST_CHOICE,
    MOST_CHOICES,
    Address,
    link_chain,
    link_symbol,
    read_choices,
)


def test_only_choices_are_read() -> None:
    given = {"~positions.sort": "-value", "~version": "abc", "interval": "5m", "~x.nope": "1"}
    assert read_choices(given) == {"~positions.sort": "-value"}


def test_there_are_bounds() -> None:
    many = {f"~watchlist{number}.sort": "last" for number in range(2 * MOST_CHOICES)}
    assert len(read_choices(many)) == MOST_CHOICES
    assert read_choices({"~orders.sort": "x" * (LONGEST_CHOICE + 1), "~orders.fold": ""}) == {}


def test_a_link_keeps_what_else_the_address_says() -> None:
    address = Address({"interval": "1h"}, {"~positions.fold": "SPY", "~orders.sort": "price"})
    assert address.choice("positions", "fold") == "SPY"
    assert address.choice("positions", "sort") == ""
    link = address.link("positions", "sort", "-value")
    assert link == "?interval=1h&~positions.fold=SPY&~orders.sort=price&~positions.sort=-value"
    assert address.link("positions", "fold", "") == "?interval=1h&~orders.sort=price"


def test_a_symbol_is_quoted() -> None:
    assert link_symbol("/ESZ26:XCME") == "?~open=%2FESZ26%3AXCME"
    assert link_chain("BRK/B") == "?~chain=BRK%2FB"
