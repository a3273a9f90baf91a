"""One Valkey server for each module, empty at the start of each test, and a backplane over it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.streams.backplane.server import Backplane
from tests.valkey import Valkey, open_valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with open_valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.redis.flushall()
    return server


@pytest.fixture
async def backplane(valkey: Valkey) -> AsyncIterator[Backplane]:
    backplane = Backplane(valkey.url)
    yield backplane
    await backplane.close()
