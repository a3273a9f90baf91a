"""What is subscribed upstream, kept equal to what is wanted: one task for all event types.

Additions have been lost upstream, so symbols without any event are subscribed to again. A channel
that does not open, or that upstream closes again and again, costs the other event types nothing
after one new connection as a try.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.errors import ChannelUnavailable, PartSilent
from gateway.streams.symbols import event_types
from gateway.streams.upstream.sdk import EVENT_TYPES, MarketStream

logger = logging.getLogger(__name__)

AUDIT_S = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
"""When symbols without any event are subscribed to again: additions have been lost upstream. When
every 7th is lost, of 600 additions one is missing after 2 s in 28 cases, after 4 s in 1,400."""
AUDIT_STEP_S = 0.25
"""Audits are due at multiples of this, so that many additions share them."""
CHUNK_SYMBOLS = 400
"""Items of one subscription message; 64 KiB is the limit, an item stays below 120 bytes."""
REOPEN_S = 60.0
REOPEN_CAP_S = 900.0
"""Before a channel that did not open is tried again."""
SHORT_LIFE_S = 60.0
"""A channel that is closed sooner is opened again later each time."""
CLOSED_CAP_S = 300.0

_ORDER = sorted(EVENT_TYPES, key=lambda each: each == "TradeETH")
"""Extended hours last: few symbols have any, and not every account may get them."""


def list_event_types(symbol: str) -> tuple[str, ...]:
    """Return the event types to subscribe to for a symbol."""
    types = event_types(symbol)
    has_extended_hours = "Underlying" in types and symbol[:1] not in "/$^"
    return (*types, "TradeETH") if has_extended_hours else types


@dataclass(slots=True)
class _Channel:
    """What is subscribed of one event type."""

    held: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """Symbols of which something has come since they were subscribed to."""
    audits: deque[float] = field(default_factory=deque)
    is_lost: bool = False
    opened_s: float = 0.0
    closures: int = 0
    failures: int = 0
    not_before_s: float = 0.0

    def next_s(self) -> float:
        """When there is something to do although nothing changed."""
        return max(self.audits[0], self.not_before_s) if self.audits else math.inf


class Subscriptions:
    """Follows the wanted set on one connection after the other.

    `on_given_up` is called with the symbols of an event type of which nothing came in spite of all
    audits.
    """

    def __init__(
        self,
        aggregation_s: float,
        clock: Clock,
        on_given_up: Callable[[str, Set[str]], None],
    ) -> None:
        self._aggregation_s = aggregation_s
        self._clock = clock
        self._on_given_up = on_given_up
        self._changed = asyncio.Event()
        self._channels = {name: _Channel() for name in EVENT_TYPES}
        self._tried: set[str] = set()

    def seen(self, event_type: str) -> set[str]:
        """Return the symbols of which an event of this type has come since they were subscribed to.

        Whoever reads the events adds to it; the set stays the same object.
        """
        return self._channels[event_type].seen

    def wake(self) -> None:
        """Note that the wanted set has changed."""
        self._changed.set()

    def restart(self) -> None:
        """Begin a connection, on which nothing is subscribed."""
        for channel in self._channels.values():
            channel.held.clear()
            channel.seen.clear()
            channel.audits.clear()
            channel.is_lost = False
            channel.not_before_s = 0.0

    def on_channel_closed(self, event_type: str) -> None:
        """Note that upstream closed a channel; its subscriptions are made again."""
        logger.warning("upstream closed the channel of %s", event_type)
        self._channels[event_type].is_lost = True
        self.wake()

    async def run(self, stream: MarketStream, wanted: Callable[[], Set[str]]) -> None:
        """Follow the wanted set on this connection until cancelled.

        Raises:
            PartSilent: when a channel does not open, once for each event type.
        """
        while True:
            self._changed.clear()
            by_type: dict[str, set[str]] = {name: set() for name in EVENT_TYPES}
            for symbol in wanted():
                for event_type in list_event_types(symbol):
                    by_type[event_type].add(symbol)
            for event_type in _ORDER:
                await self._sync(stream, event_type, by_type[event_type])
            next_s = min(each.next_s() for each in self._channels.values())
            timeout_s = None if next_s == math.inf else max(0.0, next_s - self._clock.monotonic_s())
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _sync(self, stream: MarketStream, event_type: str, target: set[str]) -> None:
        """Subscribe and unsubscribe what is due of one event type."""
        channel, now_s = self._channels[event_type], self._clock.monotonic_s()
        if channel.is_lost:
            self._reset(channel, now_s)
        if now_s < channel.not_before_s:
            return
        added, removed = target - channel.held, channel.held - target
        for chunk in _chunks(removed):
            await stream.let_go(event_type, chunk)
        # What came of an earlier subscription is no proof of this one.
        channel.seen -= removed | added
        channel.held -= removed
        if added:
            if not await self._follow(stream, event_type, added):
                return
            channel.held |= added
            channel.audits = merge_audits(channel.audits, self._clock.monotonic_s())
        elif channel.audits and now_s >= channel.audits[0]:
            channel.audits.popleft()
            missing = channel.held - channel.seen
            if await self._follow(stream, event_type, missing) and not channel.audits:
                self._on_given_up(event_type, channel.held - channel.seen)

    def _reset(self, channel: _Channel, now_s: float) -> None:
        """Start over with a channel that was closed, later each time that it did not last."""
        channel.is_lost = False
        channel.held.clear()
        channel.seen.clear()
        channel.audits.clear()
        is_short = now_s - channel.opened_s < SHORT_LIFE_S
        channel.closures = channel.closures + 1 if is_short and channel.opened_s else 0
        if channel.closures:
            self._delay(channel, min(CLOSED_CAP_S, 2.0**channel.closures))

    async def _follow(self, stream: MarketStream, event_type: str, symbols: set[str]) -> bool:
        """Subscribe to symbols; whether the channel is open."""
        channel = self._channels[event_type]
        try:
            for chunk in _chunks(symbols):
                await stream.follow(event_type, chunk, self._aggregation_s)
        except ChannelUnavailable as error:
            if event_type not in self._tried:
                self._tried.add(event_type)
                raise PartSilent(str(error)) from error
            delay_s = min(REOPEN_CAP_S, REOPEN_S * 2.0 ** min(channel.failures, 10))
            logger.warning("%s; trying again in %.0f s", error, delay_s)
            channel.failures += 1
            channel.held.clear()
            self._delay(channel, delay_s)
            return False
        if symbols and not channel.held:
            channel.opened_s = self._clock.monotonic_s()
        if symbols:
            channel.failures = 0
            self._tried.discard(event_type)
        return True

    def _delay(self, channel: _Channel, delay_s: float) -> None:
        channel.not_before_s = self._clock.monotonic_s() + delay_s
        channel.audits = deque([channel.not_before_s])


def merge_audits(audits: Iterable[float], now_s: float) -> deque[float]:
    """Return when audits are due: those that were already, and those for what is added now.

    A steady coming and going neither puts them off nor heaps them up.
    """
    due = (math.ceil((now_s + each) / AUDIT_STEP_S) * AUDIT_STEP_S for each in AUDIT_S)
    return deque(sorted({*audits, *due}))


def _chunks(symbols: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(symbols)
    return [ordered[i : i + CHUNK_SYMBOLS] for i in range(0, len(ordered), CHUNK_SYMBOLS)]
