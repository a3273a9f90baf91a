"""Views: rendered once for all, nothing for nobody, the newest for who was away, nothing private
in what all see."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import Page, list_panels
from gateway.pages.panels.watchlist import watchlist
from gateway.pages.rendering.live_page import OVERDUE_S
from gateway.streams.demand import TooManySymbols
from tests.pages.reading import (
    make_quote,
    make_status,
)
from tests.pages.rendering.world import (
    NEVER_S,
    Table,
    World,
    cells,
    changes_of,
    has_nothing,
    make_world,
    partials_of,
    read,
)

pytestmark = pytest.mark.anyio


async def test_the_first_message_is_everything(world: World) -> None:
    world.hub.publish(make_quote("SPY", "450.25", bid=Decimal("450.24")))
    world.hub.publish(make_status())
    viewer = world.open("SPY", "/ESZ26:XCME")
    partials = partials_of(await read(viewer))
    assert partials.keys() == {*("status", "told", "watchlist", "balance", "positions", "orders")}
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


LINK = '<a href="?~open=SPY">SPY</a>'


async def test_stale_quotes_say_so(world: World) -> None:
    quote = make_quote("SPY", "7.00")
    updated_at = quote.updated_at
    world.hub.publish(quote)
    viewer = world.open("SPY")
    await read(viewer)
    world.hub.mark_stale()
    world.tick()
    stale = {-1: "stale", 1: f'{LINK}<small class="age" data-since="{updated_at}">stale</small>'}
    assert changes_of(await read(viewer)) == {"watchlist-SPY": stale}
    world.hub.mark_stale(False)
    world.tick()
    assert changes_of(await read(viewer)) == {"watchlist-SPY": {-1: "", 1: LINK}}
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
