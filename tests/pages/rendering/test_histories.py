"""Histories are asked for while somebody reads, kept while they are good, and never waited for."""

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest

from gateway.clock import Clock
from gateway.pages.panel import History, HistoryQuestion
from gateway.pages.rendering.histories import LIFE_S, MOST_KEPT, NO_LOGIN, RETRY_S, Histories
from gateway.streams.documents import (
    Back,
    BrokerUnavailable,
    Documents,
    NetLiqHistory,
    NetLiqPoint,
    NotListed,
)
from gateway.streams.topics import Owner

QUESTION = HistoryQuestion(Owner("main", "5WX00001"), "1d")


class Broker:
    """Answers each question with how often it was asked, or refuses."""

    def __init__(self) -> None:
        self.asked: list[HistoryQuestion] = []
        self.error: Exception | None = None

    async def net_liq(self, owner: Owner, back: Back) -> NetLiqHistory:
        self.asked.append(HistoryQuestion(owner, back))
        if self.error is not None:
            raise self.error
        close = Decimal(len(self.asked))
        point = NetLiqPoint(time="", open=None, high=None, low=None, close=close)
        return NetLiqHistory(account=owner.account, back=back, points=(point,))


class World:
    """Histories, their broker, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.broker: Any = Broker()
        self.now_s = 0.0
        clock = Clock(monotonic_s=lambda: self.now_s)
        self.histories = Histories(lambda: cast(Documents | None, self.broker), clock)

    async def read(self, question: HistoryQuestion = QUESTION) -> History:
        """What is known after everything that was begun has ended."""
        self.histories.read([question])
        await asyncio.gather(*(e for e in asyncio.all_tasks() if e.get_name() == "history"))
        (answer,) = self.histories.read([question])
        return answer


@pytest.fixture
def world() -> World:
    return World()


def close_of(answer: History) -> int:
    assert isinstance(answer, NetLiqHistory)
    return int(answer.points[0].close)


async def test_the_first_read_does_not_wait(world: World) -> None:
    assert world.histories.read([QUESTION, QUESTION]) == [None, None]
    assert close_of(await world.read()) == 1
    assert world.broker.asked == [QUESTION], "asked once for all who read"


async def test_it_is_asked_again_when_it_is_old(world: World) -> None:
    await world.read()
    world.now_s = LIFE_S["1d"] - 1
    assert close_of(await world.read()) == 1
    world.now_s = LIFE_S["1d"] + 1
    assert close_of(await world.read()) == 2


@pytest.mark.parametrize("error", [BrokerUnavailable("no"), NotListed("no"), TimeoutError()])
async def test_what_was_known_stays_while_the_broker_refuses(
    world: World, error: Exception
) -> None:
    await world.read()
    world.broker.error, world.now_s = error, 100.0
    assert close_of(await world.read()) == 1
    assert len(world.broker.asked) == 2
    world.broker.error, world.now_s = None, 100.0 + RETRY_S
    assert close_of(await world.read()) == 3


async def test_a_refusal_is_a_sentence(world: World) -> None:
    world.broker.error = BrokerUnavailable("the feed process does not answer")
    answer = await world.read()
    assert answer == "The feed process does not answer. It is asked again by itself."


async def test_accounts_of_one_number_at_two_logins_are_two(world: World) -> None:
    other = HistoryQuestion(Owner("second", "5WX00001"), "1d")
    assert {close_of(await world.read(each)) for each in (QUESTION, other)} == {1, 2}


async def test_without_a_login_it_says_what_to_do(world: World) -> None:
    world.broker = None
    assert await world.read() == NO_LOGIN


async def test_what_is_read_stays_and_the_rest_is_bounded(world: World) -> None:
    await world.read()
    for number in range(MOST_KEPT + 10):
        await world.read(HistoryQuestion(Owner("main", str(number)), "1d"))
        world.histories.read([QUESTION])
    assert len(world.broker.asked) == MOST_KEPT + 11, "the one that is read was kept"
    await world.read(HistoryQuestion(Owner("main", "0"), "1d"))
    assert len(world.broker.asked) == MOST_KEPT + 12, "the oldest was not"
