"""gateway viewer: a token is printed once, and the file says who may see what."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.root import main
from gateway.settings import StoreSettings
from gateway.store.database import open_database
from gateway.web.auth.viewers import add_viewer, read_viewers
from tests.processes import clean_environment


@pytest.fixture
def viewers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "viewers.toml"
    monkeypatch.setenv("GATEWAY_VIEWERS", str(path))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["viewer", *arguments])


def test_who_is_added_is_listed_until_removed(viewers: Path) -> None:
    assert run("list").output == ""
    added = run("add", "ann", "--accounts", "5WX00002,5WX00001")
    token, *_ = added.stdout.split()
    assert len(token) > 20
    assert token not in viewers.read_text()
    assert run("add", "bob", "--all-accounts").exit_code == 0
    assert run("list").output.splitlines() == ["ann  5WX00001,5WX00002", "bob  all"]
    assert run("remove", "ann").exit_code == 0
    assert run("list").output.splitlines() == ["bob  all"]


@pytest.mark.parametrize("options", [(), ("--accounts", "5WX00001", "--all-accounts")])
def test_a_grant_is_said_in_one_way(viewers: Path, options: tuple[str, ...]) -> None:
    result = run("add", "ann", *options)
    assert result.exit_code == 2
    assert "give either account numbers or --all-accounts" in result.output
    assert not viewers.exists()


def test_without_a_file_it_says_what_to_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_VIEWERS", raising=False)
    result = run("list")
    assert result.exit_code == 2
    assert "GATEWAY_VIEWERS: is not set" in result.output


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
