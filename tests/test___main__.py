"""`python -m gateway` is the `gateway` command."""

import subprocess
import sys

from gateway import __version__


def test_the_module_is_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True
    )
    assert __version__ in result.stdout
