"""Simulators for the tests of the simulator: one in the test's own loop, fresh for each test."""

from collections.abc import AsyncIterator

import pytest

from gateway.simulator.app import Simulator, open_simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A lively open market."""
    async with open_simulator() as running:
        yield running


@pytest.fixture
async def closed() -> AsyncIterator[Simulator]:
    """A market in which nothing moves."""
    async with open_simulator(market="closed") as running:
        yield running
