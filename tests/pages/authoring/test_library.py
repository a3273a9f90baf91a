"""The pages that are served: found by address, kept over a mistake, followed as they change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from gateway.clock import Clock
from gateway.pages import PageError, Symbols, metric, page
from gateway.pages.authoring.factory import PageFactory
from gateway.pages.authoring.library import Library, MistakePanel
from gateway.pages.home import SITE
from tests.waiting import eventually

DESK = """
from gateway.pages import metric, page

@page("/desk", title="Desk")
def desk():
    metric("SPY")
"""


@page("/of/{symbol}", title="{symbol}")
def one(symbol: str) -> None:
    metric(symbol)


@page("/of/{symbol}/{days}")
def two(symbol: str, days: int) -> None:
    metric(symbol, label=str(days))


@page("/of/SPY")
def plain() -> None:
    metric("SPY")


def write(path: Path, source: str) -> Path:
    path.write_text(dedent(source))
    return path


def name_at(library: Library, raw_path: str) -> str | None:
    found = library.find(raw_path)
    return None if found is None else found[0].path


@pytest.mark.parametrize(
    ("raw_path", "path"),
    [
        ("/of/SPY", "/of/SPY"),
        ("/of/SPY/", "/of/{symbol}/{days}"),  # whose last parameter is empty
        ("/of/QQQ", "/of/{symbol}"),
        ("/of/QQQ/5", "/of/{symbol}/{days}"),
        ("/of/%2FESZ26:XCME", "/of/{symbol}"),
        ("/", "/"),
        ("/of", None),
        ("/of/QQQ/5/6", None),
    ],
)
def test_the_page_with_the_fewest_parameters_wins(raw_path: str, path: str | None) -> None:
    assert name_at(Library(factories=[two, one, plain]), raw_path) == path


def test_a_slash_at_the_end_means_nothing_where_no_parameter_may_be_empty() -> None:
    library = Library(factories=[one, plain])
    assert name_at(library, "/of/SPY/") == "/of/SPY"
    assert name_at(library, "/of/QQQ/") == "/of/{symbol}"


def test_what_is_in_an_address_is_given_to_its_page() -> None:
    found = Library(factories=[one]).find("/of/%2FESZ26:XCME")
    assert found is not None
    assert found[1] == {"symbol": "/ESZ26:XCME"}


def test_without_pages_the_whole_site_is_there_and_with_some_what_they_leave() -> None:
    assert [each.path for each in Library().links] == [each.path for each in SITE]
    assert name_at(Library(), "/symbol/SPY") == "/symbol/{symbol}"
    library = Library(factories=[plain])
    assert [each.path for each in library.links] == ["/", "/of/SPY"]
    assert name_at(library, "/list") is None
    assert name_at(library, "/symbol/SPY") == "/symbol/{symbol}"


def test_two_pages_at_one_address_are_refused() -> None:
    with pytest.raises(PageError):
        Library(factories=[plain, PageFactory("/of/SPY", "Other", plain.function)])


def test_two_libraries_share_no_panel(tmp_path: Path) -> None:
    write(tmp_path / "good.py", DESK)
    write(tmp_path / "bad.py", "1 / 0\n")
    good, bad = Library(tmp_path / "good.py"), Library(tmp_path / "bad.py")
    for library in (good, bad):
        home = library.get("home")
        assert home is not None
        panels = home.describe(symbols=Symbols(())).panels
        (shown,) = (each for each in panels if isinstance(each, MistakePanel))
        assert shown.context((), 0) == {"mistake": library.mistake}
        assert shown.keys() == ()
    assert good.mistake is None
    assert bad.mistake is not None


def test_its_sheets_are_those_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "static" / "deeper").mkdir(parents=True)
    for name in ("b.css", "a.css", ".hidden.css", "picture.png", "deeper/c.css"):
        (tmp_path / "static" / name).write_text("")
    file = write(tmp_path / "my_page.py", DESK)
    for path in (file, tmp_path):
        library = Library(path)
        assert library.sheets == ["a.css", "b.css"]
        assert library.files == tmp_path / "static"
    assert (Library().files, Library().sheets) == (None, [])


def test_its_day_is_its_clocks() -> None:
    at_s = datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp()
    clock = Clock(monotonic_s=lambda: 0.0, wall_s=lambda: at_s)
    assert Library(clock=clock).read_today() == date(2026, 11, 20)


@asynccontextmanager
async def watched(library: Library) -> AsyncIterator[list[int]]:
    """How often its listeners were called while it is watched."""
    calls: list[int] = []
    library.listeners.append(lambda: calls.append(1))
    task = asyncio.create_task(library.watch())
    yield calls
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_change_is_read_and_told_and_a_mistake_is_not(tmp_path: Path) -> None:
    file = await asyncio.to_thread(write, tmp_path / "my_page.py", DESK)
    library = await asyncio.to_thread(Library, file)
    async with watched(library) as calls:

        async def is_seen(source: str, words: str) -> bool:
            # Written again until the watch has begun, which nothing says.
            file.write_text(source)
            await asyncio.sleep(0.1)
            titles = [each.title for each in library.links]
            return words in titles or words in str(library.mistake)

        await eventually(lambda: is_seen(DESK.replace('"Desk"', '"Mine"'), "Mine"), 10)
        await eventually(lambda: calls)
        await eventually(lambda: is_seen("1 / 0\n", "ZeroDivisionError"), 10)
        told = len(calls)
        assert "Mine" in [each.title for each in library.links], "the last that worked"
        await eventually(lambda: is_seen(DESK.replace('"Desk"', '"Mended"'), "Mended"), 10)
        await eventually(lambda: len(calls) > told)
        assert library.mistake is None


async def test_a_library_without_files_has_nothing_to_watch() -> None:
    await asyncio.wait_for(Library().watch(), 5)
