"""Files that hold secrets: who else can read them, and what is in them, as platforms lay them.

Sources: systemd.exec (CREDENTIALS_DIRECTORY; mode 440 with an ACL since 254), Kubernetes volumes
(links through `..data`, read-only, 644 or 440), Docker secrets (444 in /run/secrets).
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from gateway.errors import ConfigurationError

MAX_BYTES = 1_048_576

PLATFORM_FOLDERS = ("/run/secrets", "/var/run/secrets", "/run/credentials")
"""Where a platform lays secrets for one service; nobody else is in its container or mount."""


def read_private(path: Path, variable: str) -> str:
    """Return the text of a file that other people of this machine cannot read.

    Raises:
        ConfigurationError: one line with the variable that names the file.
    """
    try:
        with path.open("rb") as file:
            # Of the open file, so that what was checked is what is read.
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigurationError(f"{variable}: it is not a file")
            if is_open_to_others(path, file.fileno()):
                raise ConfigurationError(
                    f"{variable}: the file is open to other users of this machine; chmod 600 it"
                )
            content = file.read(MAX_BYTES)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "the path is not usable"
        raise ConfigurationError(f"{variable}: the file cannot be read: {reason}") from None
    except ValueError:  # a NUL in the path
        raise ConfigurationError(f"{variable}: it is not the name of a file") from None
    try:
        return decode(content)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: the file is not text") from None


def decode(content: bytes) -> str:
    """Return the text, in whatever encoding an editor or a shell has written it.

    UTF-8 and UTF-16 with or without a byte-order mark, else the code page of Western Windows.

    Raises:
        UnicodeDecodeError: when it is not text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if b"\0" in content:  # PowerShell 5, without the mark
        is_big = content[::2].count(0) > content[1::2].count(0)
        text = content.decode("utf-16-be" if is_big else "utf-16-le")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
    if "\0" in text:
        raise UnicodeDecodeError("utf-16", content, 0, len(content), "it holds NUL characters")
    return text


def is_open_to_others(path: Path, descriptor: int) -> bool:
    """Return whether other people of this machine can read or replace an open file.

    One that a platform has laid for this service is not open, whatever its mode says.
    """
    status = os.fstat(descriptor)
    bits = status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not bits:
        return False
    # Laid for a group by a platform: nobody may write to it, and nobody else is in the group.
    is_writable = bool(status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    if bits == stat.S_IRGRP and not is_writable and not _has_others(status):
        return False
    is_read_only = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
    return not is_read_only and not _is_of_platform(path)


def _has_others(status: os.stat_result) -> bool:
    """Return whether the group has a person in it besides the owner, root and us."""
    mine = {0, status.st_uid, os.geteuid()}
    if any(each.pw_gid == status.st_gid and each.pw_uid not in mine for each in pwd.getpwall()):
        return True
    try:
        members = grp.getgrgid(status.st_gid).gr_mem
    except KeyError:  # a number that a platform gave
        return False
    names = {each.pw_name for each in pwd.getpwall() if each.pw_uid in mine}
    return any(name not in names for name in members)


def _is_of_platform(path: Path) -> bool:
    folders = [Path(each) for each in PLATFORM_FOLDERS]
    if credentials := os.environ.get("CREDENTIALS_DIRECTORY"):
        folders.append(Path(credentials))
    named = path.absolute()
    if any(named.is_relative_to(each) for each in folders):
        return True
    return (named.parent / "..data").is_symlink()  # a volume of Kubernetes
