"""Loads the settings once at the start; a mistake is one line that never shows the value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.errors import ConfigurationError
from gateway.redaction import OUTPUT
from gateway.settings.environment import clean, find_notices
from gateway.settings.model import Settings, variables
from gateway.settings.secret_files import read_private
from gateway.settings.sources import ENV_FILE_VARIABLE, find_env_file

FILES = {
    "tt_secret": "tt_secret_file",
    "tt_refresh": "tt_refresh_file",
    "token": "token_file",
    "redis_url": "redis_url_file",
    "database_url": "database_url_file",
    "keys": "keys_file",
}
"""Secrets that may stand in a file of their own, and the setting that names it."""


def load_settings(**overrides: Any) -> Settings:
    """Return the settings: from `overrides`, then the environment, then `.env`.

    Raises:
        ConfigurationError: one line that names the variable, never its value.
    """
    try:
        settings = Settings(**overrides)
        found = _read_files(settings)
        settings = Settings(**{**overrides, **found}) if found else settings
    except ValidationError as error:
        raise ConfigurationError(_first_line(error)) from None
    OUTPUT.hide(*settings.secrets)
    return settings


def describe_suspicions() -> list[str]:
    """Return a sentence for each thing in the environment and `.env` that is surely not meant.

    Raises:
        ConfigurationError: as `load_settings`.
    """
    return find_notices([*variables(), ENV_FILE_VARIABLE], find_env_file())


def _read_files(settings: Settings) -> dict[str, str]:
    """Return the secrets that stand in files; one that is set itself is not looked for."""
    found = {}
    for name, file_name in FILES.items():
        path: Path | None = getattr(settings, file_name)
        if path is None or getattr(settings, name) is not None:
            continue
        variable = str(Settings.model_fields[file_name].validation_alias)
        text = read_private(path, variable)
        OUTPUT.hide(text)
        found[name] = clean(str(Settings.model_fields[name].validation_alias), text)
        if not found[name]:
            raise ConfigurationError(f"{variable}: the file is empty")
    return found


def _first_line(error: ValidationError) -> str:
    first: Mapping[str, Any] = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:
        return str(first["msg"]).removeprefix("Value error, ")
    name = str(first["loc"][0])
    field = Settings.model_fields.get(name)
    if field is not None and isinstance(field.validation_alias, str):
        name = field.validation_alias
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[:1].lower()}{message[1:]}"
