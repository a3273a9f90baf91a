"""Whether a market ought to be moving: the regular sessions of stocks, futures and crypto.

`read` is a look-up; the calendars (`pandas_market_calendars`, which the SDK brings) are read ahead
of time in a thread, because pandas needs a tenth of a second for each and the event loop has none
to give.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gateway.clock import Clock, SteadyWall, read_steady_s
from gateway.streams.markets import ALWAYS_OPEN, MARKETS, Market, SessionState

logger = logging.getLogger(__name__)

_DAYS_AHEAD = 10
_RELOAD_S = 24 * 3600.0
_RETRY_S = 3600.0

STEP_S = 60.0
"""The wall clock has been set when it is so far from where the steady one has it."""

_CALENDARS: Mapping[Market, str] = {
    "stocks": "NYSE",
    "index futures": "CME Globex Equity",
    "currency futures": "CMEGlobex_FX",
    "interest rate futures": "CME Globex Interest Rate Products",
    "energy and metal futures": "CMEGlobex_EnergyAndMetals",
    "grain futures": "CMEGlobex_Grains",
    "livestock futures": "CMEGlobex_Livestock",
    "crypto futures": "CME Globex Crypto",
    "volatility futures": "CFE",
}
"""Regular hours; of Globex nearly the whole day, with its break."""

Sessions = Mapping[Market, list[tuple[datetime, datetime]]]


class MarketCalendar:
    """The phase of every market, or a fixed answer for a feed that keeps hours of its own.

    A wall clock that is set is not believed for a day: what it says of a market counts only where
    the clock before it agrees. So a wrong step costs alarms, and never makes a false one.
    """

    def __init__(
        self,
        mode: Literal["auto", "open", "closed"] = "auto",
        *,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = read_steady_s,
    ) -> None:
        self.mode = mode
        self._wall_s = wall_s
        self._kept_s = SteadyWall(Clock(wall_s=wall_s, steady_s=steady_s))
        self._has_stepped = False
        self._sessions: Sessions = {}

    def read(self) -> dict[Market, SessionState | None]:
        """Every market's phase now; None while its calendar is unread, or clocks disagree."""
        if self.mode != "auto":
            return dict.fromkeys(MARKETS, self.mode)
        wall_s, kept_s = self._wall_s(), self._kept_s()
        if not self._is_step(wall_s - kept_s):
            return self.at(datetime.fromtimestamp(wall_s, UTC))
        now, kept = (self.at(datetime.fromtimestamp(each, UTC)) for each in (wall_s, kept_s))
        return {market: now[market] if now[market] == kept[market] else None for market in MARKETS}

    def at(self, now: datetime) -> dict[Market, SessionState | None]:
        """Every market's phase at an aware time that the calendars reach."""
        session_states: dict[Market, SessionState | None] = {}
        for market in MARKETS:
            sessions = self._sessions.get(market)
            if market == ALWAYS_OPEN:
                session_states[market] = "open"
            elif sessions:
                is_open = any(begin <= now < end for begin, end in sessions)
                session_states[market] = "open" if is_open else "closed"
            else:
                session_states[market] = None
        return session_states

    async def run(self) -> None:
        """Keep the calendars read, until cancelled."""
        while self.mode == "auto":
            now = datetime.fromtimestamp(self._wall_s(), UTC)
            try:
                self._sessions = await asyncio.to_thread(read_sessions, now)
            except Exception:
                # Somebody else's calendar must not end the feed; the days read ahead still hold.
                logger.exception("the market calendar could not be read; trying again in an hour")
                await asyncio.sleep(_RETRY_S)
            else:
                await asyncio.sleep(_RELOAD_S)
                self._kept_s.resync()

    def _is_step(self, error_s: float) -> bool:
        has_stepped = abs(error_s) > STEP_S
        if has_stepped and not self._has_stepped:
            logger.warning("the clock was set by %+.0f s; the markets' hours are unsure", error_s)
        self._has_stepped = has_stepped
        return has_stepped


def read_sessions(now: datetime, calendars: Mapping[Market, str] = _CALENDARS) -> Sessions:
    """Begin and end (UTC) of each market's sessions around `now`; slow, imports pandas."""
    from pandas_market_calendars import get_calendar  # type: ignore[import-untyped]

    begin, end = (now - timedelta(days=2)).date(), (now + timedelta(days=_DAYS_AHEAD)).date()
    found: dict[Market, list[tuple[datetime, datetime]]] = {}
    for market, name in calendars.items():
        calendar: Any = get_calendar(name)
        found[market] = [
            session
            for row in calendar.schedule(start_date=begin, end_date=end).itertuples()
            for session in _parts(row)
        ]
    return found


def _parts(row: Any) -> list[tuple[datetime, datetime]]:
    """The session of a day, or its two parts around a break."""
    begin, end = row.market_open.to_pydatetime(), row.market_close.to_pydatetime()
    pause, resume = getattr(row, "break_start", None), getattr(row, "break_end", None)
    if pause is None or resume is None or not pause < resume:  # NaT compares as False
        return [(begin, end)]
    return [(begin, pause.to_pydatetime()), (resume.to_pydatetime(), end)]
