"""Nothing set, and no `.env` but the test's own."""

from pathlib import Path

import pytest

from gateway.settings import variables
from tests.settings.values import CANARY


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing set, and no .env but the test's own."""
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(f"{CANARY * 2}\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "address").write_text("redis://cache.example\n")
    (tmp_path / "address").chmod(0o600)
    (tmp_path / "database").write_text("sqlite:///gateway.db\n")
    (tmp_path / "database").chmod(0o600)
    (tmp_path / "keys").write_text(f"{'k' * 43}=\n")
    (tmp_path / "keys").chmod(0o600)
