"""Views: rendered once for all, nothing for nobody, the newest for who was away, nothing private
in what all see."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.pages.authoring.builder import open_builder
from gateway.pages.home import home_page
from gateway.pages.layout import Page, list_panels
from gateway.pages.panel import Panel
from gateway.pages.panels.balance import BalancePanel
from gateway.pages.panels.status import StatusPanel
from gateway.pages.panels.watchlist import WatchlistPanel, watchlist
from gateway.pages.rendering import channel, ticker
from gateway.pages.rendering.cache import create_element, encode_message, render_partial
from gateway.pages.rendering.channel import Channel
from gateway.pages.rendering.live_page import OVERDUE_S, LivePages, PageSubscriber
from gateway.pages.rendering.templates import create_environment
from gateway.pages.rendering.ticker import TICK_S
from gateway.streams.demand import Demand, TooManySymbols
from gateway.streams.hub.hub import Hub
from gateway.streams.topics import Topic, grant_accounts
from tests.pages.reading import (
    WORDS_NEVER_SHOWN,
    Node,
    make_balance,
    make_quote,
    make_status,
    parse_cells,
    parse_html,
    parse_messages,
    parse_partials,
)
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

NEVER_S = 3600.0
ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")


@dataclass
class World:
    """A hub, its views, and a clock that the test moves; ticks are the test's too."""

    hub: Hub
    demand: Demand
    views: LivePages
    now_s: float = 1000.0

    def open(self, *symbols: str, accounts: frozenset[str] | None = None) -> PageSubscriber:
        grant = None if accounts is None else grant_accounts(accounts)
        return self.views.open(home_page(symbols), grant)

    def tick(self) -> None:
        self.views.ticker.finish()


def make_world(**options: Any) -> World:
    hub = Hub(epoch="e")
    demand = Demand(now_s=lambda: made.now_s, linger_s=0, **options)
    views = LivePages(
        hub,
        demand,
        ENVIRONMENT,
        tick_s=NEVER_S,
        linger_s=0,
        clock=Clock(monotonic_s=lambda: made.now_s, wall_s=lambda: made.now_s),
    )
    made = World(hub, demand, views)
    return made


@pytest.fixture
def world() -> World:
    return make_world()


class OneChunk:
    """The sink of a client that reads once; full from then on."""

    def __init__(self) -> None:
        self.result: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

    def write(self, chunk: bytes) -> bool:
        self.result.set_result(chunk)
        return False

    def close(self, reason: str = "") -> None:
        self.result.set_result(None)


async def pull(viewer: PageSubscriber) -> bytes | None:
    """The next chunk; None when the hub closes or the page is retired."""
    sink = OneChunk()
    viewer.write_to(sink, sink.close)
    return await sink.result


async def read(viewer: PageSubscriber) -> bytes:
    chunk = await asyncio.wait_for(pull(viewer), 5)
    assert chunk is not None
    return chunk


def has_nothing(viewer: PageSubscriber) -> bool:
    """Whether a read would wait."""
    channels = (viewer._view.shared, viewer._private.channel)
    return not any(map(Channel.after, channels, viewer._cursors))


def partials_of(chunk: bytes) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for message in parse_messages(chunk):
        if message.event == "message":
            found.update(parse_partials(message.data))
    return found


def changes_of(chunk: bytes) -> dict[str, dict[int, str]]:
    """The changed cells of each row, by its id."""
    found: dict[str, dict[int, str]] = {}
    for message in parse_messages(chunk):
        if message.event == "cells":
            found.update(parse_cells(message.data))
    return found


@dataclass
class Table:
    """The watchlist as a browser has it: the class and the words of each cell, by the row's id."""

    rows: dict[str, list[str]]

    def __init__(self, chunk: bytes = b"") -> None:
        self.rows = {}
        if chunk:
            self.apply(chunk)

    def apply(self, chunk: bytes) -> None:
        """Do what htmx and `gateway.js` do with a message, as far as the table goes."""
        table = partials_of(chunk).get("watchlist")
        if table is not None:
            self.rows = {
                str(row.attributes["id"]): [
                    text
                    for cell in row.children
                    for text in (cell.attributes.get("class") or "", _looks(cell))
                ]
                for row in table.find("tr")
            }
        for id, changes in changes_of(chunk).items():
            assert id in self.rows, "a row that the browser does not have"
            for place, value in changes.items():
                cell = parse_html(value) if place > 0 else None
                self.rows[id][2 * abs(place) - (place < 0) - 1] = (
                    value if cell is None else _looks(cell)
                )


