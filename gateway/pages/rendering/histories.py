"""What only the broker can tell of an account and a panel shows: asked for while somebody looks.

Panels read at each tick, so nothing here waits: an answer is there, or it is on its way.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from gateway.clock import Clock
from gateway.pages.panel import History, HistoryQuestion
from gateway.streams.documents import (
    Back,
    BrokerUnavailable,
    Documents,
    NetLiqHistory,
    NotListed,
)

LIFE_S: Mapping[Back, float] = {"1d": 30.0, "1w": 120.0}
LONG_LIFE_S = 600.0
"""A point of a longer history is a day."""
RETRY_S = 15.0
WAIT_S = 30.0
MOST_KEPT = 256

NO_LOGIN = (
    "Nobody here can ask Tastytrade for it: this gateway has no login. "
    "Set TT_SECRET and TT_REFRESH, and start it again."
)


class _Kept:
    """An answer, and when it is asked for again."""

    def __init__(self) -> None:
        self.answer: History = None
        self.due_s = float("-inf")
        self.asking: asyncio.Task[None] | None = None


class Histories:
    """Answers of the broker by account and range, asked for again when they are old.

    Whoever reads has found that the account is granted. What was known stays while the broker
    cannot be asked. At most `MOST_KEPT` are kept; those that were not read for longest go first.
    """

    def __init__(self, documents: Callable[[], Documents | None], clock: Clock) -> None:
        self._documents = documents
        self._now_s = clock.monotonic_s
        self._kept: dict[HistoryQuestion, _Kept] = {}

    def read(self, questions: Iterable[HistoryQuestion]) -> list[History]:
        """Return the answers: a history, why there is none, or None while the broker is asked."""
        return [self._read(each) for each in questions]

    def _read(self, question: HistoryQuestion) -> History:
        documents = self._documents()
        if documents is None:
            return NO_LOGIN
        kept = self._kept.pop(question, None) or _Kept()
        self._kept[question] = kept
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        if kept.asking is None and self._now_s() >= kept.due_s:
            asking = self._ask(documents, question, kept)
            kept.asking = asyncio.get_running_loop().create_task(asking, name="history")
        return kept.answer

    async def _ask(self, documents: Documents, question: HistoryQuestion, kept: _Kept) -> None:
        due_s = self._now_s() + RETRY_S
        try:
            async with asyncio.timeout(WAIT_S):
                kept.answer = await documents.net_liq(question.owner, question.back)
            due_s = self._now_s() + LIFE_S.get(question.back, LONG_LIFE_S)
        except (NotListed, BrokerUnavailable, TimeoutError) as error:
            if not isinstance(kept.answer, NetLiqHistory):
                words = str(error) or "Tastytrade does not answer"
                kept.answer = f"{words[:1].upper()}{words[1:]}. It is asked again by itself."
        finally:
            kept.due_s, kept.asking = due_s, None
