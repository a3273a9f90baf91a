"""Says of which symbols nothing is known: on the stream that asked for them, and in the log."""

import asyncio
import logging
from collections.abc import Iterable

from gateway.streams.hub.subscribers import Subscriber
from gateway.streams.records import Notice, Status
from gateway.streams.sse import encode_frame
from gateway.streams.topics import status_topic
from gateway.streams.unknown import UNKNOWN_AFTER_S, UnknownSymbol, explain_unknown
from gateway.web.state import AppState, has_values

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0


def find_unknown(state: AppState, symbols: Iterable[str]) -> list[UnknownSymbol] | None:
    """Return what to say of those without any value; None while the feed has a fault.

    A feed that knows a symbol sends its last values at once, in closed markets too.
    """
    feed = state.hub.latest(status_topic("feed"))
    if not isinstance(feed, Status) or feed.state != "live":
        return None
    today = state.clock.now().date()
    missing = sorted(each for each in symbols if not has_values(state.hub, each))
    return [explain_unknown(each, today) for each in missing]


def tell_unknown(
    state: AppState, symbols: frozenset[str], subscriber: Subscriber, after_s: float | None = None
) -> None:
    """Write a notice for each of these symbols of which nothing has come in some seconds."""

    def look() -> None:
        if subscriber.closed or state.hub.closing is not None:
            return
        unknown = find_unknown(state, symbols)
        if unknown is None:
            asyncio.get_running_loop().call_later(LOOK_AGAIN_S, look)
        elif unknown:
            subscriber.tell(
                b"".join(
                    encode_frame(
                        Notice(symbol=each.symbol, reason=each.reason, suggestion=each.suggestion)
                    )
                    for each in unknown
                )
            )

    wait_s = UNKNOWN_AFTER_S if after_s is None else after_s
    asyncio.get_running_loop().call_later(wait_s, look)


async def log_unknown_defaults(state: AppState) -> None:
    """Log once which of GATEWAY_SYMBOLS nobody knows, some seconds after the feed began."""
    symbols = state.limits.symbols
    has_begun, unknown = False, None
    while unknown is None:
        await asyncio.sleep(UNKNOWN_AFTER_S if has_begun else LOOK_AGAIN_S)
        found = find_unknown(state, symbols)
        has_begun, unknown = found is not None, found if has_begun else None
    for each in unknown:
        logger.warning("GATEWAY_SYMBOLS: %s: %s", each.symbol, each.reason)
