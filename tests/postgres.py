"""A real PostgreSQL server for tests, from the system's package; started once a process."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

import psycopg

from tests.valkey import find_port
from tests.waiting import eventually_sync, scaled

MISSING = "PostgreSQL is not installed; as root, `make postgres` installs it"


def find_program(name: str) -> str | None:
    """The path of one of the server's programs, newest version first."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


class Postgres:
    """A server on a port of its own, without a password, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.port = find_port()
        self._folder = folder
        self._numbers = count()
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            found = pwd.getpwnam(self._user)
            os.chown(folder, found.pw_uid, found.pw_gid)
        initdb = find_program("initdb")
        assert initdb is not None
        subprocess.run(
            [
                initdb,
                "-D",
                str(folder / "data"),
                "-U",
                "gateway",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what was in it is there again."""
        program = find_program("postgres")
        assert program is not None
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        with (self._folder / "log").open("ab") as log:
            self.process = self._start(program, options, log)
        eventually_sync(self._is_there, 20)

    def _start(
        self, program: str, options: dict[str, str], log: BinaryIO
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [
                *(program, "-D", str(self._folder / "data")),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            stderr=log,
            user=self._user,
            cwd="/",
        )

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(3)  # SIGQUIT: without waiting for anybody
            self.process.wait(scaled(20))
            self.process = None

    def make_database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{name}"

    def _is_there(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def open_postgres() -> Iterator[Postgres]:
    """A running server, gone on leaving."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
