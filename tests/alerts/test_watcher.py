"""Alerts at work: what is published fires once, is kept, and survives a restart."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.alerts.states import State
from gateway.alerts.watcher import AlertWatcher
from gateway.clock import SYSTEM_CLOCK
from gateway.settings import StoreSettings
from gateway.store.rows import Transaction
from gateway.store.store import Store
from gateway.streams.alert_records import AlertUpdate
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import GreeksUpdate, Record
from gateway.streams.topics import Owner, Topic, market_topic
from tests.streams.samples import make_quote
from tests.waiting import eventually, scaled


def add(rows: Transaction, rule: dict[str, Any], owner: str = "ann") -> str:
    """Keep an alert, and return its id."""
    id = secrets.token_hex(8)
    state = msgspec.json.encode(State()).decode()
    rows.alerts.add(id, owner, msgspec.json.encode(rule).decode(), state)
    return id


def above(value: int, key: str = "quote_update:SPY", field: str = "last", **more: Any) -> Any:
    when = {"key": key, "field": field, "op": "crosses_above", "value": value}
    return {"when": when} | more


class Desk:
    """A hub whose records a watcher sees, and all that it published of alerts."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.hub = Hub(epoch="e")
        self.demand = Demand(now_s=SYSTEM_CLOCK.monotonic_s)
        self.watcher = AlertWatcher(store, self.hub, self.demand, clock=SYSTEM_CLOCK)
        self.said: list[AlertUpdate] = []

        def listen(record: Record) -> None:
            if isinstance(record, AlertUpdate):
                self.said.append(record)

        self.hub.listeners.append(listen)

    def quote(self, last: Any, **values: Any) -> None:
        self.hub.publish(make_quote("SPY", last, **{"market": "open"} | values))

    def latest(self, id: str, owner: str = "ann") -> AlertUpdate | None:
        found = self.hub.latest(Topic("alert", Owner(viewer=owner), id))
        assert found is None or isinstance(found, AlertUpdate)
        return found

    def fired(self, id: str) -> set[int | None]:
        return {each.fired_arm for each in self.said if each.id == id} - {None}

    async def until(self, id: str, state: str, owner: str = "ann") -> AlertUpdate:
        def find() -> AlertUpdate:
            found = self.latest(id, owner)
            assert found is not None
            assert found.state == state
            return found

        return await eventually(find)


@asynccontextmanager
async def open_desk(store: Store) -> AsyncIterator[Desk]:
    desk = Desk(store)
    running = asyncio.create_task(desk.watcher.run())
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(StoreSettings(tmp_path), timeout_s=scaled(10))
    yield opened
    await opened.close()


async def keep(store: Store, rule: dict[str, Any], owner: str = "ann") -> str:
    return await store.write(lambda rows: add(rows, rule, owner))


async def read_arms(store: Store) -> list[int]:
    found = await store.read(lambda rows: rows.alerts.read_all())
    return [msgspec.json.decode(each)["arm"] for kept in found for each in kept.firings]


async def test_a_cross_fires_once_and_is_kept(store: Store) -> None:
    id = await keep(store, above(100, note="sell"))
    async with open_desk(store) as desk:
        await desk.until(id, "blind")
        assert desk.demand.wanted == {"SPY"}
        desk.quote("99")
        await desk.until(id, "armed")
        desk.quote("101", bid=Decimal("100.9"), ask=Decimal("101.1"))
        found = await desk.until(id, "fired")
        assert found.value == 101
        assert (found.bid, found.ask) == (Decimal("100.9"), Decimal("101.1"))
        assert (found.fired_arm, found.missed) == (1, False)
        assert (found.note, found.viewer) == ("sell", "ann")
        desk.quote("99")
        desk.quote("102")
    assert await read_arms(store) == [1]


async def test_the_first_value_only_says_on_which_side_it_is(store: Store) -> None:
    id = await keep(store, above(100))
    async with open_desk(store) as desk:
        desk.quote("101")
        await desk.until(id, "armed")
    assert await read_arms(store) == []


@pytest.mark.parametrize(
    "values", [{"stale": True}, {"market": "closed"}, {"market": None}], ids=str
)
async def test_nothing_fires_on_what_is_not_live(store: Store, values: dict[str, Any]) -> None:
    id = await keep(store, above(100))
    async with open_desk(store) as desk:
        desk.quote("99")
        await desk.until(id, "armed")
        desk.quote("101", **values)
        await desk.until(id, "blind")
        assert await read_arms(store) == []
        desk.quote("101")
        found = await desk.until(id, "fired")
        assert found.missed is True