def _looks(cell: Node) -> str:
    marks = [str(each.attributes.get("x")) for each in cell.find("rect")]
    return " ".join([*cell.words.split(), *marks])


def cells(row: Node) -> list[str]:
    return [each.words for each in row.children]


async def test_the_first_message_is_everything(world: World) -> None:
    world.hub.publish(make_quote("SPY", "450.25", bid=Decimal("450.24")))
    world.hub.publish(make_status())
    viewer = world.open("SPY", "/ESZ26:XCME")
    partials = partials_of(await read(viewer))
    assert partials.keys() == {"status", "watchlist", "balance", "positions", "orders"}
    rows = partials["watchlist"].find("tr")
    assert [each.attributes["id"] for each in rows] == [
        "watchlist-SPY",
        "watchlist-_2f_ESZ26_3a_XCME",
    ]
    assert cells(rows[0])[:7] == ["SPY", "450.25", "–", "–", "–", "450.24", "–"]
    assert "Feed live" in partials["status"].words
    assert has_nothing(viewer)
    viewer.close()


async def test_only_cells_that_changed_travel(world: World) -> None:
    symbols = [f"A{index}" for index in range(9)]
    for symbol in symbols:
        world.hub.publish(make_quote(symbol, "3.00"))
    viewer = world.open(*symbols)
    await read(viewer)
    world.hub.publish(make_quote("A1", "4.00"))
    world.hub.publish(make_quote("A2", "3.00", bid=Decimal("2.99"), change=Decimal(-1)))
    world.tick()
    chunk = await read(viewer)
    assert not partials_of(chunk)
    assert changes_of(chunk) == {
        "watchlist-A1": {-2: "c-last flash-up", 2: "4.00"},
        "watchlist-A2": {-3: "c-change down", 3: "−1.00", -4: "c-pct down", 6: "2.99"},
    }
    world.tick()
    assert changes_of(await read(viewer)) == {"watchlist-A1": {-2: "c-last"}}
    viewer.close()


async def test_a_sorted_table_travels_as_a_whole_when_its_order_changes(world: World) -> None:
    with open_builder() as builder:
        watchlist("A", "B", columns=["last"], sort="last")
    for symbol, price in (("A", "2.00"), ("B", "1.00")):
        world.hub.publish(make_quote(symbol, price))
    viewer = world.views.open(Page("s", "S", tuple(list_panels(builder.nodes)), (), ""), None)

    async def order(price: str) -> list[str]:
        world.hub.publish(make_quote("B", price))
        world.tick()
        chunk = await read(viewer)
        partials = partials_of(chunk)
        assert bool(partials) != bool(changes_of(chunk))
        return (
            [each.children[0].words for each in partials["watchlist"].find("tr")]
            if (partials)
            else []
        )

    await read(viewer)
    assert await order("1.50") == []
    assert await order("3.00") == ["B", "A"]
    assert await order("3.50") == []
    assert await order("1.00") == ["A", "B"]
    viewer.close()


async def test_row_and_table_show_the_same(world: World) -> None:
    symbols = [f"A{index}" for index in range(9)]
    early = world.open(*symbols)
    screen = Table(await read(early))
    world.hub.publish(make_quote("A4", "2.00", volume=Decimal(5), bid=Decimal("1.99")))
    world.hub.publish(make_quote("A5", "2.00", low=Decimal(1), high=Decimal(3), stale=True))
    world.tick()
    screen.apply(await read(early))
    late = world.open(*symbols)
    assert screen == Table(await read(late))
    early.close()
    late.close()


