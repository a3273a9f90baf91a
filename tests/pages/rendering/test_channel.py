"""The chunks of a live page: the same for all, the newest for who was full."""

import asyncio

import pytest

from gateway.pages.rendering.live_page import PageSubscriber
from tests.pages.reading import (
    make_quote,
)
from tests.pages.rendering.world import World, changes_of, partials_of, pull, read

pytestmark = pytest.mark.anyio


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
