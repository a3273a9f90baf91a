"""The database itself, for one thread at a time: connections, migrations, backups, keys.

Sources: docs.sqlalchemy.org/en/21/dialects/sqlite.html (transactions with pysqlite),
sqlite.org/wal.html, postgresql.org/docs/current/explicit-locking.html (advisory locks).
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from gateway.clock import SYSTEM_CLOCK, Clock
from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.settings import StoreSettings
from gateway.store.keys import find_key_file, read_keys, write_keys
from gateway.store.location import explain_os, find_file, make_folder
from gateway.store.rows import Transaction
from gateway.store.schema import HEAD
from gateway.store.sealing import Keyring
from gateway.store.workers import THREADS

STATEMENT_TIMEOUT_MS = 1500
"""Below the time that callers wait, so that a thread is free again before they are gone."""

CONNECT_TIMEOUT_S = 2  # the least that libpq takes

MIGRATION_TIMEOUT_S = 30.0
"""How long to wait for another process that changes the tables."""

MIGRATION_LOCK = 0x7474_6777
"""The number of the advisory lock: any, as long as it stays the same."""

WRITES = "gateway_writes"
"""The execution option of a transaction that will write: it takes its place at once."""

SQLSTATES = {
    "53100": "the disk is full",
    "55P03": "the database is locked",
    "57014": "the database is too slow",
}

SQLITE_ERRORS = {
    "SQLITE_BUSY": "the database is locked",
    "SQLITE_LOCKED": "the database is locked",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the database cannot be written",
    "SQLITE_CANTOPEN": "the database file is gone or cannot be opened",
    "SQLITE_CORRUPT": "the database file is damaged",
    "SQLITE_NOTADB": "the database file is damaged",
    "SQLITE_IOERR": "the disk does not read or write",
}


def explain(error: BaseException) -> str:
    """Return why the database does not do it, in words without an address or a value."""
    original = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(original, "sqlite_errorname", None)
    if isinstance(name, str):
        for known, words in SQLITE_ERRORS.items():
            if name.startswith(known):
                return words
        return "the database does not do it"
    if sqlstate := getattr(original, "sqlstate", None):
        return SQLSTATES.get(sqlstate, "the database does not do it")
    if isinstance(error, PoolTimeout):
        return "the database is too slow"
    return "the database cannot be reached"


class Database:
    """An open database of the newest form; made by `open_database`."""

    def __init__(self, settings: StoreSettings, engine: Engine, clock: Clock) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._keyring: Keyring | None = None
        self._key_stamp: int | None = None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()

    @contextmanager
    def begin(self, *, writes: bool) -> Iterator[Transaction]:
        """Begin a transaction: kept at the end of the block, undone by an exception.

        Raises:
            StoreUnavailable: when the database does not do it.
        """
        with _told(), self._engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: writes})
            with connection.begin():
                yield Transaction(connection, self._clock.now_ms(), self.read_keyring)

    def read_keyring(self) -> Keyring:
        """Return the keys, read again when their file has changed.

        Raises:
            StoreUnavailable: when they cannot be read.
        """
        path = find_key_file(self._settings)
        stamp = path.stat().st_mtime_ns if path is not None and path.exists() else None
        if self._keyring is None or stamp != self._key_stamp:
            self._keyring = Keyring(read_keys(self._settings))
            self._key_stamp = stamp
        return self._keyring

    def rotate_keys(self, new_key: str, *, forgets: bool) -> tuple[int, int]:
        """Seal all secrets by a new key; return how many, and how many no key opens.

        Keys that were given are not ours to change: the secrets are sealed by the first. A kill
        at any moment leaves a file that opens everything.
        """
        path = find_key_file(self._settings)
        keys = read_keys(self._settings)
        if path is not None:
            keys = [new_key, *keys]
            write_keys(path, keys)
        self._keyring = None
        with self.begin(writes=True) as transaction:
            counts = transaction.secrets.reseal_all()
        if forgets and path is not None:
            write_keys(path, keys[:1])
            self._keyring = None
        return counts

    def back_up(self, path: Path) -> None:
        """Copy the database into a new file, closed to others, while everything goes on.

        Raises:
            ConfigurationError: when the file is there, or a server keeps the database.
            StoreUnavailable: when it cannot be read or written.
        """
        source = find_file(self._settings)
        if source is None:
            raise ConfigurationError("PATH: a server keeps the database; use pg_dump")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise ConfigurationError("PATH: there is such a file; name another") from None
        except OSError as error:
            raise ConfigurationError(f"PATH: cannot be written: {explain_os(error)}") from None
        try:
            with (
                _told(),
                closing(sqlite3.connect(source)) as here,
                closing(sqlite3.connect(path)) as there,
            ):
                here.backup(there)
                # One file, to be copied anywhere.
                there.execute("PRAGMA journal_mode=DELETE")
        except StoreUnavailable:
            path.unlink(missing_ok=True)
            raise


def open_database(
    settings: StoreSettings, *, may_create: bool = True, clock: Clock = SYSTEM_CLOCK
) -> Database:
    """Open the database, and bring its tables to the newest form.

    Without `may_create` a file that is not there is a fault: it was there before.

    Raises:
        ConfigurationError: when the address cannot be used.
        StoreUnavailable: when it cannot be opened, or is of a newer gateway.
    """
    file = find_file(settings)
    if file is not None:
        if may_create:
            _make_file(file)
        engine = _create_sqlite(file)
    else:
        assert settings.database_url is not None
        engine = _create_postgres(settings.database_url.get_secret_value())
    try:
        with _told():
            upgrade(engine, file)
    except BaseException:
        engine.dispose()
        raise
    return Database(settings, engine, clock)


def upgrade(engine: Engine, file: Path | None) -> bool:
    """Run the migrations that are missing, one process at a time; return whether there were any.

    Raises:
        StoreUnavailable: when another process takes too long, or the tables are of a newer gateway.
    """
    with engine.connect() as connection:
        if read_revision(connection) == HEAD:
            return False
    with _open_lock(engine, file) as connection, connection.begin():
        if read_revision(connection) == HEAD:  # another process was faster
            return False
        _run_migrations(connection)
    return True


def read_revision(connection: Connection) -> str | None:
    """Return the form of the tables; None when there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found


