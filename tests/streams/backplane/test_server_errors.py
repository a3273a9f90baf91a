"""What is wrong with a server is said in one line, whatever the error carries."""

import errno
import inspect
import ssl

import pytest
from redis import exceptions

from gateway.streams.backplane.server_errors import READ_ONLY, explain

ADDRESS = "redis://:hidden-word@192.0.2.7:6379/0"


def chain(error: Exception, cause: BaseException | None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.AuthenticationError(ADDRESS), "refuses the user or the password"),
        (exceptions.AuthorizationError(ADDRESS), "refuses the user or the password"),
        (exceptions.ReadOnlyError(ADDRESS), READ_ONLY.removeprefix("REDIS_URL: ")),
        (exceptions.NoPermissionError(ADDRESS), "does not let this user do what is needed"),
        (exceptions.OutOfMemoryError(ADDRESS), "is out of memory"),
        (exceptions.BusyLoadingError(ADDRESS), "is still loading its data"),
        (exceptions.TimeoutError(ADDRESS), "does not answer in time"),
        (TimeoutError(ADDRESS), "does not answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, ADDRESS), "reached: connection refused"),
        (
            chain(exceptions.ConnectionError(ADDRESS), OSError(errno.EHOSTUNREACH, ADDRESS)),
            "reached: no route to host",
        ),
        (
            chain(exceptions.ConnectionError(ADDRESS), ssl.SSLCertVerificationError(1, ADDRESS)),
            "TLS cannot be used or trusted",
        ),
        (exceptions.ConnectionError(ADDRESS), "reached: the connection ended"),
        (OSError(999_999, ADDRESS), "reached: the connection ended"),
        (exceptions.ResponseError(f"WRONGTYPE {ADDRESS}"), "refuses: WRONGTYPE"),
        (ValueError(ADDRESS), "unexpected answer (ValueError)"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_an_error_reads_as_what_it_is(error: Exception, words: str) -> None:
    text = explain(error)
    assert text.startswith("REDIS_URL: ")
    assert words in text
    assert "\n" not in text


def test_no_error_of_the_client_shows_an_address_or_a_password() -> None:
    kinds = {
        each
        for each in vars(exceptions).values()
        if inspect.isclass(each) and issubclass(each, exceptions.RedisError)
    }
    assert len(kinds) > 15
    for kind in kinds:
        # Those of a cluster read a slot and an address.
        error = kind(f"1 {ADDRESS.removesuffix('/0')}")
        inner = OSError(errno.ECONNRESET, ADDRESS)
        for each in (error, chain(error, inner)):
            text = explain(each)
            assert "hidden-word" not in text
            assert "192.0.2.7" not in text


def test_causes_that_go_in_a_circle_or_deep_are_followed_to_the_first_of_the_system() -> None:
    deep: Exception = exceptions.ConnectionError("outer")
    middle = ValueError("middle")
    middle.__context__ = OSError(errno.ECONNRESET, "inner")
    deep.__cause__ = middle
    assert explain(deep).endswith("connection reset by peer")
