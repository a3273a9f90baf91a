"""Documents that only the feed process can get: a web process asks for them over the backplane.

A question waits in a list until a feed process that is upstream takes it; the answer waits under a
key of its own. Both end by themselves, so that nothing is answered that nobody waits for.
"""

import asyncio
import logging
import secrets
from datetime import date
from typing import Protocol, TypeVar

import msgspec

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import BackplaneError
from gateway.streams.backplane.server import Backplane
from gateway.streams.documents import (
    Back,
    BrokerUnavailable,
    Documents,
    NetLiqHistory,
    NotListed,
    OptionChain,
    SearchResult,
)
from gateway.streams.reports import UpstreamReport
from gateway.streams.topics import Owner

logger = logging.getLogger(__name__)

WAIT_S = 25.0
"""For an answer: longer than a request waits for its turn at the broker."""
MAX_ASKING = 16
"""Questions of one web process at once; each holds a connection."""
MAX_ANSWERING = 8
RETRY_S = 1.0

T = TypeVar("T")


class ChainQuestion(msgspec.Struct, frozen=True, tag="chain"):
    """Asks for an option chain."""

    underlying: str
    expiration: date | None
    root: str | None
    strikes: int


class NetLiqQuestion(msgspec.Struct, frozen=True, tag="net_liq"):
    """Asks for the history of an account, which the web process has found to be granted."""

    owner: Owner
    back: Back


class SearchQuestion(msgspec.Struct, frozen=True, tag="search"):
    """Asks what a text may mean."""

    text: str


class Question(msgspec.Struct, frozen=True):
    """What is asked, and under which name the answer is waited for."""

    name: str
    asks: ChainQuestion | NetLiqQuestion | SearchQuestion


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for, or why there is none."""

    chain: OptionChain | None = None
    history: NetLiqHistory | None = None
    results: tuple[SearchResult, ...] | None = None
    not_listed: str | None = None
    unavailable: str | None = None


_encoder = msgspec.json.Encoder(decimal_format="number")
_QUESTION = msgspec.json.Decoder(Question)
_ANSWER = msgspec.json.Decoder(Answer)


class RemoteDocuments:
    """The documents of a web process, which the feed process gets; see `Documents`."""

    def __init__(
        self, backplane: Backplane, *, wait_s: float = WAIT_S, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._backplane = backplane
        self._wait_s = wait_s
        self._now_s = clock.monotonic_s
        self._asking = asyncio.Semaphore(MAX_ASKING)

    async def chain(
        self,
        underlying: str,
        expiration: date | None = None,
        root: str | None = None,
        *,
        strikes: int,
    ) -> OptionChain:
        """Return a chain with so many strikes of an expiration, by default the nearest."""
        answer = await self._ask(ChainQuestion(underlying, expiration, root, strikes))
        return _expect(answer.chain)

    async def net_liq(self, owner: Owner, back: Back) -> NetLiqHistory:
        """Return the history of an account."""
        return _expect((await self._ask(NetLiqQuestion(owner, back))).history)

    async def search(self, text: str) -> tuple[SearchResult, ...]:
        """Return what a text may mean."""
        return _expect((await self._ask(SearchQuestion(text))).results)

    async def _ask(self, asks: ChainQuestion | NetLiqQuestion | SearchQuestion) -> Answer:
        question = Question(secrets.token_hex(8), asks)
        until_s = self._now_s() + self._wait_s
        try:
            async with self._asking:
                await self._backplane.ask(_encoder.encode(question), self._wait_s)
                while self._now_s() < until_s:
                    data = await self._backplane.take_answer(question.name)
                    if data is not None:
                        return _read(data)
        except BackplaneError as error:
            raise BrokerUnavailable(str(error)) from error
        raise BrokerUnavailable("the feed process does not answer")


def _read(data: bytes) -> Answer:
    try:
        answer = _ANSWER.decode(data)
    except msgspec.MsgspecError as error:
        raise BrokerUnavailable("the feed process is of another release") from error
    if answer.not_listed is not None:
        raise NotListed(answer.not_listed)
    if answer.unavailable is not None:
        raise BrokerUnavailable(answer.unavailable)
    return answer


def _expect(found: T | None) -> T:
    if found is None:
        raise BrokerUnavailable("the feed process is of another release")
    return found


class Informed(Protocol):
    """What runs upstream, and has documents."""

    @property
    def documents(self) -> Documents:
        """Who asks the broker."""

    async def run(self) -> None:
        """Publish until cancelled."""

    def report(self) -> UpstreamReport:
        """Return what `/status` shows of it."""


class AnsweringSource:
    """A source that also answers what web processes ask, for as long as it runs."""

    def __init__(self, source: Informed, backplane: Backplane) -> None:
        self._source = source
        self._backplane = backplane

    async def run(self) -> None:
        """Publish and answer until cancelled.

        Raises:
            ExceptionGroup: when the source fails for good.
        """
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._answer(tasks), name="answers")
            await self._source.run()
            answering.cancel()

    def report(self) -> UpstreamReport:
        """Return what `/status` shows of it."""
        return self._source.report()

    async def _answer(self, tasks: asyncio.TaskGroup) -> None:
        busy = asyncio.Semaphore(MAX_ANSWERING)
        while True:
            await busy.acquire()
            try:
                data = await self._backplane.take_question()
            except BackplaneError:
                data = None  # whoever publishes logs it
                await asyncio.sleep(RETRY_S)
            if data is None:
                busy.release()
                continue
            task = tasks.create_task(self._answer_one(data), name="answer")
            task.add_done_callback(lambda _: busy.release())

    async def _answer_one(self, data: bytes) -> None:
        try:
            question = _QUESTION.decode(data)
        except msgspec.MsgspecError:
            logger.info("a question could not be read; a web process is of another release")
            return
        try:
            answer = await self._find(question.asks)
        except NotListed as error:
            answer = Answer(not_listed=str(error))
        except BrokerUnavailable as error:
            answer = Answer(unavailable=str(error))
        except Exception:
            # A bug, or an answer nobody thought of: that must not end what publishes.
            logger.exception("a question could not be answered")
            answer = Answer(unavailable="the feed process failed to answer; its log says why")
        try:
            await self._backplane.answer(question.name, _encoder.encode(answer))
        except BackplaneError as error:
            logger.info("an answer could not be given: %s", error)

    async def _find(self, asks: ChainQuestion | NetLiqQuestion | SearchQuestion) -> Answer:
        documents = self._source.documents
        match asks:
            case ChainQuestion(underlying, expiration, root, strikes):
                chain = await documents.chain(underlying, expiration, root, strikes=strikes)
                return Answer(chain=chain)
            case NetLiqQuestion(owner, back):
                return Answer(history=await documents.net_liq(owner, back))
            case SearchQuestion(text):
                return Answer(results=await documents.search(text))
