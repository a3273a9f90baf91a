"""A simulator for the tests of one module, without faults at the start of each test."""

from collections.abc import Iterator

import pytest

from tests.simulation import Simulator, open_simulator


@pytest.fixture(scope="module")
def simulator_process() -> Iterator[Simulator]:
    with open_simulator("--rate", "2") as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    simulator_process.control_sync("reset")
    return simulator_process
