"""Documented names only: from the caller, the environment, the file."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import Settings, load_settings, variables


def test_the_environment_wins_over_the_file_and_the_caller_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=1\nHOST=localhost\nGATEWAY_STALE_S=9\nOTHER=x\n")
    assert (load_settings().port, load_settings().host) == (1, "localhost")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("GATEWAY_STALE_S", "8")
    settings = load_settings(stale_s=7)
    assert (settings.port, settings.host, settings.stale_s) == (2, "localhost", 7)


@pytest.mark.parametrize("variable", sorted(set(variables().values()) - {"host", "port"}))
def test_only_documented_names_count(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    1. The environment and `.env` have the name of a field, in small and in capital letters.
    Result: the settings are the defaults.
    """
    documented = variables()
    names = {variable, variable.upper(), variable.title()} - documented.keys()
    names = {name for name in names if name.upper() not in documented}
    for name in names:
        monkeypatch.setenv(name, "/nowhere")
    (tmp_path / ".env").write_text("".join(f"{name}=/nowhere\n" for name in sorted(names)))
    assert load_settings() == Settings(_env_file=None)
    assert load_settings().model_fields_set == set()


def test_small_letters_count_in_the_file_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("gateway_stale_s=9\n")
    monkeypatch.setenv("gateway_linger_s", "3")
    settings = load_settings()
    assert (settings.stale_s, settings.linger_s) == (9, 30)


def test_another_file_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\n")
    (tmp_path / "other").write_text("PORT=2\n")
    monkeypatch.setenv("GATEWAY_ENV_FILE", "other")
    assert load_settings().port == 2
    monkeypatch.setenv("GATEWAY_ENV_FILE", "none")
    with pytest.raises(ConfigurationError, match=r"^GATEWAY_ENV_FILE: there is no such file$"):
        load_settings()
