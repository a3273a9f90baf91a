"""What every test lives under: one event loop, a deadline, and no blocking call inside a loop."""

import os
from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.waiting import scaled

pytest_plugins = ["tests.faults.reporting"]

TEST_TIMEOUT_S = 60.0  # for a test that does not ask for another with `pytest.mark.timeout`

# Blocking calls that gateway code may make while a loop runs: function, file, callers.
MAY_BLOCK = [
    # Of the measuring, not of the gateway: coverage (7.x) guards its data when a thread begins.
    ("threading.Lock.acquire", "coverage/collector.py", {"lock_data"}),
    # Read once at the start, before a socket is open; a test may start an app inside its loop.
    ("os.stat", "gateway/web/static.py", {"__init__"}),
    ("os.listdir", "gateway/web/static.py", {"__init__"}),
    ("os.scandir", "gateway/web/static.py", {"__init__"}),
    ("io.BufferedReader.read", "gateway/web/static.py", {"__init__"}),
    # httpcore2 2.16.2 reads its own version when httpx2 imports it, at the first session of a
    # process; a millisecond, once. Can go when that import is not lazy any more.
    ("io.TextIOWrapper.read", "httpcore2/__init__.py", {"<module>"}),
]

# Without a deadline: on a busy machine a slow example is no failure. CI must not be lucky.
hypothesis.settings.register_profile("local", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its deadline, stretched by TEST_TIMEOUT_SCALE, and begin with the longest.

    A test of two minutes that begins last would run alone.
    """
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(scaled(TEST_TIMEOUT_S)))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what gateways keep out of the home of whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session", autouse=True)
def blocking_calls() -> Iterator[BlockBuster]:
    """Raises BlockingError where gateway code blocks the event loop that runs it."""
    with blockbuster_ctx("gateway") as detector:
        for function, filename, callers in MAY_BLOCK:
            if function in detector.functions:  # not every version of Python has all of them
                detector.functions[function].can_block_in(filename, callers)
        yield detector
