"""Functions of page authors: quick ones at once, slow ones later, hanging ones stopped."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gateway.clock import Clock
from gateway.pages.rendering import author_code
from gateway.pages.rendering.author_code import PAUSE_S, AuthorCall, AuthorCode
from tests.waiting import eventually_sync, scaled

LIMIT_S = 1.0
LONG_S = scaled(10.0)


@dataclass
class World:
    """Functions and a clock that the test moves; a quick function is always awaited."""

    code: AuthorCode = field(init=False)
    now_s: float = 0.0
    release: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.code = AuthorCode(Clock(monotonic_s=lambda: self.now_s), quick_s=LONG_S)

    def open(self, key: str = "a") -> AuthorCall:
        return self.code.call_of(key, "thinker", LIMIT_S)

    def block(self) -> dict[str, Any]:
        self.release.wait(LONG_S)
        return {"html": "late"}


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.release.set()


def returning(value: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"html": value}


def test_a_quick_one_has_its_outcome_at_once(world: World) -> None:
    call = world.open()
    assert call.begin(returning("1"))
    assert (call.context, call.version) == ({"html": "1"}, 1)
    assert call.begin(returning("1"))
    assert call.version == 1, "the same is nothing new"
    assert call.begin(returning("2"))
    assert (call.context, call.version) == ({"html": "2"}, 2)


def test_a_slow_one_is_awaited_once_and_shown_later(world: World) -> None:
    world.code.quick_s = 0.0
    call = world.open()
    assert call.begin(world.block)
    assert call.is_running()
    assert not call.begin(returning("another")), "one at a time"
    assert call.context is None
    world.release.set()
    eventually_sync(lambda: not call.is_running())
    assert call.context == {"html": "late"}


def test_whoever_shows_the_same_shares_one_call(world: World) -> None:
    world.code.quick_s = 0.0
    world.open().begin(world.block)
    # Nobody holds it but the thread, so that reloading a page starts no second one.
    assert world.open().is_running()
    assert not world.open("b").is_running()


def test_beyond_its_limit_it_says_where_it_hangs(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.code.quick_s = 0.0
    call = world.open()
    call.begin(world.block)
    world.now_s = LIMIT_S + 0.1
    assert call.is_running()
    assert call.context is not None
    assert call.context["name"] == "thinker"
    assert "takes longer than 1 s and was stopped" in call.context["mistake"].message
    assert call.context["mistake"].line is not None
    assert len(caplog.records) == 1
    world.release.set()
    eventually_sync(lambda: not call.is_running())
    assert call.context["mistake"], "what came too late is not shown"
    assert not call.begin(returning("soon")), "not before the pause is over"
    world.now_s += PAUSE_S
    assert call.begin(returning("again"))
    eventually_sync(lambda: not call.is_running())
    assert call.context == {"html": "again"}


def test_the_line_is_that_of_the_authors_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def think(enter, wait):\n    enter()\n    wait(9)\n    return {}\n")
    space: dict[str, Any] = {}
    exec(compile(file.read_bytes(), str(file), "exec"), space)
    world.code.quick_s = 0.0
    call, has_entered = world.open(), Event()
    call.begin(partial(space["think"], has_entered.set, world.release.wait))
    assert has_entered.wait(LONG_S)
    world.now_s = LIMIT_S + 0.1
    call.is_running()
    assert call.context is not None
    mistake = call.context["mistake"]
    assert mistake.file == "mine.py"
    assert mistake.line in {2, 3}


def test_a_loop_is_interrupted_and_its_thread_ends(world: World) -> None:
    def loop() -> dict[str, Any]:
        while True:
            pass

    world.code.quick_s = 0.0
    call = world.open()
    call.begin(loop)
    world.now_s = LIMIT_S + 0.1
    call.is_running()
    eventually_sync(lambda: not call.is_running())
    eventually_sync(lambda: world.code._threads == 0)


def test_what_a_function_catches_is_no_shield(world: World) -> None:
    def stubborn() -> dict[str, Any]:
        while True:
            with suppress(Exception):
                sum(range(1000))

    world.code.quick_s = 0.0
    call = world.open()
    call.begin(stubborn)
    world.now_s = LIMIT_S + 0.1
    call.is_running()
    eventually_sync(lambda: not call.is_running())


def test_threads_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(author_code, "MAX_THREADS", 2)
    world.code.quick_s = 0.0
    calls = [world.open(name) for name in "abc"]
    assert [each.begin(world.block) for each in calls] == [True, True, False]
    assert calls[2].context is not None
    assert "2 functions of panels are still running" in calls[2].context["mistake"].message
    world.release.set()
    eventually_sync(lambda: not any(each.is_running() for each in calls))
    eventually_sync(lambda: calls[2].begin(returning("now")))


def test_threads_are_used_again(world: World) -> None:
    calls = [world.open(name) for name in "abcdef"]
    for each in calls:
        assert each.begin(returning("x"))
        eventually_sync(lambda: len(world.code._idle) == 1)
    assert world.code._threads == 1
