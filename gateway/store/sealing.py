"""Secrets at rest: sealed by the newest key, opened by any, and bound to their row.

Fernet (cryptography.io/fernet) has no associated data, so owner and purpose stand inside the
sealed text and are compared when it is opened: rows that were swapped stay closed.
"""

from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class _Sealed(msgspec.Struct, frozen=True):
    owner: str
    purpose: str
    secret: str


class Keyring:
    """The keys, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(each) for each in keys])
        self._newest = Keyring(keys[:1]) if len(keys) > 1 else self

    def seal(self, owner: str, purpose: str, secret: str) -> str:
        """Return the sealed text, which is ASCII."""
        inner = msgspec.json.encode(_Sealed(owner, purpose, secret))
        return self._fernet.encrypt(inner).decode("ascii")

    def unseal(self, owner: str, purpose: str, sealed: str) -> str | None:
        """Return the secret; None when no key opens it, or it is another row's."""
        try:
            found = msgspec.json.decode(self._fernet.decrypt(sealed.encode()), type=_Sealed)
        except (InvalidToken, msgspec.MsgspecError, UnicodeError):
            return None
        return found.secret if (found.owner, found.purpose) == (owner, purpose) else None

    def reseal(self, sealed: str) -> str | None:
        """Return the same text sealed by the newest key; None when no key opens it."""
        try:
            return self._fernet.rotate(sealed.encode()).decode("ascii")
        except (InvalidToken, UnicodeError):
            return None

    def is_newest(self, sealed: str) -> bool:
        """Return whether the newest key alone opens it."""
        try:
            self._newest._fernet.decrypt(sealed.encode())
        except (InvalidToken, UnicodeError):
            return False
        return True