async def test_all_viewers_get_the_same_bytes(world: World) -> None:
    viewers = [world.open("SPY") for _ in range(5)]
    assert len(world.views) == 1
    assert len({await read(each) for each in viewers}) == 1
    world.hub.publish(make_quote("SPY"))
    world.tick()
    chunks = [await read(each) for each in viewers]
    assert len(set(chunks)) == 1
    message = viewers[0]._view.shared._message
    assert all(message in each for each in chunks)
    for each in viewers:
        each.close()


async def test_who_missed_a_tick_gets_the_snapshot(world: World) -> None:
    symbols = [f"A{index}" for index in range(9)]
    fast, slow = world.open(*symbols), world.open(*symbols)
    await read(fast)
    await read(slow)
    for price in ("1.00", "2.00"):
        world.hub.publish(make_quote("A1", price))
        world.tick()
        assert changes_of(await read(fast)).keys() == {"watchlist-A1"}
    partials = partials_of(await read(slow))
    assert partials.keys() == {"watchlist"}, "of the private panels it has everything"
    assert len(partials["watchlist"].find("tr")) == 9
    assert "2.00" in partials["watchlist"].words
    assert "1.00" not in partials["watchlist"].words
    world.hub.publish(make_quote("A1", "3.00"))
    world.tick()
    assert await read(slow) == await read(fast)
    fast.close()
    slow.close()


async def test_a_flash_lasts_one_tick_and_rests_for_one(world: World) -> None:
    world.hub.publish(make_quote("SPY", "1.00"))
    viewer = world.open("SPY")
    screen = Table(await read(viewer))
    flashes = []
    for price in ("2.00", "3.00", "1.00", "1.00", None, "2.00"):
        world.hub.publish(make_quote("SPY", price))
        world.tick()
        screen.apply(await read(viewer))
        flashes.append(screen.rows["watchlist-SPY"][2])
        world.now_s += 1
    assert flashes == ["c-last flash-up", "c-last", "c-last flash-down", *["c-last"] * 3]
    viewer.close()


async def test_a_flash_goes_away_without_another_quote(world: World) -> None:
    world.hub.publish(make_quote("SPY", "1.00"))
    viewer = world.open("SPY")
    await read(viewer)
    world.hub.publish(make_quote("SPY", "2.00"))
    world.tick()
    assert b"flash-up" in await read(viewer)
    world.tick()
    assert b"flash" not in await read(viewer)
    world.tick()
    assert has_nothing(viewer)
    viewer.close()


async def test_a_quiet_market_still_has_a_message_every_second(world: World) -> None:
    viewer = world.open("SPY")
    await read(viewer)
    for second in range(3):
        world.now_s += 1
        world.tick()
        partials = partials_of(await read(viewer))
        assert partials.keys() == {"status"}, second
        world.tick()
        assert has_nothing(viewer)
    viewer.close()


async def test_a_symbol_without_data_says_so_after_a_while(world: World) -> None:
    viewer = world.open("NOPE", "SPY")
    world.hub.publish(make_quote("SPY"))
    assert "waiting…" in partials_of(await read(viewer))["watchlist"].words
    world.now_s += OVERDUE_S - 0.1
    world.tick()
    assert b"no data" not in await read(viewer)
    world.now_s += 0.2
    world.tick()
    assert b"no data" in await read(viewer)
    other = world.open("NOPE")  # wanted all the while by somebody
    assert "no data" in partials_of(await read(other))["watchlist"].words
    world.hub.publish(make_quote("NOPE"))
    world.tick()
    assert b"no data" not in await read(viewer)
    viewer.close()
    other.close()


async def test_no_symbol_is_called_unknown_while_the_feed_has_a_fault(world: World) -> None:
    world.hub.publish(make_status("connecting"))
    viewer = world.open("NOPE")
    world.now_s += OVERDUE_S + 1
    world.tick()
    assert b"nothing is known" not in await read(viewer)
    world.hub.publish(make_status("live"))
    world.tick()
    assert b"nothing is known under this name" in await read(viewer)
    viewer.close()


