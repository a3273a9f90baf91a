"""The viewers file: what is written, what is refused, and that nobody else can read it."""

import stat
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.root import main
from gateway.errors import ConfigurationError
from gateway.settings import variables
from gateway.web.auth.viewers import (
    MAX_ACCOUNTS,
    Viewer,
    add_viewer,
    check_accounts,
    find_id,
    is_token_of,
    read_viewers,
    remove_viewer,
)

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "viewers.toml"


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def entry(name: str = "alice", *, id: str = "a" * 16, accounts: str = '["5WX00001"]') -> str:
    return f'[{name}]\nid = "{id}"\ntoken = "{HASH}"\naccounts = {accounts}\n'


def test_what_is_added_is_read(path: Path) -> None:
    alice = add_viewer(path, "alice", frozenset({"5WX00002", "5WX00001"}))
    bob = add_viewer(path, "bob-2", None)
    viewers = read_viewers(path)
    assert list(viewers) == ["alice", "bob-2"]
    assert viewers["alice"].accounts == frozenset({"5WX00001", "5WX00002"})
    assert viewers["bob-2"].accounts is None
    assert find_id(alice) == viewers["alice"].id
    assert is_token_of(viewers["alice"], alice)
    assert not is_token_of(viewers["alice"], bob)
    assert not is_token_of(viewers["alice"], "")
    remove_viewer(path, "alice")
    assert list(read_viewers(path)) == ["bob-2"]
    remove_viewer(path, "bob-2")
    assert read_viewers(path) == {}


def test_the_file_is_private_and_holds_no_token(path: Path) -> None:
    token = add_viewer(path, "alice", None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.split("_", 2)[2] not in path.read_text()
    assert [each.name for each in path.parent.iterdir()] == ["viewers.toml"]


def test_the_file_is_replaced_and_never_half_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_viewer(path, "alice", None)
    before, inode = path.read_text(), path.stat().st_ino

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("gateway.web.auth.viewers.os.fsync", fail)
        with pytest.raises(ConfigurationError, match="cannot be written: no space left"):
            add_viewer(path, "bob", None)
    assert path.read_text() == before
    assert [each.name for each in path.parent.iterdir()] == ["viewers.toml"]
    add_viewer(path, "bob", None)
    assert path.stat().st_ino != inode


def test_who_is_added_at_the_same_time_is_not_lost(path: Path) -> None:
    names = [f"viewer-{number}" for number in range(8)]
    threads = [threading.Thread(target=add_viewer, args=(path, name, None)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_viewers(path)) == names


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_file_that_others_can_open_is_refused(path: Path, mode: int) -> None:
    add_viewer(path, "alice", None)
    path.chmod(mode)
    for function in (read_viewers, lambda path: add_viewer(path, "bob", None)):
        with pytest.raises(ConfigurationError) as caught:
            function(path)
        assert str(caught.value) == (
            "GATEWAY_VIEWERS: the file is open to other users of this machine; chmod 600 it"
        )


@pytest.mark.parametrize("name", ["", "Alice", "a b", "a.b", "-a", "a" * 33, "ä", "a\n", "owner"])
def test_odd_names_are_refused(path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^NAME: "):
        add_viewer(path, name, None)
    assert not path.exists()


def test_a_name_is_given_once(path: Path) -> None:
    add_viewer(path, "alice", None)
    with pytest.raises(ConfigurationError, match="there is a viewer alice"):
        add_viewer(path, "alice", None)
    with pytest.raises(ConfigurationError, match="there is no viewer bob"):
        remove_viewer(path, "bob")


def test_no_folder_no_file(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        add_viewer(path / "deeper" / "viewers.toml", "alice", None)


@pytest.mark.parametrize(
    "text",
    [
        "[alice",
        "alice = 1",
        entry("Alice"),
        entry("owner"),
        entry(id="A" * 16),
        entry(id=""),
        entry(accounts='"some"'),
        entry(accounts="[1]"),
        entry(accounts='["a b"]'),
        entry(accounts=str(["A"] * (MAX_ACCOUNTS + 1))),
        entry() + "admin = true\n",
        entry().replace("argon2id", "plain"),
        entry().replace("id =", "number ="),
        entry("alice") + entry("bob"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(path: Path, text: str) -> None:
    write(path, text)
    with pytest.raises(ConfigurationError) as caught:
        read_viewers(path)
    message = str(caught.value)
    assert message.startswith("GATEWAY_VIEWERS: ")
    assert "\n" not in message
    assert HASH not in message


def test_what_a_person_writes_is_read(path: Path) -> None:
    write(path, "# mine\n" + entry(accounts="[]") + entry("bob", id="b" * 16, accounts='"all"'))
    assert read_viewers(path) == {
        "alice": Viewer("alice", frozenset(), "a" * 16, HASH),
        "bob": Viewer("bob", None, "b" * 16, HASH),
    }
    assert not is_token_of(read_viewers(path)["bob"], "anything"), "that is no hash of anything"


@pytest.mark.parametrize("text", ["", ",", "a b", "5WX-1", "x" * 33])
def test_odd_accounts_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--accounts: "):
        check_accounts(text)


def run(path: Path | None, *arguments: str) -> tuple[int, str, str]:
    environment: dict[str, str | None] = dict.fromkeys(variables())
    environment["GATEWAY_VIEWERS"] = None if path is None else str(path)
    result = CliRunner().invoke(main, ["viewer", *arguments], env=environment)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_shows_the_token_once(path: Path) -> None:
    status, out, err = run(path, "add", "alice", "--accounts", "5WX00001, 5WX00002")
    assert status == 0
    token = out.strip()
    assert is_token_of(read_viewers(path)["alice"], token)
    assert token not in err
    assert run(path, "add", "bob", "--all-accounts")[0] == 0
    assert run(path, "list") == (0, "alice  5WX00001,5WX00002\nbob  all\n", "")
    assert run(path, "remove", "alice") == (0, "", "")
    assert run(path, "list") == (0, "bob  all\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add", "alice"], "--accounts: give either account numbers or --all-accounts"),
        (["add", "alice", "--accounts", "A", "--all-accounts"], "--accounts: give either"),
        (["add", "alice", "--accounts", ","], "--accounts: give account numbers"),
        (["remove", "alice"], "NAME: there is no viewer alice"),
    ],
)
def test_a_mistake_is_told_in_one_line(path: Path, arguments: list[str], complaint: str) -> None:
    status, out, err = run(path, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"gateway: {complaint}")
    assert err.count("\n") == 1


def test_without_a_file_there_is_nowhere_to_keep_viewers(tmp_path: Path) -> None:
    assert run(None, "list") == (
        2,
        "",
        "gateway: GATEWAY_VIEWERS: is not set; name the file to keep viewers in\n",
    )
    assert run(tmp_path / "none-yet.toml", "list") == (0, "", "")
