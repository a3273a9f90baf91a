"""What the environment and `.env` say, as it is meant: one check for every value, from any source.

Values come with what editors, shells and platforms put around them: line ends, byte-order marks,
invisible characters, quotation marks. Those are taken off. What is left and cannot be right is
refused in one line that names the variable and never shows the value.
"""

import difflib
import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from gateway.errors import ConfigurationError
from gateway.redaction import INVISIBLE, OUTPUT, QUOTATION_MARKS, SECRET_VARIABLES, find_passwords
from gateway.settings.secret_files import decode, is_open_to_others

PREFIXES = ("GATEWAY_", "TT_")
"""Names that begin so are ours; one that is no setting is misspelt."""

QUOTATION_PAIRS = ('""', "''", "``", "“”", "„“", "””", "‘’", "‚‘", "’’", "«»", "»«")

_OF_KUBERNETES = re.compile(
    r"_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$"
)
"""Variables that Kubernetes sets in every container for a service whose name is `gateway`."""


def read_environment(names: Iterable[str]) -> dict[str, str]:
    """Return the variables of the environment that are settings, under exactly these names.

    Raises:
        ConfigurationError: one line that names the variable.
    """
    return _clean_all({name: os.environ[name] for name in names if name in os.environ})


def read_env_file(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Return what a file of settings says; in the file the letters may be small.

    Raises:
        ConfigurationError: one line that names the file or the variable.
    """
    known = set(names)
    found = {name.upper(): value for name, value in _parse(path).items()}
    return _clean_all({name: value for name, value in found.items() if name in known})


def clean(name: str, value: str) -> str:
    """Return a value as it is meant.

    Raises:
        ConfigurationError: when a secret holds what none of them holds.
    """
    around = re.escape(INVISIBLE) + r"\s"
    value = re.sub(rf"^[{around}]+|[{around}]+$", "", value)
    while len(value) > 1 and value[0] + value[-1] in QUOTATION_PAIRS:
        inner = value[1:-1]
        if value[0] in inner or value[-1] in inner:  # several values, each in its own marks
            break
        value = re.sub(rf"^[{around}]+|[{around}]+$", "", inner)
    if name in SECRET_VARIABLES:
        _check_secret(name, value)
        return value
    return value.translate(dict.fromkeys(map(ord, INVISIBLE)))


def _check_secret(name: str, value: str) -> None:
    what = None
    if any(letter in "\r\n" for letter in value):
        what = "a line break"
    elif any(letter.isspace() for letter in value):
        what = "a blank"
    elif any(letter in INVISIBLE for letter in value):
        what = "an invisible character"
    elif not all(letter.isascii() and letter.isprintable() for letter in value):
        what = "a character that is not ASCII"
    if what is not None:
        raise ConfigurationError(f"{name}: holds {what}, which no secret does; copy it again")
    if value and (value[0] in QUOTATION_MARKS) != (value[-1] in QUOTATION_MARKS):
        raise ConfigurationError(
            f"{name}: has a quotation mark at one end only; copy it again without"
        )


def _clean_all(found: Mapping[str, str]) -> dict[str, str]:
    # First of all: whatever goes wrong from here on, no message shows them.
    for name in SECRET_VARIABLES:
        if value := found.get(name):
            OUTPUT.hide(value, *find_passwords(value))
    cleaned = {name: clean(name, value) for name, value in found.items()}
    return {name: value for name, value in cleaned.items() if value}


def _parse(path: Path) -> dict[str, str]:
    if not path.exists() or path.is_dir():
        return {}
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "unknown"
        raise ConfigurationError(f"{path.name}: the file cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path.name}: the file is not text") from None
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            line = binding.original.line
            raise ConfigurationError(f"{path.name}: line {line} is not NAME=value")
    values = dotenv_values(stream=io.StringIO(text))
    # A secret is meant as it stands: `${` in one is no variable.
    secrets = dotenv_values(stream=io.StringIO(text), interpolate=False)
    chosen = {
        name: secrets[name] if name.upper() in SECRET_VARIABLES else value
        for name, value in values.items()
    }
    return {name: value for name, value in chosen.items() if value is not None}


def find_notices(names: Iterable[str], env_file: Path | None) -> list[str]:
    """Return a sentence for each thing that is surely not meant, but stops nothing.

    Names that begin with ours and are no setting, and secrets in a file that others can read.

    Raises:
        ConfigurationError: when the file cannot be read.
    """
    known = set(names)
    in_file = _parse(env_file) if env_file is not None else {}
    given = [*os.environ, *(name.upper() for name in in_file)]
    notices = [
        _describe_unknown(name, known)
        for name in sorted(set(given))
        if name.upper().startswith(PREFIXES)
        and name not in known
        and not _OF_KUBERNETES.search(name)
    ]
    if env_file is not None and any(name.upper() in SECRET_VARIABLES for name in in_file):
        with env_file.open("rb") as file:
            if is_open_to_others(env_file, file.fileno()):
                notices.append(
                    f"{env_file.name}: other users of this machine can read the secrets in it; "
                    f"chmod 600 {env_file.name}"
                )
    return notices


def _describe_unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")
