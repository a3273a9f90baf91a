"""Panels that follow what cannot be listed beforehand: rows come and go, each for its grant."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.layout import Page
from gateway.pages.panel import Cells, FragmentPanel, Key, RowChange, TablePanel
from gateway.pages.rendering.live_page import LivePages, PageSubscriber
from gateway.pages.rendering.panel_topics import PanelTopics
from gateway.pages.rendering.templates import create_environment
from gateway.streams.account_records import BalanceUpdate, Removed
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import Record
from gateway.streams.topics import (
    ANY_ACCOUNT,
    MAIN_LOGIN,
    Grant,
    Owner,
    Topic,
    TopicPattern,
    balance_topic,
    covers,
    grant_accounts,
    market_topic,
    status_topic,
)
from tests.streams.samples import make_balance, make_quote, make_status

pytestmark = pytest.mark.anyio

NEVER_S = 3600.0
ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")


class Holdings(TablePanel):
    """A row for every account, by balance, which needs the quote of a symbol named after it."""

    frame: ClassVar[str] = "panels/table.html"
    empty: ClassVar[str] = "panels/watchlist_empty.html"
    is_private: bool = True
    cell_tags: tuple[str, ...] = ("td", "td")

    def keys(self) -> tuple[Key, ...]:
        return (TopicPattern("balance_update"),)

    def row_id(self, key: Topic) -> str:
        return f"row-{key.owner.login}-{key.subject}"

    def order(self, records: Sequence[Record | None]) -> Sequence[int] | None:
        worth = [each.balance if isinstance(each, BalanceUpdate) else 0 for each in records]
        return sorted(range(len(worth)), key=lambda index: -worth[index])

    def row_cells(self, key: Topic, record: Record | None, move: RowChange) -> Cells:
        balance = str(record.balance) if isinstance(record, BalanceUpdate) else "—"
        return ("", f"{key.owner.login}:{key.subject}", "", balance)

    def row_value(self, record: Record | None) -> Any:
        return None

    def wanted_symbols(self, records: Sequence[Record | None]) -> Iterable[str]:
        return [f"S{each.account}" for each in records if isinstance(each, BalanceUpdate)]


class Shared(Holdings):
    """The same by mistake not private."""

    is_private: bool = False


PAGE = Page("s", "S", (Holdings("holdings"),), ("SPY",), "")


@dataclass
class Chunks:
    """A sink that takes everything."""

    found: list[bytes] = field(default_factory=list)

    def write(self, chunk: bytes) -> bool:
        self.found.append(chunk)
        return True

    def close(self, reason: str) -> None:
        raise AssertionError(reason)

    def take(self) -> str:
        text = b"".join(self.found).decode()
        self.found.clear()
        return text


class World:
    """A hub and its pages; ticks are the test's."""

    def __init__(self, **limits: Any) -> None:
        self.hub = Hub(epoch="e")
        self.demand = Demand(now_s=lambda: 0.0, linger_s=0, **limits)
        self.views = LivePages(self.hub, self.demand, ENVIRONMENT, tick_s=NEVER_S, linger_s=0)

    def open(
        self, grant: Grant, viewer: str | None = None, page: Page = PAGE
    ) -> tuple[PageSubscriber, Chunks]:
        subscriber, sink = self.views.open(page, grant, viewer), Chunks()
        subscriber.write_to(sink, lambda: None)
        return subscriber, sink

    def tick(self) -> None:
        self.views.ticker.finish()

    def wanted(self) -> set[str]:
        self.demand.expire()
        return set(self.demand.wanted)


@pytest.fixture
def world() -> World:
    return World()


