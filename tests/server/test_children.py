"""Children: apart from the working directory, and never waiting for a reader."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.server.children import MAX_PIECE_BYTES, MAX_WAITING, Relay, command_for
from tests.processes import clean_environment
from tests.waiting import eventually_sync, scaled


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("path", [None, ".", ""])
def test_what_is_named_like_the_package_takes_nobodys_place(
    tmp_path: Path, is_folder: bool, path: str | None
) -> None:
    """
    1. The working directory has a file or a folder named `gateway`, and may be in PYTHONPATH.
    Result: a child runs the package, not that.
    """
    if is_folder:
        (tmp_path / "gateway").mkdir()
        (tmp_path / "gateway" / "__init__.py").write_text("print('not this')")
        (tmp_path / "gateway" / "__main__.py").write_text("print('nor this')")
    else:
        (tmp_path / "gateway.py").write_text("print('not this')")
    given = {} if path is None else {"PYTHONPATH": path}
    result = subprocess.run(
        command_for("gateway", "--version"),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(**given),
        check=True,
    )
    assert result.stdout.startswith("gateway ")


def run(program: str, relay: Relay) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    relay.follow(process.stdout)
    return process


def test_lines_are_passed_on_whatever_their_length() -> None:
    reading, writing = os.pipe()
    relay = Relay(writing)
    # No letters that another test has made a secret of: secrets are hidden in what is passed on.
    count = 3 * MAX_PIECE_BYTES // 2 + 5
    expected = f"a\n{'-+' * count}\nb".encode()
    process = run(f"print('a'); print('-+' * {count}); print('b', end='')", relay)
    received = b""
    while len(received) < len(expected):
        received += os.read(reading, 65_536)
    assert received == expected
    assert process.wait(scaled(10)) == 0
    assert relay.dropped == 0
    os.close(reading)


def test_a_child_whose_output_nobody_reads_does_not_wait() -> None:
    reading, writing = os.pipe()
    relay = Relay(writing)
    process = run(f"for n in range({MAX_WAITING} * 20): print('x' * 100)", relay)
    assert process.wait(scaled(10)) == 0
    eventually_sync(lambda: relay.dropped > 0)
    os.close(reading)


def test_an_output_that_is_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    relay = Relay(writing)
    process = run("for n in range(10): print(n)", relay)
    assert process.wait(scaled(10)) == 0
    eventually_sync(lambda: relay.dropped == 10)
    os.close(writing)
