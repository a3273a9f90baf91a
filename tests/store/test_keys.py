"""The file of keys: made once, whoever comes first, closed to others, replaced as a whole."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.errors import StoreUnavailable
from gateway.settings import StoreSettings
from gateway.settings.store_keys import split_keys
from gateway.store.keys import find_key_file, make_key, read_keys, write_keys


def test_keys_are_new_and_as_they_are_read() -> None:
    keys = [make_key() for _ in range(20)]
    assert len(set(keys)) == 20
    assert split_keys(",".join(keys)) == tuple(keys)


def test_one_is_made_and_kept(tmp_path: Path) -> None:
    settings = StoreSettings(tmp_path / "state")
    (key,) = read_keys(settings)
    assert list(read_keys(settings)) == [key]
    file = find_key_file(settings)
    assert file is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name], "nothing is left over"


def test_those_that_start_at_once_agree(tmp_path: Path) -> None:
    for number in range(20):
        settings = StoreSettings(tmp_path / str(number))
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _, at=settings: tuple(read_keys(at)), range(4)))
        assert len(set(found)) == 1


def test_the_first_key_does_not_replace_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    one, other = make_key(), make_key()
    write_keys(path, [one], is_first=True)
    write_keys(path, [other], is_first=True)
    assert split_keys(path.read_text()) == (one,)
    write_keys(path, [other, one])
    assert split_keys(path.read_text()) == (other, one)
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]


def test_given_keys_are_used_and_no_file_is_made(tmp_path: Path) -> None:
    given = make_key(), make_key()
    settings = StoreSettings(tmp_path, keys=SecretStr(", ".join(given)))
    assert find_key_file(settings) is None
    assert tuple(read_keys(settings)) == given
    assert not list(tmp_path.iterdir())


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = StoreSettings(tmp_path)
    read_keys(settings)
    (tmp_path / "keys").chmod(0o644)
    with pytest.raises(StoreUnavailable, match="chmod 600"):
        read_keys(settings)


def test_what_cannot_be_written_says_so_and_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.mkdir()  # in whose place no file can be put
    with pytest.raises(StoreUnavailable) as caught:
        write_keys(path, [make_key()])
    assert str(caught.value).startswith("the keys cannot be written: ")
    assert str(tmp_path) not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]