async def test_rows_come_and_go_while_the_page_is_open(world: World) -> None:
    one, sink = world.open(None)
    assert "row-" not in sink.take()
    world.hub.publish(make_balance("1", 5))
    world.tick()
    chunk = sink.take()
    assert 'id="row-main-1"' in chunk
    assert 'hx-swap="outerMorph"' in chunk
    world.hub.publish(make_balance("2", 9))
    world.tick()
    chunk = sink.take()
    assert chunk.index("row-main-2") < chunk.index("row-main-1"), "in their order from the start"
    world.hub.publish(make_balance("1", 6))
    world.tick()
    chunk = sink.take()
    assert chunk.startswith("event: cells")
    assert "row-main-2" not in chunk
    world.hub.forget_topics([balance_topic("2")])
    world.tick()
    chunk = sink.take()
    assert "row-main-1" in chunk
    assert "row-main-2" not in chunk
    world.tick()
    assert sink.take() == ""
    world.hub.forget_topics([balance_topic("1")])
    world.tick()
    assert "row-" not in sink.take()
    one.close()


async def test_a_record_that_is_removed_leaves_the_page_and_its_symbol(world: World) -> None:
    for account in "12":
        world.hub.publish(make_balance(account, 5))
    one, sink = world.open(None)
    assert world.wanted() == {"SPY", "S1", "S2"}
    sink.take()
    world.hub.publish(Removed(of="balance_update", account="1"))
    world.tick()
    chunk = sink.take()
    assert "row-main-2" in chunk
    assert "row-main-1" not in chunk + one.show_everything()
    assert world.wanted() == {"SPY", "S2"}
    world.hub.publish(make_balance("1", 7))
    world.tick()
    assert "row-main-1" in sink.take()
    one.close()


async def test_each_grant_has_its_own_rows(world: World) -> None:
    viewers = {
        "1": world.open(grant_accounts(["1"])),
        "2": world.open(grant_accounts(["2"])),
        "ann": world.open(frozenset({Owner("ann", ANY_ACCOUNT)})),
        "nobody": world.open(frozenset()),
    }
    for _, sink in viewers.values():
        sink.take()
    world.hub.publish(make_balance("1", 11))
    world.hub.publish(make_balance("2", 22))
    world.hub.publish(make_balance("1", 33, login="ann"))
    world.tick()
    shown = {name: sink.take() for name, (_, sink) in viewers.items()}
    for name, amount in (("1", "11"), ("2", "22"), ("ann", "33")):
        assert [each for each, text in shown.items() if f">{amount}<" in text] == [name]
    assert shown["nobody"] == ""
    for subscriber, _ in viewers.values():
        subscriber.close()


async def test_a_shared_panel_gets_nothing_that_has_an_owner(world: World) -> None:
    page = Page("s", "S", (Shared("holdings"),), (), "")
    one, sink = world.open(None, page=page)
    world.hub.publish(make_balance("1", 5))
    world.tick()
    assert "row-" not in sink.take() + one.show_everything()
    assert world.wanted() == set()
    one.close()


async def test_what_private_records_need_is_followed_while_somebody_looks(world: World) -> None:
    world.hub.publish(make_balance("1", 5))
    world.hub.publish(make_balance("2", 5))
    ann, _ = world.open(grant_accounts(["1"]), "ann")
    assert world.wanted() == {"SPY", "S1"}
    bob, _ = world.open(grant_accounts(["1"]), "bob")
    owner, _ = world.open(grant_accounts(None))
    assert world.wanted() == {"SPY", "S1", "S2"}
    assert world.demand.count("S1") == 3
    owner.close()
    assert world.wanted() == {"SPY", "S1"}
    world.hub.publish(make_balance("3", 5))
    world.hub.forget_topics([balance_topic("1")])
    world.tick()
    assert world.wanted() == {"SPY"}
    world.hub.publish(make_balance("1", 5))
    world.tick()
    assert world.wanted() == {"SPY", "S1"}
    ann.close()
    assert world.wanted() == {"SPY", "S1"}, "bob looks on"
    bob.close()
    await asyncio.sleep(0)
    assert "S1" not in world.wanted()


