"""gateway viewer: a token is printed once, and the file says who may see what."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.root import main


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
