"""The composition root: what runs beside the routes, and what follows when upstream ends."""

import asyncio
import logging
import re
import signal

import msgspec
import pytest
from starlette.applications import Starlette

from gateway.app import EPOCH_LENGTH, build_app, create_app, create_context
from gateway.errors import ConfigurationError
from gateway.streams.records import QuoteUpdate
from gateway.streams.topics import market_topic
from tests.waiting import eventually
from tests.web.running import idle, make_quote, make_settings

NAMES = {"upstream", "heartbeat", "loop lag"}


def task_names() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()} & NAMES


def test_each_start_is_an_epoch_of_its_own() -> None:
    epochs = {create_context(make_settings()).hub.epoch for _ in range(50)}
    assert len(epochs) == 50
    assert all(re.fullmatch(rf"[a-z0-9]{{{EPOCH_LENGTH}}}", each) for each in epochs)


def test_settings_reach_the_parts() -> None:
    settings = make_settings(tick_ms=20, max_symbols=9, linger_s=3, symbols="SPY")
    context = create_context(settings)
    assert context.hub.tick_s == 0.02
    assert (context.demand.max_symbols, context.demand.linger_s) == (9, 3)
    assert context.demand.wanted == {"SPY"}


def test_the_whole_gateway_is_made_from_settings_alone() -> None:
    app = create_app(make_settings())
    assert isinstance(app, Starlette)
    assert set(msgspec.to_builtins(app.state.context.report())) == {
        *("session", "feed", "accounts", "desk", "left_out", "market_hours")
    }


def test_an_unsafe_configuration_makes_no_app() -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_TOKEN"):
        create_app(make_settings(host="0.0.0.0"))


@pytest.fixture
def app() -> Starlette:
    """Made outside the event loop, because it reads files."""
    return build_app(create_context(make_settings()), idle)


async def test_the_tasks_run_as_long_as_the_app(app: Starlette) -> None:
    context = app.state.context
    async with app.router.lifespan_context(app):
        assert task_names() == NAMES
        context.hub.publish(make_quote())
        assert isinstance(context.hub.latest(market_topic("quote_update", "SPY")), QuoteUpdate)
    assert task_names() == set()
    assert context.hub.closing == "shutdown"


async def crash() -> None:
    raise RuntimeError("a bug")


async def end() -> None:
    """Ends at once, which the upstream half never should."""


@pytest.fixture(params=[crash, end])
def failing_app(request: pytest.FixtureRequest) -> Starlette:
    return build_app(create_context(make_settings()), request.param)


async def test_without_its_upstream_half_the_gateway_stops(
    failing_app: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    app = failing_app
    crashed = asyncio.Event()
    app.state.crash_listeners.append(crashed.set)
    async with app.router.lifespan_context(app):
        await asyncio.wait_for(crashed.wait(), 5)
        assert task_names() == NAMES - {"upstream"}, "the streams live on until the server ends"
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


async def test_under_another_server_it_asks_the_process_to_stop(failing_app: Starlette) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        async with failing_app.router.lifespan_context(failing_app):
            await eventually(stopped.is_set)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