async def test_what_there_is_no_room_for_is_shown_and_not_followed() -> None:
    world = World(max_symbols_per_viewer=3)
    for account in "123456":
        world.hub.publish(make_balance(account, 5))
    ann, sink = world.open(grant_accounts(None), "ann")
    assert "row-main-6" in sink.take()
    assert world.wanted() == {"SPY", "S1", "S2"}
    assert "row-main-6" in ann.show_everything()
    ann.close()


class Mixed(FragmentPanel):
    """Topics and patterns between each other."""

    template: ClassVar[str] = "panels/custom.html"
    frame: ClassVar[str] = "panels/custom_frame.html"
    is_private: bool = True

    def keys(self) -> tuple[Key, ...]:
        spy = market_topic("quote_update", "SPY")
        return (TopicPattern("balance_update"), spy, status_topic("session"))

    def context(self, records: Sequence[Record | None], now_ms: int) -> dict[str, Any]:
        return {}


def test_topics_stand_in_the_order_of_the_keys() -> None:
    hub, spy = Hub(epoch="e"), market_topic("quote_update", "SPY")
    for record in (make_quote("SPY", 1), make_status("session"), make_balance("2")):
        hub.publish(record)
    owner = PanelTopics(Mixed("m"), hub, grant_accounts(None) | {Owner(MAIN_LOGIN)})
    viewer = PanelTopics(Mixed("m"), hub, grant_accounts(["1"]))
    first = owner.read()
    assert first == (balance_topic("2"), spy, status_topic("session"))
    assert viewer.read() == (spy, None), "a topic keeps its place without a grant"
    hub.publish(make_status("session", "again"))
    assert owner.read() is first
    hub.publish(make_balance("1"))
    assert owner.read() == (balance_topic("1"), *first)
    assert viewer.read() == (balance_topic("1"), spy, None)


TOPICS = [balance_topic(number, login) for login in (MAIN_LOGIN, "ann") for number in "12"]
GRANTS: list[Grant] = [
    None,
    frozenset(),
    grant_accounts(None),
    grant_accounts(["1"]),
    frozenset({Owner("ann", "1"), Owner(MAIN_LOGIN, "2")}),
    frozenset({Owner("ann", ANY_ACCOUNT)}),
]
STEPS = st.lists(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS))
    | st.tuples(st.just("forget"), st.sampled_from(TOPICS))
    | st.tuples(st.just("open"), st.sampled_from(GRANTS))
    | st.tuples(st.just("close"), st.integers(0, 9))
    | st.tuples(st.just("tick"), st.none()),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_a_viewer_sees_what_is_granted_and_nothing_else(
    steps: list[tuple[str, Any]],
) -> None:
    async def play() -> None:
        world, known = World(), set[Topic]()
        viewers: list[tuple[Grant, PageSubscriber, Chunks]] = []

        def check() -> None:
            for grant, subscriber, sink in viewers:
                granted = {each for each in TOPICS if covers(grant, each.owner)}
                sent, shown = sink.take(), subscriber.show_everything()
                for topic in TOPICS:
                    name = f'row-{topic.owner.login}-{topic.subject}"'
                    assert (name in shown) is (topic in known & granted)
                    assert name not in sent or topic in granted

        def play_step(step: str, value: Any) -> None:
            if step == "publish":
                known.add(value)
                world.hub.publish(make_balance(value.subject, len(known), value.owner.login))
            elif step == "forget":
                known.discard(value)
                world.hub.forget_topics([value])
            elif step == "open":
                viewers.append((value, *world.open(value, f"v{len(viewers)}")))
            elif step == "close" and viewers:
                viewers.pop(value % len(viewers))[1].close()
            elif step == "tick":
                world.tick()
                check()

        for step, value in steps:
            play_step(step, value)
        world.tick()
        check()
        granted = [{t for t in known if covers(grant, t.owner)} for grant, _, _ in viewers]
        expected = {f"S{topic.subject}" for topics in granted for topic in topics}
        if viewers:
            assert world.wanted() == expected | {"SPY"}
        for _, subscriber, _ in viewers:
            subscriber.close()
        await asyncio.sleep(0.001)
        assert world.wanted() == set()

    asyncio.run(play())
