"""A trading day on one injected clock: the open, the close of a half day, the next open.

Everything between the broker and the page runs: calendar, feed, watchdog, hub, live page. The
clock steps from one change to the next; what counts durations goes on, as when a machine sleeps.
"""

import asyncio
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.pages.panels.status import StatusPanel
from gateway.pages.rendering.live_page import LivePages
from gateway.pages.rendering.templates import create_environment
from gateway.streams.demand import Demand
from gateway.streams.records import QuoteUpdate
from gateway.streams.sessions import EXCHANGE_TIME
from gateway.streams.upstream.calendar import MarketCalendar
from tests.pages.reading import parse_html
from tests.streams import virtual_time
from tests.streams.upstream.playing import Play, playing

SYMBOLS = ("SPY", "AAPL")
ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")

DAY = (
    # The half day after Thanksgiving, and the Monday behind its weekend: when, and SPY's market.
    ("2026-11-27T09:29", "closed"),
    ("2026-11-27T09:30", "open"),
    ("2026-11-27T12:59", "open"),
    ("2026-11-27T13:00", "closed"),
    ("2026-11-28T12:00", "closed"),
    ("2026-11-30T09:29", "closed"),
    ("2026-11-30T09:30", "open"),
)


class SteppedClock(Clock):
    """The running loop's time for durations; a date that a test sets, and that goes on."""

    __slots__ = ("offset_s",)

    def __init__(self, start: datetime) -> None:
        now_s = asyncio.get_running_loop().time
        self.offset_s = 0.0
        super().__init__(
            monotonic_s=now_s,
            wall_s=lambda: now_s() + self.offset_s,
            steady_s=lambda: now_s() + self.offset_s,
        )
        self.step_to(start)

    def step_to(self, moment: datetime) -> None:
        self.offset_s += moment.timestamp() - self.wall_s()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_TIME)


def test_a_trading_day_passes_in_seconds() -> None:
    """Result: at each step every part says the same of the market, and nothing is ever stale."""

    async def scenario() -> None:
        clock = SteppedClock(at(DAY[0][0]) - timedelta(minutes=5))
        async with playing(SYMBOLS, MarketCalendar(clock=clock), clock) as play:
            demand = Demand(now_s=clock.monotonic_s)
            views = LivePages(play.hub, demand, ENVIRONMENT, clock=clock)
            await asyncio.sleep(60)
            for text, market in DAY:
                clock.step_to(at(text))
                await asyncio.sleep(30)
                check(play, clock, text, market)
                shown = parse_html(views.render_live(StatusPanel("status"), None)).words
                assert f"Market {market} {text[11:]}:30 ET" in shown, "by the page's clock"
            assert play.went_stale == []
            # And a fault of that Monday is seen: the clock's steps made nobody blind.
            await asyncio.sleep(60)
            play.frozen.add("SPY")
            await asyncio.sleep(60)
            assert play.quote("SPY").stale
            assert not play.quote("AAPL").stale

    virtual_time.run(scenario())


def check(play: Play, clock: Clock, text: str, market: str) -> None:
    """What the feed and the hub say at this time of the day."""
    quote, status = play.quote("SPY"), play.status()
    assert (quote.market, quote.stale) == (market, False), text
    assert (status.state, status.market) == ("live" if market == "open" else "closed", market), text
    assert (age_s(quote, clock) < 1.5) is (market == "open"), text


def age_s(quote: QuoteUpdate, clock: Clock) -> float:
    """Return how old a quote is by the clock of the day."""
    return (clock.now() - datetime.fromisoformat(quote.updated_at)).total_seconds()
