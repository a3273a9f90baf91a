"""Asks the broker what pages need to know before they are shown: chains, or in words why not."""

import asyncio
from collections.abc import Sequence

from gateway.pages.authoring.questions import Answer, Answers, ChainQuestion, prefer_expiration
from gateway.streams.documents import BrokerUnavailable, Documents, NotListed

WAIT_S = 6.0
"""A page waits so long for the broker, then it says that it got no answer."""

NO_LOGIN = (
    "Nobody here can ask Tastytrade for a chain: this gateway has no login. "
    "Set TT_SECRET and TT_REFRESH, and start it again."
)
AGAIN = "Reload the page to ask again."
LATE = (
    f"There is no answer in {WAIT_S:.0f} s: Tastytrade is slow, or, where the gateway is several "
    f"processes, no `gateway feed` runs. {AGAIN}"
)


async def answer_questions(
    documents: Documents | None, questions: Sequence[ChainQuestion], wait_s: float = WAIT_S
) -> Answers:
    """Return what the broker answers, all asked at once; a refusal is a sentence for people."""
    if documents is None:
        return dict.fromkeys(questions, NO_LOGIN)
    answers = await asyncio.gather(*(_answer(documents, each, wait_s) for each in questions))
    return dict(zip(questions, answers, strict=True))


async def _answer(documents: Documents, question: ChainQuestion, wait_s: float) -> Answer:
    try:
        async with asyncio.timeout(wait_s):
            return await _find_chain(documents, question)
    except NotListed as error:
        return _sentence(error)
    except BrokerUnavailable as error:
        return f"{_sentence(error)} {AGAIN}"
    except TimeoutError:
        return LATE


async def _find_chain(documents: Documents, question: ChainQuestion) -> Answer:
    day, root = question.expiration, question.root
    if day is None:
        # Which expirations there are comes with any of them.
        listed = await documents.chain(question.underlying, strikes=1)
        preferred = prefer_expiration(listed.expirations)
        if preferred is not None:
            day, root = preferred.date, preferred.root
    return await documents.chain(question.underlying, day, root, strikes=question.strikes)


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
