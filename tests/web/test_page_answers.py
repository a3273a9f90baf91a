"""Pages ask the broker before they are shown, and say in words what it refused."""

import asyncio
from datetime import date
from typing import Any, cast

import msgspec
import pytest

from gateway.pages.authoring.questions import Answer, ChainQuestion
from gateway.streams.documents import BrokerUnavailable, Documents, NotListed, OptionChain
from gateway.web.page_answers import answer_questions
from tests.pages.panels.chains import DAY, make_chain, make_expiration

NAMED = ChainQuestion("SPY", date(2027, 1, 15), "SPY", 16)
FIRST = ChainQuestion("SPY", None, None, 16)


class Broker:
    """A broker that lists a weekly first, and refuses or hangs when told to."""

    def __init__(self, error: Exception | None = None, *, hangs: bool = False) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._error = error
        self._hangs = hangs

    async def chain(
        self, underlying: str, day: date | None = None, root: str | None = None, *, strikes: int
    ) -> OptionChain:
        self.asked.append((underlying, day, root, strikes))
        if self._hangs:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        weekly = msgspec.structs.replace(make_expiration(date(2026, 11, 27)), kind="Weekly", days=7)
        listed = make_chain(others=[weekly])
        return msgspec.structs.replace(listed, expirations=listed.expirations[::-1])


async def ask(
    broker: Broker | None, *questions: ChainQuestion, wait_s: float = 8.0
) -> list[Answer]:
    documents = cast(Documents, broker)
    answers = await answer_questions(documents, questions, wait_s)
    return [answers[each] for each in questions]


async def test_an_expiration_that_is_named_is_asked_for_at_once() -> None:
    broker = Broker()
    (answer,) = await ask(broker, NAMED)
    assert isinstance(answer, OptionChain)
    assert broker.asked == [("SPY", date(2027, 1, 15), "SPY", 16)]


async def test_without_one_the_monthly_is_found_first() -> None:
    broker = Broker()
    await ask(broker, FIRST)
    assert broker.asked == [("SPY", None, None, 1), ("SPY", DAY, "SPY", 16)]


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        (None, "Set TT_SECRET and TT_REFRESH"),
        (Broker(NotListed("Tastytrade lists no options on XYZ")), "lists no options on XYZ."),
        (Broker(BrokerUnavailable("the feed process does not answer")), "The feed process"),
        (Broker(hangs=True), "Tastytrade does not answer. Reload"),
    ],
)
async def test_a_refusal_is_said_in_words(broker: Broker | None, words: str) -> None:
    first, second = await ask(broker, FIRST, NAMED, wait_s=0.01)
    assert isinstance(first, str)
    assert words in first
    assert second == first
