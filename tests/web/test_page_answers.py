"""Pages ask the broker before they are shown, and say in words what it refused."""

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gateway.pages.authoring.questions import Answer, ChainQuestion
from gateway.streams.documents import BrokerUnavailable, Documents, NotListed, OptionChain
from gateway.streams.topics import MAIN_LOGIN, Owner
from gateway.web.auth.viewers import add_viewer
from gateway.web.page_answers import answer_questions
from tests.pages.panels.chains import DAY, make_chain, make_expiration
from tests.streams.samples import make_balance, make_portfolio
from tests.waiting import eventually_sync
from tests.web import test_desk
from tests.web.running import TOKEN, make_protected, open_gateway

NAMED = ChainQuestion("SPY", date(2027, 1, 15), "SPY", 16)
UNNAMED = ChainQuestion("SPY", None, None, 16)


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
    broker: Broker | None, *questions: ChainQuestion, wait_s: float = 6.0
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
    await ask(broker, UNNAMED)
    assert broker.asked == [("SPY", None, None, 1), ("SPY", DAY, "SPY", 16)]


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        (None, "Set TT_SECRET and TT_REFRESH"),
        (Broker(NotListed("Tastytrade lists no options on XYZ")), "lists no options on XYZ."),
        (Broker(BrokerUnavailable("the feed process does not answer")), "The feed process"),
        (Broker(hangs=True), "no `gateway feed` runs. Reload"),
    ],
)
async def test_a_refusal_is_said_in_words(broker: Broker | None, words: str) -> None:
    first, second = await ask(broker, UNNAMED, NAMED, wait_s=0.01)
    assert isinstance(first, str)
    assert words in first
    assert second == first


FIRST, SECOND = test_desk.FIRST, test_desk.SECOND


@pytest.fixture
def house(tmp_path: Path) -> Iterator[test_desk.House]:
    """The built-in site with two accounts, their owner, and viewers of one and of none."""
    path = tmp_path / "viewers.toml"
    tokens = {
        "owner": TOKEN,
        "alice": add_viewer(path, "alice", frozenset({FIRST})),
        "carol": add_viewer(path, "carol", frozenset({"5WX99999"})),
    }
    with open_gateway(make_protected(token=TOKEN, viewers=path)) as gateway:
        broker = test_desk.Broker()
        gateway.context.documents = broker
        for account in (FIRST, SECOND):
            gateway.publish(make_balance(account), make_portfolio(account, "100.50"))
        yield test_desk.House(gateway, tokens, broker)


def test_a_history_is_asked_for_and_shown_to_those_who_may_see_the_account(
    house: test_desk.House,
) -> None:
    def read(viewer: str) -> str:
        answer = house.get("/account", viewer)
        assert answer.status_code == 200
        return answer.text

    assert FIRST not in read("carol")
    assert house.broker.asked == [], "for nobody's eyes, nothing is asked"
    eventually_sync(lambda: read("alice").count("<polyline") == 1)
    assert SECOND not in read("alice")
    assert house.broker.asked == [(Owner(MAIN_LOGIN, FIRST), "1d")]
    eventually_sync(lambda: read("owner").count("<polyline") == 2)
    assert read("carol").count("<polyline") == 0


def test_a_chain_is_on_its_page_from_the_first_moment(house: test_desk.House) -> None:
    html = house.get("/chain/SPY", "carol").text
    assert "600.10" in html
    assert "1.20" in html
    house.broker.error = NotListed("Tastytrade lists no options on XYZ")
    assert "Tastytrade lists no options on XYZ." in house.get("/chain/XYZ").text
    house.gateway.context.documents = None
    assert "Set TT_SECRET and TT_REFRESH" in house.get("/chain/SPY").text


def test_an_underlying_leads_to_its_chain(house: test_desk.House) -> None:
    answer = house.get("/?~chain=brk/b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/chain/BRK%2FB")
    assert house.get("/chain/BRK%2FB").status_code == 200
    assert house.get("/?~chain=%7b").status_code == 400
