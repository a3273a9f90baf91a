"""The error tree: one root, and one question about trying again."""

import pytest

from gateway import errors
from gateway.errors import (
    ConfigurationError,
    GatewayError,
    GrantRevoked,
    RateLimited,
    Refused,
    UpstreamError,
    is_retryable,
)

ALL = [each for each in vars(errors).values() if isinstance(each, type)]
FINAL = {GrantRevoked, ConfigurationError}


@pytest.mark.parametrize("kind", ALL, ids=lambda each: each.__name__)
def test_every_error_has_one_root_and_only_a_person_mends_the_final_ones(
    kind: type[GatewayError],
) -> None:
    assert issubclass(kind, GatewayError)
    assert is_retryable(kind("words")) == (kind not in FINAL)
    assert str(kind("words")) == "words"


def test_a_group_is_as_final_as_its_worst() -> None:
    mild, final = UpstreamError("cut"), GrantRevoked("revoked")
    assert is_retryable(ExceptionGroup("", [mild, mild]))
    assert not is_retryable(ExceptionGroup("", [mild, ExceptionGroup("", [mild, final])]))


def test_what_is_none_of_ours_is_tried_again() -> None:
    assert is_retryable(ValueError("odd"))


def test_what_was_said_is_kept() -> None:
    assert RateLimited("busy", 7.5).retry_after_s == 7.5
    assert RateLimited("busy").retry_after_s is None
    assert Refused("no", 403).status == 403
