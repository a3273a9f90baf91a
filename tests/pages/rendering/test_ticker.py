"""Ticks: alone when nobody looks, by themselves, in slices, and in spite of errors."""

import asyncio
from typing import Any

import pytest

from gateway.pages.rendering import channel, ticker
from gateway.pages.rendering.ticker import TICK_S
from tests.pages.reading import (
    make_quote,
)
from tests.pages.rendering.world import World, changes_of, has_nothing, make_world, read
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


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


async def test_a_tick_comes_by_itself() -> None:
    world = make_world()
    world.views.ticker.tick_s = TICK_S / 10
    viewer = world.open("SPY")
    await read(viewer)
    world.hub.publish(make_quote("SPY", "7.00"))
    assert b"7.00" in await read(viewer)
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
