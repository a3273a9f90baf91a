"""The scripts run on a real server, name only keys that there are, and stay on one node."""

import re
from pathlib import Path

import pytest
from redis.crc import key_slot

from gateway.streams.backplane import scripts
from gateway.streams.backplane.scripts import ANSWERS, FORMAT, KEYS, OLD_LEASE, QUESTIONS, SCRIPTS
from tests.valkey import Valkey

FOLDER = Path(scripts.__file__).parent / "lua"
FILES = sorted(FOLDER.glob("*.lua"))


def find_names(source: str) -> set[str]:
    """Words in capitals of a script, without comments and texts."""
    code = re.sub(r"--.*", "", source)
    return set(re.findall(r"\b[A-Z][A-Z_]+\b", re.sub(r"'[^']*'", "", code)))


def test_all_keys_are_on_one_node_of_a_cluster() -> None:
    slots = {key_slot(each.encode()) for each in (*KEYS, QUESTIONS, f"{ANSWERS}1", OLD_LEASE)}
    assert len(slots) == 1
    assert len(set(KEYS)) == len(KEYS)


def test_what_the_stream_holds_carries_the_format() -> None:
    plain = {each for each in KEYS if f":{FORMAT}:" not in each}
    assert plain == {f"{{gateway}}:{name}" for name in ("format", "failures", "failing", "ended")}
    assert OLD_LEASE not in KEYS


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.stem)
def test_a_script_names_only_keys_and_limits_that_there_are(file: Path) -> None:
    """A name that is not there is nil in Lua, and found only when the line is reached."""
    known = {each.rpartition(":")[2].upper() for each in KEYS}
    known |= set(scripts._LIMITS) | {"KEYS", "ARGV"}
    assert find_names(file.read_text()) <= known


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.stem)
def test_a_script_is_used(file: Path) -> None:
    assert [each for each in SCRIPTS if each.endswith(file.read_text()) or file.stem == "clock"]


def test_a_server_takes_every_script(valkey: Valkey) -> None:
    digests = {valkey.redis.script_load(each) for each in SCRIPTS}
    assert len(digests) == len(SCRIPTS)
    with pytest.raises(Exception, match="compil"):
        valkey.redis.script_load(SCRIPTS[0] + "\nend")


def test_each_key_goes_to_its_own_name() -> None:
    first = SCRIPTS[0].splitlines()[0]
    names = first.removeprefix("local ").partition(" = ")[0].split(", ")
    assert [each.rpartition(":")[2].upper() for each in KEYS] == names
