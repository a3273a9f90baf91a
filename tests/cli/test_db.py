"""`gateway db`, as a person types it."""

import subprocess
import sys
from pathlib import Path

from gateway.settings import StoreSettings
from gateway.settings.store_keys import split_keys
from gateway.store.database import open_database
from gateway.store.keys import read_keys
from tests.processes import clean_environment


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gateway", "db", *arguments],
        cwd=folder,
        env=clean_environment(GATEWAY_STATE_DIR=str(folder / "state"), **environment),
        capture_output=True,
        text=True,
        check=False,
    )


def keep_secret(folder: Path) -> None:
    database = open_database(StoreSettings(folder / "state"))
    with database.begin(writes=True) as transaction:
        transaction.secrets.write("ann", "refresh", "a secret of ann")
    database.close()


def test_upgrade_makes_the_database(tmp_path: Path) -> None:
    for _ in range(2):
        done = run(tmp_path, "upgrade")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "The database has the newest form.\n"
    assert (tmp_path / "state" / "gateway.db").exists()


def test_a_backup_can_be_opened_beside_its_keys(tmp_path: Path) -> None:
    keep_secret(tmp_path)
    done = run(tmp_path, "backup", "copy.db")
    assert (done.returncode, done.stderr) == (0, "")
    again = run(tmp_path, "backup", "copy.db")
    assert again.returncode == 2
    assert again.stderr == "gateway: PATH: there is such a file; name another\n"
    assert b"a secret of ann" not in (tmp_path / "copy.db").read_bytes()
    restored = tmp_path / "restored"
    restored.mkdir()
    (tmp_path / "copy.db").rename(restored / "gateway.db")
    (tmp_path / "state" / "keys").rename(restored / "keys")
    database = open_database(StoreSettings(restored))
    with database.begin(writes=False) as transaction:
        assert transaction.secrets.read("ann", "refresh") == "a secret of ann"
    database.close()


def test_keys_are_rotated(tmp_path: Path) -> None:
    keep_secret(tmp_path)
    old = read_keys(StoreSettings(tmp_path / "state"))
    for option, count in ((), 2), (("--forget-old",), 1):
        done = run(tmp_path, "rotate-keys", *option)
        assert done.stdout == "Secrets sealed by the newest key: 1.\n"
        assert done.stderr == ""
        assert len(read_keys(StoreSettings(tmp_path / "state"))) == count
    assert set(old).isdisjoint(read_keys(StoreSettings(tmp_path / "state")))
    (tmp_path / "state" / "keys").unlink()
    done = run(tmp_path, "rotate-keys")
    assert done.stdout.splitlines() == [
        "Secrets sealed by the newest key: 0.",
        "Secrets that no key opens, to be given again: 1.",
    ]


def test_a_new_key_is_one(tmp_path: Path) -> None:
    done = run(tmp_path, "new-key")
    assert split_keys(done.stdout.strip())
    used = run(tmp_path, "upgrade", GATEWAY_KEYS=done.stdout.strip())
    assert used.returncode == 0


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "upgrade", DATABASE_URL="postgresql://u:canary-4e@127.0.0.1:1/x")
    assert done.returncode == 1
    assert done.stderr == "gateway: the database cannot be reached\n"
    done = run(tmp_path, "upgrade", DATABASE_URL="oracle://u:canary-4e@host/x")
    assert done.returncode == 2
    assert done.stderr.startswith("gateway: DATABASE_URL: must look like sqlite:")
    assert "canary" not in done.stderr
