"""Whether and when to try again after an error, and how an error reads to people.

The one place that decides: a lost connection is met with a backoff, a refusal with rare tries, a
cap or a request for a pause with at least that pause, and what only a person can mend with none.
"""

import random
from collections.abc import Callable

import anyio
import httpx2

from gateway.errors import (
    GatewayError,
    PartSilent,
    RateLimited,
    Refused,
    SessionLimit,
    UpstreamError,
    is_retryable,
)
from gateway.streams.backoff import Backoff
from gateway.streams.upstream.sdk import NETWORK_ERRORS

LIMIT_PAUSE_S = 30.0
"""After a refusal by a cap, trying again at once makes it worse."""
REFUSED_S = 60.0
REFUSED_CAP_S = 900.0
"""Between two tries after refusals: rarely does one mend itself, and never within seconds."""

TROUBLE = (
    UpstreamError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    *NETWORK_ERRORS,
)
"""What upstream and the network do to a request or a connection; all else is a fault of ours."""


class RetryPolicy:
    """The pause before the next try; it grows with each failure until `reset`."""

    def __init__(
        self,
        backoff: Backoff | None = None,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._backoff = backoff or Backoff()
        self._uniform = uniform
        self._refusals = 0

    @property
    def failures(self) -> int:
        """How many failures there were since the last success."""
        return self._backoff.failures

    def reset(self) -> None:
        """Forget all failures; call it when something worked, not when it began."""
        self._backoff.reset()
        self._refusals = 0

    def next_delay_s(self, error: BaseException) -> float | None:
        """Count a failure and return the seconds to wait; None when only a person can help."""
        if not is_retryable(error):
            return None
        if isinstance(error, PartSilent):
            return 0.0  # left on purpose: that is no failure
        delay_s = self._backoff.next_delay_s()
        match error:
            case RateLimited(retry_after_s=asked_s):
                return delay_s + max(LIMIT_PAUSE_S, asked_s or 0.0)
            case SessionLimit():
                return delay_s + LIMIT_PAUSE_S
            case Refused():
                self._refusals += 1
                if self._refusals > 1:  # the first may have been a hiccup
                    longest_s = min(REFUSED_CAP_S, REFUSED_S * 2.0 ** min(self._refusals - 2, 10))
                    return self._uniform(longest_s / 2, longest_s)
        return delay_s


def find_cause(error: BaseException) -> BaseException:
    """Return what ended a group of tasks: our own errors first, out of however many groups."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [find_cause(each) for each in error.exceptions]
    for cause in causes:
        if isinstance(cause, GatewayError):
            return cause
    return causes[0]


def describe_error(error: BaseException) -> str:
    """Return an error for people: our own sentences as they are, others by kind.

    An error of a library may hold an address, a header or the body of an answer.
    """
    if isinstance(error, GatewayError):
        return str(error)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx2.ConnectError | ConnectionRefusedError):
        return "Tastytrade cannot be reached"
    if isinstance(error, httpx2.TransportError | OSError | anyio.EndOfStream) or (
        type(error).__name__ in ("WebSocketDisconnect", "WebSocketNetworkError")
    ):
        return "the connection was lost"
    if isinstance(error, anyio.ClosedResourceError | anyio.BrokenResourceError):
        return "the connection was lost"
    return f"an unexpected answer ({type(error).__name__})"


def describe_next_step(cause: Exception) -> str:
    """Say what the gateway does after this cause has ended a connection."""
    if not is_retryable(cause):
        return "trying again when the login works"
    if isinstance(cause, Refused):
        return "trying again from time to time"
    return "reconnecting"
