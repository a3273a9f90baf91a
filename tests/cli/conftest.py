"""A place for commands to run in."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder without .env."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
