"""What a page must ask the broker before it can be described: questions, and their answers; pure.

A page's function runs once without answers, which says what there is to ask, and again with them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import NamedTuple

import msgspec

from gateway.streams.documents import Expiration, OptionChain

DIGITS = 16

PREFERRED_DAYS = 45


class ChainQuestion(NamedTuple):
    """So many strikes around the money of one expiration; the preferred when none is named."""

    underlying: str
    expiration: date | None
    root: str | None
    strikes: int


Answer = OptionChain | str
"""A chain, or why there is none."""

Answers = Mapping[ChainQuestion, Answer]


def prefer_expiration(expirations: Sequence[Expiration]) -> Expiration | None:
    """Return the monthly nearest to 45 days from now, else the first; adjusted contracts last."""
    able = [each for each in expirations if each.days is None or each.days >= 0]
    able.sort(key=lambda each: not each.is_standard)
    monthly = [e for e in able if e.kind == "Regular" and e.is_standard and e.days is not None]
    if monthly:
        return min(monthly, key=lambda each: abs((each.days or 0) - PREFERRED_DAYS))
    return able[0] if able else None


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
