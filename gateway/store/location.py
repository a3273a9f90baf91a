"""Where the store is: the address that was given, or a file in the state folder.

The folder is made for its owner alone, and so is every file in it.
"""

import os
from pathlib import Path

from gateway.errors import StoreUnavailable
from gateway.settings import StoreSettings

FOLDER_NAME = "tastytrade-gateway"

SQLITE = "sqlite"


def find_folder(settings: StoreSettings) -> Path:
    """Return the state folder: GATEWAY_STATE_DIR, else ours below XDG_STATE_HOME.

    Raises:
        StoreUnavailable: when nothing is set and the user has no home.
    """
    if settings.folder is not None:
        return settings.folder.absolute()
    state_home = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state_home.is_absolute():  # as the XDG base directory specification asks
        try:
            state_home = Path.home() / ".local" / "state"
        except RuntimeError:
            raise StoreUnavailable("there is no home folder; set GATEWAY_STATE_DIR") from None
    return state_home / FOLDER_NAME


def make_folder(folder: Path) -> None:
    """Make the folder, closed to others; one that is there is left as it is.

    Raises:
        StoreUnavailable: when it cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"the state folder cannot be made: {explain_os(error)}") from None


def find_file(settings: StoreSettings) -> Path | None:
    """Return the file of the database; None when a server keeps it."""
    if settings.database_url is None:
        return find_folder(settings) / settings.file_name
    scheme, _, rest = settings.database_url.get_secret_value().partition("://")
    if scheme != SQLITE:
        return None
    # As SQLAlchemy writes them: three slashes before a relative path, four before an absolute one.
    return Path(rest.removeprefix("/").partition("?")[0]).absolute()


def explain_os(error: OSError) -> str:
    """Return the reason in a few words, without a path."""
    return os.strerror(error.errno).lower() if error.errno else "the path is not usable"
