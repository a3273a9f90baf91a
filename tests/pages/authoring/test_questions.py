"""Answers are told apart by what they make of a page, not by prices."""

from datetime import date
from decimal import Decimal

import msgspec

from gateway.pages.authoring.questions import digest_answers
from tests.pages.panels.chains import make_chain


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
