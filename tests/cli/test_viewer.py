"""`gateway viewer remove`: what somebody kept goes with them."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import StoreSettings
from gateway.store.database import open_database
from gateway.web.auth.viewers import add_viewer, read_viewers
from tests.processes import clean_environment


def remove(folder: Path, name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gateway", "viewer", "remove", name],
        cwd=folder,
        env=clean_environment(
            GATEWAY_STATE_DIR=str(folder / "state"), GATEWAY_VIEWERS=str(folder / "viewers.toml")
        ),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def ids(tmp_path: Path) -> dict[str, str]:
    """The ids of two viewers, by name."""
    for name in ("ann", "bob"):
        add_viewer(tmp_path / "viewers.toml", name, frozenset())
    return {name: each.id for name, each in read_viewers(tmp_path / "viewers.toml").items()}


def test_rows_go_with_their_viewer(tmp_path: Path, ids: dict[str, str]) -> None:
    database = open_database(StoreSettings(tmp_path / "state"))
    with database.begin(writes=True) as rows:
        for owner in ids.values():
            rows.watchlists.write(owner, "Tech", ["QQQ"])
            rows.secrets.write(owner, "refresh token", "a secret")
    done = remove(tmp_path, "ann")
    assert (done.returncode, done.stderr) == (0, "")
    with database.begin(writes=False) as rows:
        assert rows.watchlists.read_all(ids["ann"]) == ()
        assert rows.secrets.read(ids["ann"], "refresh token") is None
        assert len(rows.watchlists.read_all(ids["bob"])) == 1
        assert rows.secrets.read(ids["bob"], "refresh token") == "a secret"
    database.close()


@pytest.mark.usefixtures("ids")
def test_where_nothing_is_kept_nothing_is_made(tmp_path: Path) -> None:
    done = remove(tmp_path, "ann")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "state").exists()


@pytest.mark.usefixtures("ids")
def test_rows_that_stay_are_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "gateway.db").write_bytes(b"nothing of ours" * 1000)
    done = remove(tmp_path, "ann")
    assert done.returncode == 0
    assert done.stderr == ("gateway: what ann kept is still there: the database file is damaged\n")
    assert "ann" not in read_viewers(tmp_path / "viewers.toml")
