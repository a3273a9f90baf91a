"""Where settings come from: the environment, then a file; documented names only."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.errors import ConfigurationError
from gateway.settings.environment import clean, read_env_file, read_environment

ENV_FILE_VARIABLE = "GATEWAY_ENV_FILE"


class DocumentedNames(PydanticBaseSettingsSource):
    """The environment, then the file: documented names, each value as it is meant."""

    def __init__(
        self, settings_cls: type[BaseSettings], names: Iterable[str], env_file: Path | None
    ) -> None:
        super().__init__(settings_cls)
        self._names = tuple(names)
        self._env_file = env_file

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not asked by this source."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        in_file = {} if self._env_file is None else read_env_file(self._env_file, self._names)
        return {**in_file, **read_environment(self._names)}


def find_env_file() -> Path:
    """Return the file of settings: `.env` here, or the one that GATEWAY_ENV_FILE names.

    Raises:
        ConfigurationError: when one is named and is not there.
    """
    named = clean(ENV_FILE_VARIABLE, os.environ.get(ENV_FILE_VARIABLE, ""))
    if named and not Path(named).is_file():
        raise ConfigurationError(f"{ENV_FILE_VARIABLE}: there is no such file")
    return Path(named or ".env")