def _run_migrations(connection: Connection) -> None:
    # Only here: of a database that is up to date nobody needs it, and importing it takes 0.1 s.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreUnavailable(
            "the database is of a newer gateway; update this one, or restore a backup"
        ) from None


@contextmanager
def _open_lock(engine: Engine, file: Path | None) -> Iterator[Connection]:
    """Yield a connection for the migrations, which no other process has at the same time."""
    with engine.connect() as connection:
        connection = connection.execution_options(**{WRITES: True})
        if file is None:
            with connection.begin():
                limit_ms = int(MIGRATION_TIMEOUT_S * 1000)
                connection.execute(text(f"SET lock_timeout = {limit_ms}"))
                connection.execute(text("SET statement_timeout = 0"))
                connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            try:
                yield connection
            finally:
                connection.invalidate()  # which lets the lock go, and the longer limits
            return
        descriptor = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline_s = time.monotonic() + MIGRATION_TIMEOUT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline_s:
                        raise StoreUnavailable("another process changes the tables") from None
                    time.sleep(0.02)
            yield connection
        finally:
            os.close(descriptor)


def _make_file(file: Path) -> None:
    """Make the file for its owner alone; SQLite gives its journal the same mode."""
    make_folder(file.parent)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreUnavailable(f"the database cannot be opened: {explain_os(error)}") from None


def _create_sqlite(file: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # Not made here: SQLite goes on writing into a file that was deleted, and the next
        # connection would begin with an empty one beside it.
        connection = sqlite3.connect(
            f"{file.as_uri()}?mode=rw",
            uri=True,
            timeout=STATEMENT_TIMEOUT_MS / 1000,
            check_same_thread=False,
            isolation_level=None,  # transactions begin where we say so
        )
        connection.execute("PRAGMA journal_mode=WAL")
        # A write is rare and made by a person, so it may wait for the disk: what was
        # acknowledged survives a power cut as well.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=THREADS, max_overflow=0
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        # A writer that begins as a reader can be refused in the middle; see sqlite.org/isolation.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "connect")
    def stamp(_: Any, record: Any) -> None:
        record.info["inode"] = _read_inode(file)

    @event.listens_for(engine, "checkout")
    def check(_: Any, record: Any, __: Any) -> None:
        if record.info["inode"] != _read_inode(file):
            raise DisconnectionError

    return engine


def _read_inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _create_postgres(address: str) -> Engine:
    _, _, rest = address.partition("://")
    try:
        url = make_url(f"postgresql+psycopg://{rest}")
        options = " ".join(
            (
                f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                f"-c lock_timeout={STATEMENT_TIMEOUT_MS}",
                "-c idle_in_transaction_session_timeout=10000",
            )
        )
        return create_engine(
            url,
            pool_size=THREADS,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "options": options,
                "tcp_user_timeout": CONNECT_TIMEOUT_S * 1000,
                "application_name": "tastytrade-gateway",
            },
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            "DATABASE_URL: Postgres needs one more package: pip install 'tastytrade-gateway"
            "[postgres]'"
        ) from None
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigurationError("DATABASE_URL: it is no address of a database") from None


@contextmanager
def _told() -> Iterator[None]:
    """Turn what a driver raises for a database that does not work into `StoreUnavailable`."""
    try:
        yield
    except (DBAPIError, PoolTimeout, sqlite3.Error, OSError) as error:
        if is_ours(error):
            raise
        raise StoreUnavailable(explain(error)) from error


def is_ours(error: BaseException) -> bool:
    """Return whether the fault is in what we asked, not in the database."""
    from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

    return isinstance(error, DataError | IntegrityError | ProgrammingError)
