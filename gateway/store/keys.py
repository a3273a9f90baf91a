"""The keys of the sealed secrets: from GATEWAY_KEYS, else a file of ours in the state folder."""

import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.errors import ConfigurationError, StoreUnavailable
from gateway.redaction import OUTPUT
from gateway.settings import StoreSettings
from gateway.settings.secret_files import read_private
from gateway.settings.store_keys import split_keys
from gateway.store.location import explain_os, find_folder, make_folder

FILE_NAME = "keys"
KEY_BYTES = 32  # of Fernet


def make_key() -> str:
    """Return a new key as Fernet writes them."""
    return urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def find_key_file(settings: StoreSettings) -> Path | None:
    """Return the file that is ours to change; None when the keys were given."""
    return None if settings.keys is not None else find_folder(settings) / FILE_NAME


def read_keys(settings: StoreSettings) -> Sequence[str]:
    """Return the keys, newest first; where there are none, one is made and kept.

    Raises:
        StoreUnavailable: when the file cannot be read or made.
    """
    if settings.keys is not None:
        return split_keys(settings.keys.get_secret_value())
    path = find_folder(settings) / FILE_NAME
    make_folder(path.parent)
    if not path.exists():
        write_keys(path, [make_key()], is_first=True)
    try:
        keys = split_keys(read_private(path, f"{path.name} in the state folder"))
    except (ConfigurationError, ValueError) as error:
        raise StoreUnavailable(f"the keys cannot be read: {error}") from None
    OUTPUT.hide(*keys)
    return keys


def write_keys(path: Path, keys: Sequence[str], *, is_first: bool = False) -> None:
    """Replace the file as a whole; with `is_first` one that is there already stays.

    Raises:
        StoreUnavailable: when it cannot be written.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(",".join(keys) + "\n")  # as GATEWAY_KEYS_FILE takes it, too
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            # Two processes that start at once: the second takes the key of the first.
            with suppress(FileExistsError):
                path.hardlink_to(new)
            new.unlink()
        else:
            new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise StoreUnavailable(f"the keys cannot be written: {explain_os(error)}") from None