async def test_private_records_never_get_into_shared_bytes(world: World) -> None:
    for account in ("111", "222"):
        world.hub.publish(make_balance(account))
    one = world.open("SPY", accounts=frozenset({"111"}))
    other = world.open("SPY", accounts=frozenset({"222"}))
    nobody = world.open("SPY", accounts=frozenset())
    everybody = world.open("SPY")
    view = one._view
    seen = dict.fromkeys((one, other, nobody, everybody), b"")
    for balance in ("1.00", "2.00"):
        for account in ("111", "222"):
            world.hub.publish(make_balance(account, balance))
        world.now_s += 1  # the clock is a message to everybody
        world.tick()
        for viewer in seen:
            seen[viewer] += await read(viewer)
        for chunk in (view.shared._message, view.shared.snapshot()):
            assert b"111" not in chunk
            assert b"222" not in chunk
    assert b"111" in seen[one]
    assert b"222" not in seen[one]
    assert b"222" in seen[other]
    assert b"111" not in seen[other]
    assert b"111" not in seen[nobody]
    assert b"222" not in seen[nobody]
    assert b"111" in seen[everybody]
    assert b"222" in seen[everybody]
    assert len(view._private) == 4
    for viewer in seen:
        viewer.close()
    assert not view._private


async def test_new_accounts_appear_for_who_may_see_all(world: World) -> None:
    viewer = world.open("SPY")
    assert "The broker has sent no balance yet" in partials_of(await read(viewer))["balance"].words
    world.hub.publish(make_balance("111", buying_power=Decimal(5)))
    world.now_s += 1.1
    world.tick()
    words = partials_of(await read(viewer))["balance"].words
    assert "111" in words
    assert "$100,000.00" in words
    assert "$5.00" in words
    assert "Cash –" in words
    viewer.close()


async def test_nothing_is_rendered_for_nobody() -> None:
    world = make_world()
    tasks = asyncio.all_tasks()
    viewer = world.open("SPY")
    assert world.demand.count("SPY") == 1
    viewer.close()
    viewer.close()
    assert not world.views.ticker.is_running
    await eventually(lambda: len(world.views) == 0)
    assert world.demand.count("SPY") == 0
    assert not world.views._wanted_since_s
    assert not world.views._counts
    assert asyncio.all_tasks() == tasks


async def test_a_view_lingers_for_a_reload() -> None:
    world = make_world()
    world.views.linger_s = NEVER_S
    first = world.open("SPY")
    view = first._view
    first.close()
    world.hub.publish(make_quote("SPY", "7.00"))
    second = world.open("SPY")
    assert second._view is view
    assert b"7.00" in await read(second), "warm, and yet up to date"
    second.close()
    world.views.drop(view)
    world.views.drop(view)
    assert len(world.views) == 0


async def test_a_tick_comes_by_itself() -> None:
    world = make_world()
    world.views.ticker.tick_s = TICK_S / 10
    viewer = world.open("SPY")
    await read(viewer)
    world.hub.publish(make_quote("SPY", "7.00"))
    assert b"7.00" in await read(viewer)
    viewer.close()


