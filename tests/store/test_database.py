"""The database: opened by several at once, migrated with data in it, closed to others, moved."""

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.settings import StoreSettings
from gateway.store import database as module
from gateway.store.database import Database, open_database
from gateway.store.keys import make_key, read_keys
from gateway.store.location import find_file, find_folder
from gateway.store.schema import HEAD, METADATA
from tests.postgres import Postgres
from tests.simulation import ROOT

MIGRATIONS = Path(module.__file__).parent / "migrations"


def test_the_migrations_lead_to_the_tables(database: Database) -> None:
    with database.begin(writes=True) as transaction:
        context = MigrationContext.configure(transaction.connection)
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_what_the_first_form_had_stays(settings: StoreSettings) -> None:
    opened = open_database(settings)
    with opened.begin(writes=True) as transaction:
        transaction.watchlists.write("ann", "Tech", ["QQQ", "AAPL"])
        transaction.secrets.write("ann", "refresh", "secret")
        for table in ("alert_firing", "alert", "alert_change"):
            transaction.connection.exec_driver_sql(f"DROP TABLE {table}")
        transaction.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    opened.close()
    opened = open_database(settings)
    with opened.begin(writes=True) as transaction:
        found = transaction.watchlists.read("ann", "Tech")
        assert found is not None
        assert found.symbols == ("QQQ", "AAPL")
        assert transaction.secrets.read("ann", "refresh") == "secret"
        assert compare_metadata(MigrationContext.configure(transaction.connection), METADATA) == []
        transaction.alerts.add("a1", "ann", "{}", "{}")
        assert transaction.alerts.count("ann") == 1
    opened.close()


def test_many_may_open_an_empty_one_at_once(settings: StoreSettings) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: open_database(settings), range(6)))
    for each in opened:
        with each.begin(writes=True) as transaction:
            transaction.preferences.write("ann", "sort", "last")
        each.close()


def test_what_is_there_stays_over_an_opening(settings: StoreSettings) -> None:
    for expected in ({}, {"sort": "last"}):
        opened = open_database(settings)
        with opened.begin(writes=True) as transaction:
            assert transaction.preferences.read_all("ann") == expected
            transaction.preferences.write("ann", "sort", "last")
        opened.close()


@pytest.mark.fault(55)
def test_a_database_of_a_newer_gateway_is_left_alone(settings: StoreSettings) -> None:
    opened = open_database(settings)
    with opened.begin(writes=True) as transaction:
        transaction.connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    opened.close()
    with pytest.raises(StoreUnavailable, match="of a newer gateway"):
        open_database(settings)


def test_an_opening_that_is_up_to_date_does_without_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway.settings import StoreSettings;"
        "from gateway.store.database import open_database;"
        f"open_database(StoreSettings(Path({str(tmp_path)!r}))).close();"
        "print('alembic' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT)
        for _ in range(2)
    ]
    assert [each.stdout.strip() for each in said] == [b"True", b"False"]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        opened = open_database(StoreSettings(tmp_path / "state"))
        with opened.begin(writes=True) as transaction:
            transaction.secrets.write("ann", "refresh", "secret")
            names = {each.name for each in (tmp_path / "state").iterdir()}
        opened.back_up(tmp_path / "backup.db")
        modes = {
            stat.S_IMODE(each.stat().st_mode)
            for each in [*(tmp_path / "state").iterdir(), tmp_path / "backup.db"]
        }
        opened.close()
    finally:
        os.umask(previous)
    assert names >= {"gateway.db", "gateway.db-wal", "gateway.db-shm", "keys"}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    open_database(StoreSettings(tmp_path)).close()
    (tmp_path / "gateway.db").chmod(0o644)
    open_database(StoreSettings(tmp_path)).close()
    assert stat.S_IMODE((tmp_path / "gateway.db").stat().st_mode) == 0o600


def test_sqlite_is_set_up_to_last(tmp_path: Path) -> None:
    opened = open_database(StoreSettings(tmp_path))
    with opened.begin(writes=False) as transaction:
        ask = transaction.connection.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar() == "wal"
        assert ask("PRAGMA synchronous").scalar() == 2
        assert ask("PRAGMA foreign_keys").scalar() == 1
    opened.close()


