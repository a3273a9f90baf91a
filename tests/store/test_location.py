"""Where the store is, and that its folder is its owner's alone."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.errors import StoreUnavailable
from gateway.settings import StoreSettings
from gateway.store.location import (
    FOLDER_NAME,
    explain_os,
    find_file,
    find_folder,
    make_folder,
)


def test_a_given_folder_is_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert find_folder(StoreSettings(tmp_path)) == tmp_path
    monkeypatch.chdir(tmp_path)
    assert find_folder(StoreSettings(Path("here"))) == tmp_path / "here"


@pytest.mark.parametrize("state_home", [None, "", "relative/path"])
def test_without_a_usable_state_home_it_is_below_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_home: str | None
) -> None:
    """A relative one is ignored, as the XDG base directory specification asks."""
    if state_home is None:
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_STATE_HOME", state_home)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_folder(StoreSettings()) == tmp_path / ".local/state" / FOLDER_NAME


def test_a_state_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert find_folder(StoreSettings()) == tmp_path / FOLDER_NAME
    assert find_file(StoreSettings()) == tmp_path / FOLDER_NAME / "gateway.db"


def test_without_a_home_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", refuse)
    with pytest.raises(StoreUnavailable, match="set GATEWAY_STATE_DIR"):
        find_folder(StoreSettings())


def test_a_new_folder_is_closed_and_one_that_is_there_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o750)
    make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_folder_that_cannot_be_made_says_why_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(StoreUnavailable) as caught:
            make_folder(folder)
        assert str(caught.value).startswith("the state folder cannot be made: ")
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/gateway/my.db", "/var/lib/gateway/my.db"),
        ("sqlite:////var/lib/my.db?timeout=5", "/var/lib/my.db"),
        ("sqlite:///my.db", "my.db"),
        ("postgresql://user:word@host/name", None),
    ],
)
def test_an_address_is_a_file_or_a_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, path: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_file(StoreSettings(tmp_path, SecretStr(url)))
    assert found == (None if path is None else tmp_path / path)


def test_an_error_without_a_number_has_words_too() -> None:
    assert explain_os(OSError(13, "x", "/a/path")) == "permission denied"
    assert explain_os(OSError("odd")) == "the path is not usable"
