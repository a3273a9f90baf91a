"""The viewers file: who besides the owner may come in, and whose accounts each may see.

TOML, a table a viewer. It holds no token, only its argon2id hash and the id that finds the entry.
It is replaced as a whole, never written in place, and must be readable by its owner alone.
"""

import fcntl
import os
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.errors import ConfigurationError
from gateway.settings.secret_files import read_private

VARIABLE = "GATEWAY_VIEWERS"

HEADING = """\
# Who besides the owner may come in. Kept by `gateway viewer`, which keeps no other comments.
# A change takes effect at once: `accounts` is a list of account numbers, or "all".
"""

ALL = "all"
OWNER_NAME = "owner"
MAX_ACCOUNTS = 100

SETTLE_S = 0.05
"""A viewers file that was changed so recently may still be being written: it is read at the next
check. An editor empties a file before it fills it, and an empty one lets nobody in."""

# 19 MiB, twice over, one lane: the least that OWASP's cheat sheet on password storage asks for.
# Our own secrets have 192 bits, so it is for those that a person should write in by hand.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
_ID = re.compile(r"[0-9a-f]{16}\Z")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_TOKEN = re.compile(r"gw_([0-9a-f]{16})_[A-Za-z0-9_-]{16,128}\Z")


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person or a script that is let in; None for all accounts, those to come included."""

    name: str
    accounts: frozenset[str] | None
    id: str = ""
    token_hash: str = ""


OWNER = Viewer(OWNER_NAME, None)


def key_of(viewer: Viewer) -> str:
    """Return under which owner the rows of a viewer are kept; another one of that name has none."""
    return viewer.name if viewer == OWNER else viewer.id


def find_id(token: str) -> str | None:
    """Return the id in a viewer's token; None when it has not the form of one."""
    found = _TOKEN.match(token)
    return found[1] if found else None


def is_token_of(viewer: Viewer, token: str) -> bool:
    """Return whether this is the viewer's token. Takes 50 ms, without the interpreter's lock."""
    try:
        return HASHER.verify(viewer.token_hash, token)
    except (VerificationError, InvalidHashError):
        return False


def check_accounts(text: str) -> frozenset[str]:
    """Return the account numbers of a list with commas.

    Raises:
        ConfigurationError: when one cannot be an account number, or there is none.
    """
    accounts = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not accounts or not all(map(_ACCOUNT.match, accounts)):
        raise ConfigurationError("--accounts: give account numbers, separated by commas")
    return accounts


def read_viewers(path: Path) -> dict[str, Viewer]:
    """Read the viewers of the file, by name.

    Raises:
        ConfigurationError: one line; a mistake names the viewer, never a value.
    """
    try:
        document = tomllib.loads(read_private(path, VARIABLE))
    except tomllib.TOMLDecodeError:
        raise ConfigurationError(f"{VARIABLE}: the file is not TOML") from None
    viewers: dict[str, Viewer] = {}
    for name, entry in document.items():
        viewers[name] = _read_entry(name, entry)
    if len({each.id for each in viewers.values()}) != len(viewers):
        raise ConfigurationError(f"{VARIABLE}: two viewers have the same id")
    return viewers


def add_viewer(path: Path, name: str, accounts: frozenset[str] | None) -> str:
    """Add a viewer to the file and return its token, which is kept nowhere.

    Raises:
        ConfigurationError: when the name cannot be used, or the file not be read or written.
    """
    if not _NAME.match(name):
        raise ConfigurationError(
            "NAME: must be lower case letters, digits, - and _, at most 32, a letter or digit first"
        )
    if name == OWNER_NAME:
        raise ConfigurationError(f"NAME: {OWNER_NAME} is whoever has GATEWAY_TOKEN")
    with _open_for_change(path) as viewers:
        if name in viewers:
            raise ConfigurationError(
                f"NAME: there is a viewer {name}; remove it first to give it another token"
            )
        id = secrets.token_hex(8)
        token = f"gw_{id}_{secrets.token_urlsafe(24)}"
        viewers[name] = Viewer(name, accounts, id, HASHER.hash(token))
    return token


def remove_viewer(path: Path, name: str) -> None:
    """Take a viewer out of the file.

    Raises:
        ConfigurationError: when there is none of this name, or the file cannot be changed.
    """
    with _open_for_change(path) as viewers:
        if name not in viewers:
            raise ConfigurationError(f"NAME: there is no viewer {name}")
        del viewers[name]


def _read_entry(name: str, entry: Any) -> Viewer:
    wrong = ConfigurationError(f"{VARIABLE}: the entry of a viewer cannot be read")
    if not _NAME.match(name) or name == OWNER_NAME or not isinstance(entry, dict):
        raise wrong
    wrong = ConfigurationError(f"{VARIABLE}: the entry of {name} cannot be read")
    match entry:
        case {"id": str(id), "token": str(token_hash), "accounts": accounts, **rest} if not rest:
            pass
        case _:
            raise wrong
    if not _ID.match(id) or not token_hash.startswith("$argon2id$"):
        raise wrong
    if accounts == ALL:
        return Viewer(name, None, id, token_hash)
    if not isinstance(accounts, list) or len(accounts) > MAX_ACCOUNTS:
        raise wrong
    if not all(isinstance(each, str) and _ACCOUNT.match(each) for each in accounts):
        raise wrong
    return Viewer(name, frozenset(accounts), id, token_hash)


@contextmanager
def _open_for_change(path: Path) -> Iterator[dict[str, Viewer]]:
    """Yield the viewers and write them back; another process that changes them waits."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise ConfigurationError(f"{VARIABLE}: there is no folder for the file") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        viewers = read_viewers(path) if path.exists() else {}
        yield viewers
        _write(path, viewers)
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: Path, viewers: Mapping[str, Viewer]) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("\n".join([HEADING, *(_format(each) for each in viewers.values())]))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigurationError(f"{VARIABLE}: the file cannot be written: {reason}") from None


def _format(viewer: Viewer) -> str:
    # Nothing in it needs escaping: see the patterns, and argon2's own alphabet.
    accounts = f'"{ALL}"'
    if viewer.accounts is not None:
        accounts = "[" + ", ".join(f'"{each}"' for each in sorted(viewer.accounts)) + "]"
    return (
        f'[{viewer.name}]\nid = "{viewer.id}"\n'
        f'token = "{viewer.token_hash}"\naccounts = {accounts}\n'
    )


def find_stamp(path: Path) -> tuple[int, ...] | None:
    """Return what changes with the file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def is_settling(stamp: tuple[int, ...] | None, now_s: float) -> bool:
    """Return whether the file was changed a moment ago; never by a clock ahead of ours."""
    return stamp is not None and 0 <= now_s - stamp[0] / 1e9 < SETTLE_S