class Socket:
    """Takes chunks until it is full, as an `EventStream` does."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.ends = 0
        self.is_full = False

    def write(self, chunk: bytes) -> bool:
        self.chunks.append(chunk)
        return not self.is_full

    def close(self, reason: str) -> None:
        self.ends += 1

    def on_retired(self) -> None:
        self.ends += 1

    def open(self, world: World) -> PageSubscriber:
        viewer = world.open("SPY")
        viewer.write_to(self, self.on_retired)
        return viewer


async def test_a_tick_writes_the_same_bytes_to_all_viewers(world: World) -> None:
    sockets = [Socket() for _ in range(200)]
    viewers = [each.open(world) for each in sockets]
    reader = world.open("SPY")
    tasks = asyncio.all_tasks()
    world.hub.publish(make_quote("SPY", "7.00"))
    world.tick()
    assert {len(each.chunks) for each in sockets} == {2}
    assert len({id(each.chunks[1]) for each in sockets}) <= 200 // 64 + 1, "not made for each"
    assert await read(reader), "who reads is told as well"
    assert b"7.00" in sockets[0].chunks[1]
    assert len({each.chunks[1] for each in sockets}) == 1
    world.tick()
    assert {len(each.chunks) for each in sockets} == {2}, "nothing for what did not change"
    assert asyncio.all_tasks() == tasks
    for viewer in [*viewers, reader]:
        viewer.close()
    assert not viewers[0]._view.ready


async def test_who_is_full_gets_nothing_until_it_resumes_and_then_the_newest(world: World) -> None:
    slow, fast = Socket(), Socket()
    viewers = [each.open(world) for each in (slow, fast)]
    slow.is_full = True
    for price in ("1.00", "2.00", "3.00"):
        world.hub.publish(make_quote("SPY", price))
        world.tick()
    assert len(slow.chunks) == 2, "the first of them was taken, and is being written"
    slow.is_full = False
    viewers[0].resume_writing()
    assert len(slow.chunks) == 3
    assert b"3.00" in slow.chunks[2]
    assert b"2.00" not in slow.chunks[2]
    viewers[0].resume_writing()
    assert len(slow.chunks) == 3
    world.hub.publish(make_quote("SPY", "4.00"))
    world.tick()
    assert slow.chunks[-1] == fast.chunks[-1]
    for viewer in viewers:
        viewer.close()
        viewer.resume_writing()
    assert len(slow.chunks) == 4


@pytest.mark.parametrize("is_full", [False, True])
async def test_a_closing_hub_ends_who_is_written_to(world: World, is_full: bool) -> None:
    socket = Socket()
    viewer = socket.open(world)
    socket.is_full = is_full
    world.hub.publish(make_quote("SPY", "7.00"))
    world.tick()
    world.hub.close("shutdown")
    world.tick()
    if is_full:
        assert socket.ends == 0, "not in the middle of a chunk"
        viewer.resume_writing()
    assert socket.ends == 1
    viewer.close()


async def test_pages_read_anew_end_who_is_written_to_at_once(world: World) -> None:
    socket = Socket()
    viewer = socket.open(world)
    world.views.retire()
    assert socket.ends == 1
    viewer.close()


async def test_views_with_the_same_rows_render_them_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    real = WatchlistPanel.row_cells

    def count(panel: WatchlistPanel, key: Topic, *rest: Any) -> Any:
        rendered.append(key.subject)
        return real(panel, key, *rest)

    monkeypatch.setattr(WatchlistPanel, "row_cells", count)
    viewers = [world.open("SPY", f"A{number}") for number in range(5)]
    assert rendered.count("SPY") == 1
    for viewer in viewers:
        await read(viewer)
    world.hub.publish(make_quote("SPY", "7.00"))
    world.tick()
    assert rendered.count("SPY") == 2
    for viewer in viewers:
        assert changes_of(await read(viewer))["watchlist-SPY"][2] == "7.00"
        viewer.close()


async def test_a_long_tick_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "SLICE_S", 0.0)
    monkeypatch.setattr(channel, "ROWS_AT_A_TIME", 1)
    world = make_world()
    symbols = [f"A{number}" for number in range(50)]
    viewer = world.open(*symbols)
    await read(viewer)
    for symbol in symbols:
        world.hub.publish(make_quote(symbol, "7.00"))
    world.views.ticker.begin()
    turns = 0
    while has_nothing(viewer):
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 50
    assert len(changes_of(await read(viewer))) == 50
    viewer.close()


async def test_an_error_in_a_panel_does_not_stop_the_ticks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.views.ticker.tick_s = TICK_S / 10
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    viewer = world.open("SPY")
    await read(viewer)
    (panel,) = [each for each in viewer._view.page.panels if each.id == "watchlist"]
    with monkeypatch.context() as patch:
        patch.setattr(panel, "row_cells", lambda *given: 1 / 0)
        world.hub.publish(make_quote("SPY", "7.00"))
        await eventually(lambda: errors)
    world.hub.publish(make_quote("SPY", "8.00"))
    assert b"8.00" in await read(viewer)
    assert isinstance(errors[0]["exception"], ZeroDivisionError)
    asyncio.get_running_loop().set_exception_handler(None)
    viewer.close()


async def test_a_closing_hub_ends_every_viewer(world: World) -> None:
    viewer = world.open("SPY")
    await read(viewer)
    reading = asyncio.create_task(pull(viewer))
    await asyncio.sleep(0)
    world.hub.close("shutdown")
    world.tick()
    assert await asyncio.wait_for(reading, 5) is None
    assert await pull(viewer) is None
    viewer.close()


async def test_too_many_symbols_open_nothing() -> None:
    world = make_world(max_symbols=2)
    with pytest.raises(TooManySymbols):
        world.open("A", "B", "C")
    assert len(world.views) == 0
    viewer = world.open("A", "B")
    viewer.close()


async def test_a_forgotten_symbol_becomes_unknown_again(world: World) -> None:
    world.hub.publish(make_quote("SPY", "7.00"))
    viewer = world.open("SPY")
    assert b"7.00" in await read(viewer)
    world.hub.forget(["SPY"])
    world.tick()
    assert b"7.00" not in await read(viewer)
    viewer.close()


async def test_an_empty_list_says_what_to_do(world: World) -> None:
    viewer = world.open()
    assert "This list is empty" in partials_of(await read(viewer))["watchlist"].words
    world.tick()
    assert has_nothing(viewer)
    viewer.close()


async def test_a_record_that_looks_the_same_sends_nothing(world: World) -> None:
    world.hub.publish(make_status())
    world.hub.publish(make_quote("SPY"))
    viewer = world.open("SPY")
    await read(viewer)
    world.hub.publish(make_status(since="2026-11-20T15:31:00.000Z"))
    world.hub.publish(make_quote("SPY", updated_at="2026-11-20T15:31:00.000Z"))
    world.tick()
    assert has_nothing(viewer)
    viewer.close()


async def test_stale_quotes_say_so(world: World) -> None:
    quote = make_quote("SPY", "7.00")
    updated_at = quote.updated_at
    world.hub.publish(quote)
    viewer = world.open("SPY")
    await read(viewer)
    world.hub.mark_stale()
    world.tick()
    stale = {-1: "stale", 1: f'SPY<small class="age" data-since="{updated_at}">stale</small>'}
    assert changes_of(await read(viewer)) == {"watchlist-SPY": stale}
    world.hub.mark_stale(False)
    world.tick()
    assert changes_of(await read(viewer)) == {"watchlist-SPY": {-1: "", 1: "SPY"}}
    viewer.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (make_status("live"), "Feed live"),
        (make_status("stale", reason="no quote for 6 s"), "Feed stale since 10:30:00"),
        (make_status("closed"), "Feed quiet since 10:30:00"),
        (make_status("connecting"), "Feed connecting since 10:30:00"),
        (make_status("stale", since="long ago"), "Feed stale Market open"),
        (
            make_status("closed", upstream="session", reason="sign in again"),
            "Broker connection lost since 10:30:00: sign in again",
        ),
    ],
)
async def test_the_upstreams_states_are_told(world: World, status: Any, words: str) -> None:
    world.hub.publish(status)
    viewer = world.open("SPY")
    shown = " ".join(partials_of(await read(viewer))["status"].words.split())
    assert words in shown
    viewer.close()


text = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", "a\r\ndata: x", "a\n\nevent: bye", "\0", '" onload="x', "</tr>"]
)
number = st.none() | st.decimals()


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


@given(text, text, st.lists(number, min_size=12, max_size=12), st.booleans(), number)
def test_whatever_comes_is_escaped_framed_and_never_a_wrong_word(
    symbol: str, reason: str, numbers: list[Decimal | None], stale: bool, cash: Decimal | None
) -> None:
    names = QUOTE_NUMBERS
    symbol = symbol.replace("\0", "")  # HTML has no way to write it
    reason = reason.replace("\0", "")

    async def scenario() -> None:
        world = make_world()
        values = dict(zip(names, numbers, strict=True))
        last = values.pop("last")
        quote = make_quote(symbol, None, stale=stale, **values)
        world.hub.publish(type(quote)(**{**_as_dict(quote), "last": last}))
        world.hub.publish(make_status("stale", reason=reason))
        world.hub.publish(make_balance(reason, cash=cash))
        # Not by `home_page`, which takes only what can be a symbol.
        panels = (StatusPanel("status"), BalancePanel("balance"))
        watchlist = WatchlistPanel("watchlist", [symbol])
        page = Page("odd", "Odd", (*panels, watchlist), (symbol,), "")
        viewer = world.views.open(page, None)
        partials = partials_of(await read(viewer))
        viewer.close()
        assert partials.keys() == {"status", "watchlist", "balance"}
        rows = partials["watchlist"].find("tr")
        assert len(rows) == 1
        assert len(rows[0].children) == 13
        button = rows[0].find("button")[0]
        assert normalize(button.attributes["value"]) == normalize(symbol)
        for cell, known in zip(
            cells(rows[0])[1:8],
            [quote_number(last)] + [quote_number(values[each]) for each in CELLS],
            strict=True,
        ):
            assert (cell == "–") is not known, "unknown is –, and – is unknown"
        for node in rows[0].children[1:]:
            if node.find("button"):
                continue
            assert not WORDS_NEVER_SHOWN.search(node.words)
        assert not partials["watchlist"].find("script")
        assert not partials["status"].find("script")
        assert not partials["balance"].find("script")

    run(scenario)


QUOTE_NUMBERS = (
    *("last", "bid", "ask", "bid_size", "ask_size", "change", "change_pct"),
    *("open", "high", "low", "prev_close", "volume"),
)
CELLS = ("change", "change_pct", "bid_size", "bid", "ask", "ask_size")


def _as_dict(quote: Any) -> dict[str, Any]:
    return {name: getattr(quote, name) for name in quote.__struct_fields__}


def quote_number(value: Decimal | None) -> bool:
    return value is not None and value.is_finite()


def normalize(value: str | None) -> str:
    return (value or "").replace("\r\n", "\n").replace("\r", "\n")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_message_is_one_message(html: str) -> None:
    messages = parse_messages(encode_message(html))
    assert [each.event for each in messages] == ["message"]
    assert messages[0].data == normalize(html)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["publish", "tick", "read fast", "read slow", "join", "leave"]),
            st.integers(0, 5),
            st.integers(1, 9),
        ),
        max_size=40,
    )
)
def test_a_browser_that_applies_every_message_shows_the_newest(
    steps: list[tuple[str, int, int]],
) -> None:
    """Whatever the order: a morphed table is the table of the hub, after a last tick and read."""

    async def scenario() -> None:
        world = make_world()
        symbols = [f"A{index}" for index in range(6)]
        newest: dict[str, str] = {}
        screens: dict[PageSubscriber, Table] = {}

        async def join() -> None:
            viewer = world.open(*symbols)
            screens[viewer] = Table()

        async def show(viewer: PageSubscriber) -> None:
            if not has_nothing(viewer):
                screens[viewer].apply(await read(viewer))

        await join()
        for what, index, price in steps:
            viewers = list(screens)
            if what == "publish":
                newest[symbols[index]] = f"{price}.00"
                world.hub.publish(make_quote(symbols[index], f"{price}.00"))
            elif what == "tick":
                world.now_s += 0.25
                world.tick()
            elif what == "read fast":
                await show(viewers[0])
            elif what == "read slow":
                await show(viewers[-1])
            elif what == "join":
                await join()
            elif len(viewers) > 1:
                del screens[viewers[-1]]
                viewers[-1].close()
        world.tick()
        for viewer, screen in screens.items():
            await show(viewer)
            prices = {key[10:]: row[3] for key, row in screen.rows.items() if row[3] != "–"}
            assert prices == newest
            late = world.open(*symbols)
            assert screen == Table(await read(late))
            late.close()
            viewer.close()

    run(scenario)


def test_a_panel_of_no_kind_is_refused(world: World) -> None:
    class Odd(Panel):
        def keys(self) -> tuple[Topic, ...]:
            return ()

    with pytest.raises(TypeError, match="neither"):
        create_element(Odd("odd"), world.views._sources)


def test_partial() -> None:
    assert render_partial("a", "<td>1</td>") == (
        '<hx-partial hx-target="#a" hx-swap="innerMorph"><td>1</td></hx-partial>'
    )
