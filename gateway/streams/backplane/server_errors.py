"""What is wrong with a server, for people: never an address, which may hold a password."""

import errno
import os
import ssl
from collections.abc import Iterable

from redis import exceptions

READ_ONLY = "REDIS_URL: this server can only be read (a replica); name the one to write to"


def explain(error: Exception) -> str:
    """Return what is wrong, for people; never an address, which may hold a password."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return "REDIS_URL: the server refuses the user or the password"
    if isinstance(error, exceptions.ReadOnlyError):
        return READ_ONLY
    if isinstance(error, exceptions.NoPermissionError):
        return "REDIS_URL: the server does not let this user do what is needed"
    if isinstance(error, exceptions.OutOfMemoryError):
        return "REDIS_URL: the server is out of memory"
    if isinstance(error, exceptions.BusyLoadingError):
        return "REDIS_URL: the server is still loading its data"
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return "REDIS_URL: the server does not answer in time"
    if isinstance(error, exceptions.ConnectionError | OSError):
        cause = next((each for each in _causes(error) if isinstance(each, OSError)), None)
        if isinstance(cause, ssl.SSLError):
            return "REDIS_URL: the server's TLS cannot be used or trusted"
        code = cause.errno if cause is not None else None
        known = code is not None and code in errno.errorcode
        reason = os.strerror(code).lower() if code is not None and known else "the connection ended"
        return f"REDIS_URL: the server cannot be reached: {reason}"
    if isinstance(error, exceptions.ResponseError):
        return f"REDIS_URL: the server refuses: {str(error).split(' ')[0][:40]}"
    return f"REDIS_URL: the server gave an unexpected answer ({type(error).__name__})"


def _causes(error: BaseException) -> Iterable[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