async def test_what_was_crossed_while_nobody_looked_was_missed(store: Store) -> None:
    id = await keep(store, above(100))
    async with open_desk(store) as desk:
        desk.quote("99")
        await desk.until(id, "armed")
    async with open_desk(store) as desk:
        desk.quote("101")
        assert (await desk.until(id, "fired")).missed is True
    async with open_desk(store) as desk:
        desk.quote("99")
        desk.quote("101")
        assert (await desk.until(id, "fired")).fired_arm == 1
    assert await read_arms(store) == [1]


async def test_two_watchers_at_once_fire_once(store: Store) -> None:
    id = await keep(store, above(100, rearm="cross"))
    async with open_desk(store) as one, open_desk(store) as two:
        for each in (one, two):
            each.quote("99")
            await each.until(id, "armed")
        for _ in range(3):
            for each in (one, two):
                each.quote("101")
            for each in (one, two):
                await each.until(id, "fired")
            for each in (one, two):
                each.quote("99")
            for each in (one, two):
                await each.until(id, "armed")
    arms = await read_arms(store)
    assert len(arms) == len(set(arms)) >= 3


async def test_a_deleted_alert_is_told_and_gone(store: Store) -> None:
    id = await keep(store, above(100))
    async with open_desk(store) as desk:
        await desk.until(id, "blind")
        await store.write(lambda rows: rows.alerts.remove("ann", id))
        desk.watcher.wake()
        await eventually(lambda: desk.latest(id) is None)
        assert desk.said[-1].state == "deleted"
        assert desk.demand.count("SPY") == 0


async def test_greeks_count_while_the_market_of_the_symbol_is_open(store: Store) -> None:
    id = await keep(store, above(1, key="greeks_update:SPY", field="delta"))

    def greeks(delta: str) -> GreeksUpdate:
        unknown: Any = dict.fromkeys(
            ("price", "volatility", "gamma", "theta", "rho", "vega", "time")
        )
        return GreeksUpdate(symbol="SPY", updated_at="", delta=Decimal(delta), **unknown)

    async with open_desk(store) as desk:
        desk.hub.publish(greeks("0.5"))
        await desk.until(id, "blind")
        desk.quote("99")
        await desk.until(id, "armed")
        desk.quote("99", market="closed")
        await desk.until(id, "blind")
        desk.quote("99")
        desk.hub.publish(greeks("1.5"))
        assert (await desk.until(id, "fired")).value == Decimal("1.5")


async def test_what_stays_above_fires_when_its_time_is_over(store: Store) -> None:
    when = {"key": "quote_update:SPY", "field": "last", "op": "above", "value": 100}
    id = await keep(store, {"when": when, "for_s": 0.2})
    async with open_desk(store) as desk:
        desk.quote("99")
        await desk.until(id, "armed")
        desk.quote("101")
        assert (await desk.until(id, "fired")).value == 101


async def test_a_store_that_fails_delays_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.errors import StoreUnavailable

    id = await keep(store, above(100))
    async with open_desk(store) as desk:
        desk.quote("99")
        await desk.until(id, "armed")
        write: Callable[..., Any] = store.write
        answers: Iterator[bool] = iter((False, True))

        async def fail(work: Any) -> Any:
            # The second time it is done, and the answer is lost.
            if next(answers, None) is False:
                raise StoreUnavailable("the disk is full")
            await write(work)
            monkeypatch.setattr(store, "write", write)
            raise StoreUnavailable("too late")

        monkeypatch.setattr(store, "write", fail)
        desk.quote("101")
        assert (await desk.until(id, "fired")).fired_arm == 1
    assert await read_arms(store) == [1]


def test_nothing_is_done_for_a_record_without_alerts(tmp_path: Path) -> None:
    desk = Desk(Store(StoreSettings(tmp_path)))
    desk.quote("99")
    assert desk.hub.latest(market_topic("quote_update", "SPY")) is not None
    assert desk.said == []


async def test_prices_that_move_tell_a_firing_once(store: Store) -> None:
    """What a client hears of an alert changes with the alert, not with the figure."""
    id = await keep(store, above(100))
    async with open_desk(store) as desk:
        desk.quote("99")
        await desk.until(id, "armed")
        desk.quote("101")
        await desk.until(id, "fired")
        other = await keep(store, above(200))
        for cents in range(50):
            desk.quote(f"101.{cents:02d}")
        desk.watcher.wake()
        await desk.until(other, "armed")
        states = [each.state for each in desk.said if each.id == id]
        assert states.count("fired") == 1
        assert len(states) == len(set(states))
