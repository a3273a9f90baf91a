"""Secrets in files, and mistakes in one line."""

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from tests.settings.values import CANARY


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", "secret")
    settings = load_settings()
    assert settings.token is not None
    assert settings.token.get_secret_value() == CANARY * 2
    monkeypatch.setenv("GATEWAY_TOKEN", "the-variable-itself-wins")
    settings = load_settings()
    assert settings.token is not None
    assert settings.token.get_secret_value() == "the-variable-itself-wins"


def test_a_folder_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TT_REFRESH_FILE", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"^TT_REFRESH_FILE: "):
        load_settings()


def test_a_short_token_in_a_file_is_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    monkeypatch.setenv("GATEWAY_TOKEN_FILE", "secret")
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_TOKEN: "):
        load_settings()


def test_a_mistake_of_the_caller_is_told_too() -> None:
    wrong: dict[str, Any] = {"port": "x"}
    with pytest.raises(ConfigurationError, match=r"^PORT: "):
        load_settings(**wrong)


def test_the_address_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "address"
    path.write_text("rediss://user:hidden%2Dword@cache.example\n")
    path.chmod(0o600)
    monkeypatch.setenv("REDIS_URL_FILE", str(path))
    settings = load_settings(_env_file=None)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "rediss://user:hidden%2Dword@cache.example"
    assert {"hidden-word", "hidden%2Dword"} < settings.secrets
    assert "word" not in repr(settings)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL_FILE: .*chmod 600"):
        load_settings(_env_file=None)
    path.chmod(0o600)
    path.write_text("http://hidden-word")
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: must look like") as caught:
        load_settings(_env_file=None)
    assert "hidden-word" not in str(caught.value)
