"""What a page must ask the broker before it can be described: questions, and their answers; pure.

A page's function runs once without answers, which says what there is to ask, and again with them.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from hashlib import sha256
from typing import NamedTuple

import msgspec

from gateway.streams.documents import OptionChain

DIGITS = 16


class ChainQuestion(NamedTuple):
    """So many strikes around the money of one expiration; the nearest when none is named."""

    underlying: str
    expiration: date | None
    root: str | None
    strikes: int


Answer = OptionChain | str
"""A chain, or why there is none."""

Answers = Mapping[ChainQuestion, Answer]


def digest_answers(answers: Iterable[Answer]) -> str:
    """Return what tells answers apart that make pages with other elements: prices are not in it."""
    digest = sha256()
    for answer in answers:
        if isinstance(answer, str):
            digest.update(answer.encode())
            continue
        digest.update(msgspec.json.encode(msgspec.structs.replace(answer, price=None, rows=())))
        for row in answer.rows:
            sides = [side and side.broker_symbol for side in (row.call, row.put)]
            digest.update(msgspec.json.encode((row.strike, sides)))
    return digest.hexdigest()[:DIGITS]
