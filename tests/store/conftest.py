"""The two kinds of database, each real; every test that takes `settings` runs on both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.settings import StoreSettings
from gateway.store.database import Database, open_database
from tests.postgres import MISSING, Postgres, find_program, open_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all tests of this process."""
    if find_program("initdb") is None:
        pytest.skip(MISSING)
    with open_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """Settings of an empty store."""
    if request.param == "sqlite":
        return StoreSettings(tmp_path / "state")
    server: Postgres = request.getfixturevalue("postgres")
    return StoreSettings(tmp_path / "state", SecretStr(server.make_database()))


@pytest.fixture
def database(settings: StoreSettings) -> Iterator[Database]:
    """An open store."""
    opened = open_database(settings)
    yield opened
    opened.close()
