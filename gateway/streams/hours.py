"""Whether liquid symbols ought to be moving: the New York Stock Exchange's regular session.

`is_open` is a look-up; the calendar is read ahead of time in a thread, because pandas needs tens
of milliseconds for a day and the event loop has none to give.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

logger = logging.getLogger(__name__)

_DAYS_AHEAD = 10
_RELOAD_S = 24 * 3600.0
_RETRY_S = 3600.0


class MarketHours:
    """Regular sessions, or a fixed answer for a feed that keeps hours of its own."""

    def __init__(self, mode: Literal["auto", "open", "closed"] = "auto") -> None:
        self.mode = mode
        self._sessions: list[tuple[datetime, datetime]] = []

    def is_open(self, now: datetime) -> bool:
        """Whether `now` (aware) lies in a regular session; False while the calendar is unread."""
        if self.mode != "auto":
            return self.mode == "open"
        return any(begin <= now < end for begin, end in self._sessions)

    async def run(self) -> None:
        """Keep the calendar read, until cancelled."""
        while self.mode == "auto":
            try:
                self._sessions = await asyncio.to_thread(read_sessions, datetime.now(UTC))
            except Exception:
                # Somebody else's calendar must not end the feed; the days read ahead still hold.
                logger.exception("the market calendar could not be read; trying again in an hour")
                await asyncio.sleep(_RETRY_S)
            else:
                await asyncio.sleep(_RELOAD_S)


def read_sessions(now: datetime) -> list[tuple[datetime, datetime]]:
    """Begin and end (UTC) of the sessions around `now`; slow, imports pandas."""
    from pandas_market_calendars import get_calendar  # type: ignore[import-untyped]

    calendar: Any = get_calendar("NYSE")
    schedule = calendar.schedule(
        start_date=(now - timedelta(days=1)).date(),
        end_date=(now + timedelta(days=_DAYS_AHEAD)).date(),
    )
    return [
        (row.market_open.to_pydatetime(), row.market_close.to_pydatetime())
        for row in schedule.itertuples()
    ]
