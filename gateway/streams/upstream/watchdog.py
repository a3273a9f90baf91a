"""Decides what a silent connection means, for viewers and for the connection itself; pure.

The status changes first. A connection without a single frame is dead and is replaced. When every
market that should move is silent, the gateway reconnects at growing intervals. When only some are
silent, it reconnects once; if that does not help, it leaves the connection to the others until
something changes: that market sends data, opens or closes, or its symbols change.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import Literal

from gateway.errors import FeedSilent, PartSilent
from gateway.streams.markets import Market, SessionState, market_of
from gateway.streams.records import State
from gateway.streams.upstream.staleness import Staleness, Verdict

NO_FRAME_S = 34.0
"""Without any frame, keepalives included, the socket is dead: upstream sends one every 30 s."""
NO_DATA_S = 9.0
"""Without an event though something ought to move the feed is stalled, whatever the socket says."""
NO_DATA_AGAIN_S = 30.0
NO_DATA_CAP_S = 300.0
"""The same after a connection that did not help, doubling with each."""
NO_MARKET_DATA_S = 30.0
"""The same of one market while others move, which leaving would disturb."""
NO_MARKET_DATA_CAP_S = 3600.0
QUIET_S = 15.0
"""Without an event out of hours the state goes from live to closed."""
HEALTHY_S = 600.0
"""A market that has moved for so long is forgiven its silences."""

Flow = Literal["awaited", "flowing", "stalled", "quiet"]
"""Nothing live has come in this connection; it comes; it stopped; the markets are closed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    verdict: Verdict
    state: State | None
    """What viewers should see of the feed; None when that has not changed."""
    reason: str | None
    leave: FeedSilent | None
    """Why to leave the connection."""


@dataclass(slots=True)
class _Tries:
    """New connections that were tried for a market."""

    count: int
    is_waiting: bool = True
    """Whether the last one did not help and nothing has changed since."""
    moving_since_s: float | None = None


class Watchdog:
    """Follows one connection after the other; `check` it every `MOMENT_S`."""

    def __init__(self, stale_s: float, now_s: float) -> None:
        self.staleness = Staleness(stale_s)
        self.flow: Flow = "awaited"
        self.last_event_s: float | None = None
        self._stale_s = stale_s
        self._connected_s = now_s
        self._frame_s = now_s
        self._open: frozenset[Market] = frozenset()
        self._stalls = 0
        self._tries: dict[Market, _Tries] = {}

    @property
    def is_healthy(self) -> bool:
        """Whether data flow and no market is silent."""
        return self.flow == "flowing" and not self.staleness.is_suspect

    def connect(self, symbols: Collection[str], now_s: float) -> None:
        """Begin a connection: silence counts from now."""
        self.flow = "awaited"
        self._connected_s = self._frame_s = now_s
        self.staleness.connect(symbols, now_s)

    def on_frame(self, now_s: float) -> None:
        """Note that the socket is alive."""
        self._frame_s = now_s

    def on_live_event(self, symbol: str, states: Mapping[Market, SessionState | None]) -> bool:
        """Note an event that proves its values live; whether the flow begins with it."""
        if self.flow == "flowing":
            return False
        if (
            self.staleness.is_suspect
            and states.get(market_of(symbol, self.staleness.today)) != "open"
        ):
            return False  # what moves out of hours says nothing of those that are silent
        self.flow = "flowing"
        return True

    def on_symbols_changed(self, symbols: Collection[str]) -> None:
        """Note that these symbols are followed from now on, or no more."""
        for market in set(map(market_of, symbols)):
            self._on_change(market)

    def check(
        self, symbols: Set[str], states: Mapping[Market, SessionState | None], now_s: float
    ) -> Finding:
        """Return how things stand for these symbols."""
        is_open = frozenset(market for market, state in states.items() if state == "open")
        if is_open != self._open:
            for market in is_open ^ self._open:
                self._on_change(market)
            self._open = is_open
            self._stalls = 0
        verdict = self.staleness.evaluate(symbols, is_open, now_s)
        self._learn(verdict, now_s)
        leave = self._find_reason_to_leave(verdict, now_s)
        state, reason = self._find_state(verdict, symbols, now_s)
        return Finding(verdict, state, reason, leave)

    def _find_state(
        self, verdict: Verdict, symbols: Set[str], now_s: float
    ) -> tuple[State | None, str | None]:
        age_s = now_s - max(self.last_event_s or self._connected_s, self._connected_s)
        is_open = not self._open.isdisjoint(map(market_of, symbols))
        if verdict.is_stalled:
            if self.flow == "flowing":
                self.flow = "stalled"
                return "stale", f"no market data for {self._stale_s:g} s"
        elif not is_open and (
            age_s > QUIET_S or (self.flow == "awaited" and age_s > self._stale_s)
        ):
            self.flow = "quiet"
            return "closed", None
        elif self.flow == "flowing" and verdict.markets:
            return "degraded", f"nothing comes of {', '.join(verdict.markets)}"
        elif self.is_healthy:
            return "live", None  # the market may have opened or closed meanwhile
        return None, None

    def _find_reason_to_leave(self, verdict: Verdict, now_s: float) -> FeedSilent | None:
        if now_s - self._frame_s > NO_FRAME_S:
            return FeedSilent(f"no frame for {NO_FRAME_S:.0f} s")
        if verdict.is_stalled:
            if verdict.stalled_s <= self._stalled_patience_s():
                return None
            self._stalls += 1
            return FeedSilent(
                f"no market data for {verdict.stalled_s:.0f} s although a market is open"
            )
        due = [
            market
            for market, silent_s in verdict.market_silent_s.items()
            if silent_s > self._patience_s(market)
        ]
        if not due:
            return None
        for market in due:
            count = self._tries[market].count if market in self._tries else 0
            self._tries[market] = _Tries(count + 1)
        return PartSilent(f"nothing of {', '.join(sorted(due))} for {NO_MARKET_DATA_S:.0f} s")

    def _stalled_patience_s(self) -> float:
        if not self._stalls:
            return NO_DATA_S
        longer_s: float = NO_DATA_AGAIN_S * 2.0 ** min(self._stalls - 1, 10)
        return max(NO_DATA_S, min(NO_DATA_CAP_S, longer_s))

    def _patience_s(self, market: Market) -> float:
        tries = self._tries.get(market)
        if tries is None:
            return NO_MARKET_DATA_S
        if tries.is_waiting:
            return float("inf")
        longer_s: float = NO_MARKET_DATA_S * 2.0 ** min(tries.count, 10)
        return min(NO_MARKET_DATA_CAP_S, longer_s)

    def _learn(self, verdict: Verdict, now_s: float) -> None:
        """Forget what data have disproved."""
        if verdict.moved:
            self._stalls = 0
        for market in self._tries.keys() & set(verdict.markets):
            self._tries[market].moving_since_s = None
        for market in self._tries.keys() & verdict.moved:
            self._on_change(market)
            tries = self._tries[market]
            tries.moving_since_s = since_s = tries.moving_since_s or now_s
            if now_s - since_s > HEALTHY_S:
                del self._tries[market]

    def _on_change(self, market: Market) -> None:
        if market in self._tries:
            self._tries[market].is_waiting = False
