"""Each error leads to its own pause, or to none."""

import pytest

from gateway.errors import (
    GrantRevoked,
    PartSilent,
    RateLimited,
    Refused,
    SessionLimit,
    UpstreamError,
)
from gateway.streams.upstream.retry import (
    LIMIT_PAUSE_S,
    REFUSED_CAP_S,
    REFUSED_S,
    RetryPolicy,
    describe_error,
    describe_next_step,
    find_cause,
)


def longest(a: float, b: float) -> float:
    return b


def test_a_refusal_is_asked_again_once_and_then_rarely() -> None:
    policy = RetryPolicy(uniform=longest)
    delays = [policy.next_delay_s(Refused("no", 403)) for _ in range(8)]
    assert delays[0] is not None
    assert delays[0] < 2
    assert delays[1:] == [REFUSED_S, 120, 240, 480, REFUSED_CAP_S, REFUSED_CAP_S, REFUSED_CAP_S]
    policy.reset()
    again_s = policy.next_delay_s(Refused("no", 403))
    assert again_s is not None
    assert again_s < 2


@pytest.mark.fault(17)
@pytest.mark.parametrize("error", [SessionLimit("no"), RateLimited("slow down")])
def test_a_cap_is_met_with_a_long_pause(error: UpstreamError) -> None:
    delay_s = RetryPolicy().next_delay_s(error)
    assert delay_s is not None
    assert delay_s >= LIMIT_PAUSE_S
    delay_s = RetryPolicy().next_delay_s(UpstreamError("gone"))
    assert delay_s is not None
    assert delay_s < 1


def test_a_pause_that_was_asked_for_is_kept() -> None:
    delay_s = RetryPolicy().next_delay_s(RateLimited("slow down", 120.0))
    assert delay_s is not None
    assert delay_s >= 120


def test_what_only_a_person_can_mend_is_given_up_and_a_try_is_no_failure() -> None:
    policy = RetryPolicy()
    assert policy.next_delay_s(GrantRevoked("no")) is None
    assert policy.next_delay_s(PartSilent("nothing of grain futures")) == 0
    assert policy.failures == 0


def test_the_cause_of_a_group_is_our_own_error_if_there_is_one() -> None:
    group = ExceptionGroup("", [OSError(), ExceptionGroup("", [UpstreamError("why")])])
    assert describe_error(find_cause(group)) == "why"


def test_no_body_of_an_answer_is_ever_described() -> None:
    for error in (ValueError("token abc"), OSError("token abc"), TimeoutError("token abc")):
        assert "abc" not in describe_error(error)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (GrantRevoked("revoked"), "trying again when the login works"),
        (Refused("no"), "trying again from time to time"),
        (OSError("cut"), "reconnecting"),
    ],
)
def test_the_next_step_follows_from_the_cause(cause: Exception, words: str) -> None:
    assert describe_next_step(cause) == words
