"""Answers are told apart by what they make of a page, not by prices."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from gateway.pages.authoring.questions import digest_answers, prefer_expiration
from gateway.streams.documents import Expiration
from tests.pages.panels.chains import make_chain, make_expiration


def make(days: int | None, kind: str = "Regular", *, is_standard: bool = True) -> Expiration:
    expiration = make_expiration(is_standard=is_standard)
    return msgspec.structs.replace(expiration, days=days, kind=kind)


def test_prices_are_not_in_the_digest() -> None:
    chain = make_chain()
    moved = msgspec.structs.replace(make_chain(bid="9.99"), price=Decimal(612))
    assert digest_answers([chain]) == digest_answers([moved])


def test_strikes_expirations_and_problems_are() -> None:
    digests = {
        digest_answers([each])
        for each in (
            make_chain(),
            make_chain(strikes=(590, 600)),
            make_chain(day=date(2027, 1, 15)),
            "Tastytrade does not answer.",
            "There is no such underlying.",
        )
    }
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        ([make(0, "Weekly"), make(21), make(44, "Weekly"), make(49), make(77)], 3),
        ([make(3, "Weekly"), make(10, "Weekly")], 0),
        ([make(45, is_standard=False), make(3, "Weekly")], 1),
        ([make(-1), make(2, "Weekly")], 1),
        ([make(None)], 0),
    ],
)
def test_the_monthly_nearest_to_45_days_is_preferred(listed: list[Expiration], chosen: int) -> None:
    assert prefer_expiration(listed) is listed[chosen]


def test_nothing_is_preferred_of_nothing() -> None:
    assert prefer_expiration([]) is None
