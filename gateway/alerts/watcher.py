"""Alerts at work: evaluated on what this process publishes, kept by the store, and published.

A firing is kept before anybody hears of it. Two watchers at once, as while one process takes over
from another, do no harm: a state changes by one step at a time in the store, whoever comes second
reads it again, and each arming fires once.
"""

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway.alerts.evaluation import Evaluator, Outcome
from gateway.alerts.figures import key_of, read_figure, topic_of
from gateway.alerts.rule import Rule
from gateway.alerts.states import State
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.store.kept import AlertChange, KeptAlert
from gateway.store.store import Store
from gateway.streams.alert_records import AlertState, AlertUpdate
from gateway.streams.demand import Demand, TooManySymbols
from gateway.streams.latest import LatestValues
from gateway.streams.records import MARKET_TYPES, QuoteUpdate, Record, format_time
from gateway.streams.sessions import EXCHANGE_TIME
from gateway.streams.topics import Owner, Topic, market_topic

if TYPE_CHECKING:
    # brings SQLAlchemy
    from gateway.store.rows import Transaction

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Between two looks for alerts that were added or removed, and between two published figures."""

BATCH = 500
"""Alerts whose state is kept in one transaction."""


class Firing(msgspec.Struct, frozen=True):
    """What is kept of a firing; `at` is ISO 8601."""

    arm: int
    value: Decimal
    bid: Decimal | None
    ask: Decimal | None
    at: str
    missed: bool


@dataclass(slots=True)
class _Watched:
    owner: str
    rule: Rule
    topic: Topic
    step: int
    last: Firing | None
    kept: State
    """The state as the store has it."""
    state: State | None = None
    """The next state, which the store has yet to keep; None while there is none."""
    firings: list[Firing] = field(default_factory=list)


class AlertWatcher:
    """Runs in the process that publishes; `note` is called with everything that it publishes.

    Nothing is lost while the store does not answer: states and firings wait here, and after a
    crash the kept side shows what was crossed, which then fires as missed.
    """

    def __init__(
        self, store: Store, publisher: LatestValues, demand: Demand, *, clock: Clock
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._demand = demand
        self._clock = clock
        self._evaluator = Evaluator()
        self._watched: dict[str, _Watched] = {}
        self._on: dict[Topic, dict[str, set[str]]] = {}
        """The alerts on each field of each record."""
        self._others: dict[str, set[Topic]] = {}
        """The topics of market data that alerts are on and that are no quotes, by symbol."""
        self._dirty: dict[str, None] = {}
        self._number: int | None = None
        self._holds: dict[tuple[str, str], ExitStack] = {}
        self._refused: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()
        publisher.listeners.append(self.note)

    def wake(self) -> None:
        """Look at once for alerts that were added or removed."""
        self._changed.set()

    def note(self, record: Record) -> None:
        """Evaluate what was published; of no record that no alert is on it does anything."""
        if not self._on:
            return
        try:
            topic = record.topic
            if topic in self._on:
                self._evaluate(topic, record)
            if topic.kind == "quote_update":
                # Its market may have opened or closed, which the others do not say.
                for other in self._others.get(topic.subject, ()):
                    self._evaluate(other, self._publisher.latest(other))
        except Exception:
            # No alert is worth a price.
            logger.exception("an alert cannot be evaluated")

    async def run(self) -> None:
        """Keep and publish what comes of the alerts until cancelled."""
        try:
            while True:
                try:
                    await self._step()
                except StoreUnavailable:
                    pass  # the store has logged it; what waits is kept when it works again
                except Exception:
                    logger.exception("the alerts cannot be kept")
                    await asyncio.sleep(POLL_S)
                await self._pause()
        finally:
            self._publisher.listeners.remove(self.note)
            for hold in self._holds.values():
                hold.close()

    async def _step(self) -> None:
        now_ms = self._clock.now_ms()
        self._take(self._evaluator.advance(now_ms, _day_of(now_ms)), now_ms)
        await self._load()
        await self._save()

    async def _pause(self) -> None:
        delay_s = POLL_S
        if (due_ms := self._evaluator.next_due_ms()) is not None:
            delay_s = min(delay_s, max(0.0, (due_ms - self._clock.now_ms()) / 1000))
        try:
            async with asyncio.timeout(delay_s):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    # --- Which alerts there are -----------------------------------------------------------------

    async def _load(self) -> None:
        number = await self._store.read(lambda rows: rows.alerts.read_number())
        if number == self._number:
            return
        found = {each.id: each for each in await self._store.read(_read_all)}
        for id in self._watched.keys() - found.keys():
            self._remove(id)
        for id in found.keys() - self._watched.keys():
            self._add(found[id])
        self._number = number
        self._hold_symbols()

    def _add(self, kept: KeptAlert) -> None:
        rule = msgspec.json.decode(kept.rule, type=Rule)
        state = msgspec.json.decode(kept.state, type=State)
        last = msgspec.json.decode(kept.firings[0], type=Firing) if kept.firings else None
        topic = topic_of(rule.when)
        watched = _Watched(kept.owner, rule, topic, kept.step, last, state)
        self._watched[kept.id] = watched
        fields = self._on.setdefault(topic, {})
        fields.setdefault(rule.when.field, set()).add(kept.id)
        if topic.kind in MARKET_TYPES and topic.kind != "quote_update":
            self._others.setdefault(topic.subject, set()).add(topic)
        # A new alert has not been blind: its first value only says on which side it is.
        self._evaluator.add(kept.id, rule, None if state == State() else state)
        self._evaluate(topic, self._publisher.latest(topic))
        self._publish(kept.id, watched)

    def _remove(self, id: str) -> None:
        watched = self._watched[id]
        self._publish(id, watched, "deleted")
        self._publisher.forget_topics([Topic("alert", Owner(viewer=watched.owner), id)])
        self._drop(id)

    def _drop(self, id: str) -> None:
        watched = self._watched.pop(id)
        self._evaluator.remove(id)
        self._dirty.pop(id, None)
        fields = self._on[watched.topic]
        fields[watched.rule.when.field].discard(id)
        if not fields[watched.rule.when.field]:
            del fields[watched.rule.when.field]
        if not fields:
            del self._on[watched.topic]
            if (others := self._others.get(watched.topic.subject)) is not None:
                others.discard(watched.topic)
                if not others:
                    del self._others[watched.topic.subject]

    def _hold_symbols(self) -> None:
        """Want the symbols of all alerts, each in its owner's share."""
        wanted = {
            (each.owner, each.topic.subject)
            for each in self._watched.values()
            if each.topic.kind in MARKET_TYPES and not each.kept.is_over
        }
        for key in self._holds.keys() - wanted:
            self._holds.pop(key).close()
        for owner, symbol in sorted(wanted - self._holds.keys()):
            hold = ExitStack()
            try:
                hold.enter_context(self._demand.acquire([symbol], owner))
            except TooManySymbols as error:
                if (owner, symbol) not in self._refused:
                    self._refused.add((owner, symbol))
                    logger.warning("alerts on %s are blind: %s", symbol, error)
                continue
            self._refused.discard((owner, symbol))
            self._holds[owner, symbol] = hold

    # --- What becomes of them -------------------------------------------------------------------

    def _evaluate(self, topic: Topic, record: Record | None) -> None:
        now_ms = self._clock.now_ms()
        quote = record
        if topic.kind in MARKET_TYPES and topic.kind != "quote_update":
            quote = self._publisher.latest(market_topic("quote_update", topic.subject))
        for name in self._on[topic]:
            value = read_figure(record, name, quote)
            self._take(
                self._evaluator.update(key_of(topic), name, value, now_ms, _day_of(now_ms)), now_ms
            )

    def _take(self, outcomes: list[Outcome], now_ms: int) -> None:
        for outcome in outcomes:
            watched = self._watched[outcome.id]
            watched.state = outcome.state
            if (fired := outcome.fired) is not None:
                quote = self._publisher.latest(market_topic("quote_update", watched.topic.subject))
                bid, ask = (
                    (quote.bid, quote.ask) if isinstance(quote, QuoteUpdate) else (None, None)
                )
                at = format_time(now_ms)
                watched.firings.append(Firing(fired.arm, fired.value, bid, ask, at, fired.missed))
            self._dirty[outcome.id] = None
        if outcomes:
            self._changed.set()

    async def _save(self) -> None:
        while self._dirty:
            ids = list(self._dirty)[:BATCH]
            changes: list[AlertChange] = []
            saved: dict[str, tuple[State, int]] = {}
            for id in ids:
                watched = self._watched[id]
                assert watched.state is not None
                saved[id] = (watched.state, len(watched.firings))
                changes.append(
                    AlertChange(
                        id,
                        watched.step,
                        msgspec.json.encode(watched.state).decode(),
                        tuple((each.arm, _encode(each)) for each in watched.firings),
                    )
                )
            outdated = await self._store.write(partial(_advance, changes))
            for id, (state, count) in saved.items():
                if id in outdated:
                    self._forget(id)
                else:
                    self._settle(id, state, count)

    def _settle(self, id: str, state: State, count: int) -> None:
        """Publish what is kept now; more may have happened meanwhile."""
        watched = self._watched[id]
        watched.step += 1
        watched.kept = state
        done, watched.firings = watched.firings[:count], watched.firings[count:]
        if watched.state == state and not watched.firings:
            watched.state = None
            del self._dirty[id]
        for firing in done:
            watched.last = firing
            self._publish(id, watched, "fired")
        if not done or _name_state(state) != "fired":
            self._publish(id, watched)

    def _forget(self, id: str) -> None:
        """Read an alert again: another has changed it, or it is deleted."""
        logger.info("an alert was changed by another process; reading it again")
        self._drop(id)
        self._number = None
        self._changed.set()

    def _publish(self, id: str, watched: _Watched, state: AlertState | None = None) -> None:
        when, last = watched.rule.when, watched.last
        record = AlertUpdate(
            id=id,
            viewer=watched.owner,
            arm=watched.kept.arm,
            state=_name_state(watched.kept) if state is None else state,
            key=when.key,
            field=when.field,
            op=when.op,
            threshold=when.value,
            note=watched.rule.note,
            fired_arm=None if last is None else last.arm,
            value=None if last is None else last.value,
            bid=None if last is None else last.bid,
            ask=None if last is None else last.ask,
            at=None if last is None else last.at,
            missed=None if last is None else last.missed,
        )
        if record != self._publisher.latest(record.topic):
            self._publisher.publish(record)


def _read_all(rows: "Transaction") -> tuple[KeptAlert, ...]:
    return rows.alerts.read_all()


def _advance(changes: list[AlertChange], rows: "Transaction") -> set[str]:
    return rows.alerts.advance(changes)


def _encode(firing: Firing) -> str:
    return msgspec.json.encode(firing).decode()


def _name_state(state: State) -> AlertState:
    """Return the state in the word that viewers see."""
    if state.phase == "expired":
        return "expired"
    if state.phase == "done":
        return "fired"
    if state.is_blind or state.phase == "new":
        return "blind"
    return "fired" if state.phase == "waiting" and state.has_fired else "armed"


def _day_of(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(EXCHANGE_TIME).date()
