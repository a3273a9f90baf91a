"""When a client comes back: reconnection times, spread so that not all come at once; and `bye`."""

import random

from gateway.streams.records import Bye
from gateway.streams.sse import encode_frame

Spread = tuple[int, int]
"""The least and the most milliseconds."""

RETRY_MS: Spread = (2_000, 5_000)
"""After a connection breaks."""

BYE_RETRY_MS: Spread = (500, 5_000)
"""After `bye`: the next process is about to be there."""

FULL_RETRY_MS: Spread = (5_000, 15_000)
"""After `bye` because there is no room: there will not be any at once."""

_random = random.Random()
"""Of its own, so that nobody's seed puts all clients in step."""


def choose_retry_ms(spread_ms: Spread = RETRY_MS) -> int:
    """Return a reconnection time."""
    return _random.randint(*spread_ms)


def encode_bye(reason: str, spread_ms: Spread = BYE_RETRY_MS) -> bytes:
    """Return the last frame of a stream. EventSource obeys `retry:`, programs read `retry_ms`."""
    retry_ms = choose_retry_ms(spread_ms)
    return encode_frame(Bye(reason=reason, retry_ms=retry_ms), retry_ms=retry_ms)