def test_a_backup_is_whole_and_by_itself(tmp_path: Path) -> None:
    settings = StoreSettings(tmp_path / "state")
    opened = open_database(settings)
    with opened.begin(writes=True) as transaction:
        transaction.preferences.write("ann", "sort", "last")
    opened.back_up(tmp_path / "backup.db")
    with pytest.raises(ConfigurationError, match="there is such a file"):
        opened.back_up(tmp_path / "backup.db")
    with pytest.raises(ConfigurationError, match="no such file"):
        opened.back_up(tmp_path / "nowhere" / "backup.db")
    opened.close()
    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        assert copy.execute("SELECT owner, key, value FROM preference").fetchall() == [
            ("ann", "sort", "last")
        ]
    assert [each.name for each in tmp_path.glob("backup.db*")] == ["backup.db"]


def test_a_server_is_backed_up_by_its_own_program(postgres: Postgres, tmp_path: Path) -> None:
    settings = StoreSettings(tmp_path, SecretStr(postgres.make_database()))
    opened = open_database(settings)
    with pytest.raises(ConfigurationError, match="pg_dump"):
        opened.back_up(tmp_path / "backup")
    opened.close()


@pytest.mark.parametrize("forgets", [False, True])
def test_keys_are_rotated(settings: StoreSettings, forgets: bool) -> None:
    opened = open_database(settings)
    with opened.begin(writes=True) as transaction:
        transaction.secrets.write("ann", "refresh", "secret")
    other = open_database(settings)  # as of a gateway that runs
    with other.begin(writes=False) as transaction:
        assert transaction.secrets.read("ann", "refresh") == "secret"
    old = read_keys(settings)
    new = make_key()
    assert opened.rotate_keys(new, forgets=forgets) == (1, 0)
    assert list(read_keys(settings)) == ([new] if forgets else [new, *old])
    for each in (opened, other):
        with each.begin(writes=False) as transaction:
            assert transaction.secrets.read("ann", "refresh") == "secret"
        each.close()


def test_keys_that_were_given_are_not_changed(tmp_path: Path) -> None:
    old, new = make_key(), make_key()
    given = [StoreSettings(tmp_path, keys=SecretStr(each)) for each in (old, f"{new},{old}", new)]
    opened = [open_database(each) for each in given]
    with opened[0].begin(writes=True) as transaction:
        transaction.secrets.write("ann", "refresh", "secret")
    with opened[2].begin(writes=True) as transaction:
        assert transaction.secrets.read("ann", "refresh") is None, "sign in again"
    assert opened[2].rotate_keys(make_key(), forgets=True) == (0, 1)
    assert opened[1].rotate_keys(make_key(), forgets=True) == (1, 0)
    with opened[2].begin(writes=True) as transaction:
        assert transaction.secrets.read("ann", "refresh") == "secret"
    for each in opened:
        each.close()
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", ["", "no key", "x" * 44])
def test_keys_that_cannot_be_read_are_said(tmp_path: Path, content: str) -> None:
    opened = open_database(StoreSettings(tmp_path))
    (tmp_path / "keys").write_text(content)
    (tmp_path / "keys").chmod(0o600)
    with (
        pytest.raises(StoreUnavailable, match="keys cannot be read"),
        opened.begin(writes=True) as transaction,
    ):
        transaction.secrets.write("ann", "refresh", "secret")
    opened.close()


def test_the_state_folder_is_where_the_system_keeps_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert find_folder(StoreSettings()) == tmp_path / "tastytrade-gateway"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_folder(StoreSettings()) == tmp_path / ".local" / "state" / "tastytrade-gateway"
    assert find_folder(StoreSettings(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("sqlite:////var/lib/x.db", Path("/var/lib/x.db")),
        ("sqlite:///x.db", Path("x.db").absolute()),
        ("postgres://host/x", None),
    ],
)
def test_the_address_names_a_file_or_a_server(address: str, expected: Path | None) -> None:
    assert find_file(StoreSettings(database_url=SecretStr(address))) == expected


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="state folder cannot be made"):
        open_database(StoreSettings(tmp_path / "file" / "state"))


@pytest.mark.parametrize("address", ["postgresql://host:port/x", "postgresql://h:99999999/x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises((ConfigurationError, StoreUnavailable)):
        open_database(StoreSettings(database_url=SecretStr(address)))
