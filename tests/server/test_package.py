"""The package hands out the server at first use, and is light until then."""

import subprocess
import sys

import pytest

import gateway.server


def test_the_server_is_imported_at_first_use() -> None:
    program = (
        "import sys, gateway.server as s; before = 'gateway.server.server' in sys.modules; "
        "s.serve; print(before, 'gateway.server.server' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "True"]


def test_nothing_else_is_handed_out() -> None:
    with pytest.raises(AttributeError, match=r"'gateway\.server' has no attribute 'nothing'"):
        _ = gateway.server.nothing
