"""Documents over a real server: asked in one process, answered in another, or said why not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal

import pytest

from gateway.streams.backplane.questions import AnsweringSource, RemoteDocuments
from gateway.streams.backplane.scripts import QUESTIONS
from gateway.streams.backplane.server import MAX_QUESTIONS, Backplane
from gateway.streams.documents import BrokerUnavailable, NotListed
from gateway.streams.reports import UpstreamReport
from gateway.streams.topics import MAIN_LOGIN, Owner
from tests.valkey import Valkey, find_port, open_valkey
from tests.waiting import eventually
from tests.web.test_desk import FIRST, Broker

OWNER = Owner(MAIN_LOGIN, FIRST)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with open_valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.redis.flushall()
    return server


class Source:
    """What runs upstream and asks a broker."""

    def __init__(self) -> None:
        self.documents = Broker()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def report(self) -> UpstreamReport:
        return UpstreamReport()


@asynccontextmanager
async def answering(valkey: Valkey) -> AsyncIterator[Broker]:
    source, backplane = Source(), Backplane(valkey.url)
    task = asyncio.create_task(AnsweringSource(source, backplane).run())
    try:
        yield source.documents
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await backplane.close()


@asynccontextmanager
async def asking(url: str, wait_s: float = 25.0) -> AsyncIterator[RemoteDocuments]:
    backplane = Backplane(url)
    try:
        yield RemoteDocuments(backplane, wait_s=wait_s)
    finally:
        await backplane.close()


async def test_an_answer_is_the_same_as_without_a_server_between(valkey: Valkey) -> None:
    async with answering(valkey) as broker, asking(valkey.url) as documents:
        direct = Broker()
        day = date(2026, 12, 18)
        assert await documents.chain("SPY", day, "SPY", strikes=4) == await direct.chain(
            "SPY", day, "SPY", strikes=4
        )
        assert await documents.net_liq(OWNER, "1w") == await direct.net_liq(OWNER, "1w")
        assert await documents.search("SPY") == await direct.search("SPY")
        assert broker.asked == direct.asked
        chain = await documents.chain("SPY", strikes=4)
        assert chain.price == Decimal("600.10")


async def test_many_at_once_get_their_own_answers(valkey: Valkey) -> None:
    async with answering(valkey), asking(valkey.url) as documents:
        texts = [f"S{n}" for n in range(40)]
        found = await asyncio.gather(*map(documents.search, texts))
        assert [each[0].symbol for each in found] == texts
        assert valkey.redis.keys("*answer*") == []


async def test_the_reason_comes_back_too(valkey: Valkey) -> None:
    async with answering(valkey) as broker, asking(valkey.url) as documents:
        broker.error = NotListed("Tastytrade lists no options on this")
        with pytest.raises(NotListed, match="lists no options"):
            await documents.chain("X", strikes=1)
        broker.error = BrokerUnavailable("Tastytrade cannot answer")
        with pytest.raises(BrokerUnavailable, match="cannot answer"):
            await documents.search("X")
        broker.error = RuntimeError("a bug")
        with pytest.raises(BrokerUnavailable, match="its log says why"):
            await documents.search("X")
        broker.error = None
        assert await documents.search("X")


async def test_nobody_upstream_is_said_in_time_and_leaves_nothing(valkey: Valkey) -> None:
    async with asking(valkey.url, wait_s=0.5) as documents:
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            await documents.search("X")
        for _ in range(MAX_QUESTIONS + 5):
            await documents._backplane.ask(b"{}", 0.3)
        assert valkey.redis.llen(QUESTIONS) == MAX_QUESTIONS
        await eventually(lambda: valkey.redis.llen(QUESTIONS) == 0)


async def test_what_another_release_asks_disturbs_nobody(valkey: Valkey) -> None:
    async with answering(valkey), asking(valkey.url) as documents:
        await documents._backplane.ask(b'{"name":"x","asks":{"type":"dance"}}', 5)
        await documents._backplane.ask(b"no JSON", 5)
        assert await documents.search("X")


async def test_without_a_server_it_says_why() -> None:
    async with asking(f"redis://127.0.0.1:{find_port()}/0") as documents:
        with pytest.raises(BrokerUnavailable, match="cannot be reached"):
            await documents.search("X")
