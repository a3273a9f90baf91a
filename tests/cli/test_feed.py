"""gateway feed: what it needs before it starts is said in one line."""

from pathlib import Path

import pytest

from tests.cli.commands import run_command


@pytest.mark.parametrize(
    ("variable", "environment"),
    [
        ("REDIS_URL", {}),
        ("TT_SECRET", {"REDIS_URL": "redis://127.0.0.1:1/0"}),
        ("TT_REFRESH", {"REDIS_URL": "redis://127.0.0.1:1/0", "TT_SECRET": "s"}),
    ],
)
def test_what_is_missing_is_named(folder: Path, variable: str, environment: dict[str, str]) -> None:
    result = run_command("feed", cwd=folder, **environment)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"gateway: {variable}: is not set")
