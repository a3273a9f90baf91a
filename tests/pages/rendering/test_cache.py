"""What is rendered once, for whom, and when it is rendered again."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.pages.panel import Panel
from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.pages.rendering.cache import create_element
from gateway.streams.topics import Topic
from tests.pages.reading import (
    make_balance,
    make_quote,
    make_status,
)
from tests.pages.rendering.world import World, changes_of, has_nothing, partials_of, read

pytestmark = pytest.mark.anyio


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


def test_a_panel_of_no_kind_is_refused(world: World) -> None:
    class Odd(Panel):
        def keys(self) -> tuple[Topic, ...]:
            return ()

    with pytest.raises(TypeError, match="neither"):
        create_element(Odd("odd"), world.views._sources)
