"""Whatever a record says is escaped, framed, and never a wrong word."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.layout import Page
from gateway.pages.panels.balance import BalancePanel
from gateway.pages.panels.status import StatusPanel
from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.pages.rendering.cache import encode_message, render_partial
from gateway.pages.rendering.live_page import PageSubscriber
from tests.pages.reading import (
    WORDS_NEVER_SHOWN,
    make_balance,
    make_quote,
    make_status,
    parse_messages,
)
from tests.pages.rendering.world import (
    Table,
    cells,
    has_nothing,
    make_world,
    partials_of,
    read,
)

pytestmark = pytest.mark.anyio


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


def test_partial() -> None:
    assert render_partial("a", "<td>1</td>") == (
        '<hx-partial hx-target="#a" hx-swap="innerMorph"><td>1</td></hx-partial>'
    )
