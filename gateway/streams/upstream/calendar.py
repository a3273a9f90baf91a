"""Whether each market is open now, from our own tables and a second witness.

`read` is a look-up. The tables are in `gateway.streams.sessions`; the broker's answers correct
them, once a day. Whether they come or not changes nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Literal

from gateway.clock import SYSTEM_CLOCK, Clock, SteadyWall
from gateway.streams.markets import ALWAYS_OPEN, MARKETS, Market, SessionState, market_of
from gateway.streams.reports import CalendarReport, MarketReport, NextChange
from gateway.streams.sessions import Sessions, date_at, trading_day_by_rule
from gateway.streams.upstream.market_time import MarketTime, describe, find_corrections

logger = logging.getLogger(__name__)

RELOAD_S = 24 * 3600.0
RETRY_S = 3600.0
"""After an attempt that brought no answer at all."""

STEP_S = 60.0
"""The wall clock has been set when it is so far from where the steady one has it."""

Fetch = Callable[[], Awaitable[MarketTime]]


class MarketCalendar:
    """The state of every market, or a fixed answer for a feed that keeps hours of its own.

    A wall clock that is set is not believed for a day: what it says of a market counts only where
    the clock before it agrees. So a wrong step costs alarms, and never makes a false one.
    """

    def __init__(
        self,
        mode: Literal["auto", "open", "closed"] = "auto",
        *,
        clock: Clock = SYSTEM_CLOCK,
        fetch: Fetch | None = None,
    ) -> None:
        self.mode = mode
        self.sessions = Sessions()
        self.disagreements = 0
        self._clock = clock
        self._steady_wall = SteadyWall(clock)
        self._fetch = fetch
        self._has_stepped = False
        self._reported: set[tuple[Market, date, str]] = set()

    def read(self) -> dict[Market, SessionState | None]:
        """Return every market's state now; None where hours are unsure, or clocks disagree."""
        if self.mode != "auto":
            return dict.fromkeys(MARKETS, self.mode)
        now_ms, steady_ms = self._clock.now_ms(), int(self._steady_wall() * 1000)
        now = self._states_at(now_ms)
        if not self._is_step((now_ms - steady_ms) / 1000):
            return now
        before = self._states_at(steady_ms)
        return {market: now[market] if now[market] == before[market] else None for market in now}

    def at(self, now: datetime) -> dict[Market, SessionState | None]:
        """Return every market's state at an aware time, whatever the mode."""
        return self._states_at(int(now.timestamp() * 1000))

    def market_of(self, symbol: str) -> Market:
        """Return the market of a symbol today: an option's last day may end earlier."""
        return market_of(symbol, date_at(self._clock.now_ms()))

    def report(self) -> CalendarReport:
        """Return each market's state, and when it changes next; for the status report."""
        states, now_ms = self.read(), self._clock.now_ms()
        return CalendarReport(
            disagreements_with_broker=self.disagreements,
            markets={
                market: MarketReport(state=state, next=self._next_change(market, now_ms))
                for market, state in states.items()
            },
        )

    async def run(self) -> None:
        """Ask the broker at the start and once a day, until cancelled; at once for a fixed answer.

        A wall clock that was set a day ago is believed again.
        """
        if self.mode != "auto":
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._believe_the_clock(), name="market hours clock")
            if self._fetch is not None:
                tasks.create_task(self._ask_the_broker(self._fetch), name="market hours broker")

    def correct(self, answers: MarketTime) -> None:
        """Let the broker's hours replace ours where they differ; log each difference once."""
        corrections = find_corrections(answers, self._clock.now_ms())
        self.sessions = Sessions(corrections)
        for (market, day), theirs in sorted(corrections.items(), key=lambda each: each[0]):
            words = describe(theirs)
            if (market, day, words) in self._reported:
                continue
            self._reported.add((market, day, words))
            self.disagreements += 1
            logger.warning(
                "the hours of %s on %s are %s, says the broker; the gateway's calendar had %s",
                market,
                f"{day:%a %d %b %Y}",
                words,
                describe(trading_day_by_rule(market, day)),
            )

    def _states_at(self, at_ms: int) -> dict[Market, SessionState | None]:
        return {market: self.sessions.state_at(market, at_ms) for market in MARKETS}

    def _next_change(self, market: Market, now_ms: int) -> NextChange | None:
        if self.mode != "auto" or market == ALWAYS_OPEN:
            return None
        change = self.sessions.next_change(market, now_ms)
        if change is None:
            return None
        at = datetime.fromtimestamp(change.at_ms / 1000, UTC)
        return NextChange(state=change.state, at=f"{at:%Y-%m-%dT%H:%M:%SZ}")

    async def _believe_the_clock(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_S)
            self._steady_wall.resync()

    async def _ask_the_broker(self, fetch: Fetch) -> None:
        while True:
            answers = await fetch()
            has_answered = bool(answers.sessions or answers.holidays)
            if has_answered:
                self.correct(answers)
            await asyncio.sleep(RELOAD_S if has_answered else RETRY_S)

    def _is_step(self, error_s: float) -> bool:
        has_stepped = abs(error_s) > STEP_S
        if has_stepped and not self._has_stepped:
            logger.warning(
                "the clock was set by %+.0f s; market hours are uncertain for a day", error_s
            )
        self._has_stepped = has_stepped
        return has_stepped
