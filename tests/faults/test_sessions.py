"""The days on which a calendar goes wrong, on an injected clock, against hours read by hand."""

from datetime import datetime, timedelta

import pytest

from gateway.clock import Clock
from gateway.streams.sessions import BY_RULE, EXCHANGE_TIME, date_at
from gateway.streams.upstream.arrival_rate import MOMENT_S
from gateway.streams.upstream.calendar import MarketCalendar
from gateway.streams.upstream.staleness import Staleness
from tests.faults.trial import Trial

STALE_S = 4.0
BUSY_S = 60.0
SILENT_S = 20.0

BY_HAND = (
    # Symbol, last second of trading or first of rest, and what the market is from then on.
    ("SPY", "2026-11-27T13:00", "closed"),
    (".SPXW261218C6000", "2026-11-25T16:00", "open"),
    (".SPXW261218C6000", "2026-11-25T16:13", "open"),
    (".SPXW261218C6000", "2026-11-25T16:15", "closed"),
    (".SPY261218C600", "2026-11-25T16:04:30", "open"),
    (".SPXW261125C6000", "2026-11-25T16:04:30", "closed"),
    ("SPY", "2026-11-25T16:04:30", "closed"),
    ("/ZCH27:XCBT", "2026-11-27T13:05", "closed"),
    ("./OZCH27C450:XCBT", "2026-11-25T14:40", "closed"),
    ("/ZCH27:XCBT", "2026-11-26T20:30", "closed"),
    ("/ZCH27:XCBT", "2026-12-24T13:05", "closed"),
    ("/ZCH27:XCBT", "2026-06-19T10:00", "closed"),
    ("/LEZ26:XCME", "2026-06-19T10:00", "closed"),
    ("/VXZ26:XCBF", "2026-12-24T13:15", "closed"),
    ("/ESZ26:XCME", "2026-11-29T17:59", "closed"),
    ("/ESZ26:XCME", "2026-11-29T18:00", "open"),
    ("/ESZ26:XCME", "2026-11-24T17:00", "closed"),
    ("/ESH27:XCME", "2027-03-14T18:00", "open"),  # the Sunday on which summer time begins
    ("/ESH27:XCME", "2027-03-14T17:59", "closed"),
    ("SPY", "2027-03-15T09:29", "closed"),
    ("SPY", "2027-03-15T09:30", "open"),
    ("SPY", "2027-11-08T09:30", "open"),
    ("SPY", "2027-12-24T10:00", "closed"),
    ("SPY", "2027-07-05T10:00", "closed"),
    ("BTC/USD:CXTALP", "2026-12-25T12:00", "open"),
)


class TestClock(Clock):
    """A day that a test steps through."""

    __test__ = False
    __slots__ = ("now_s",)

    def __init__(self, text: str) -> None:
        now = datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_TIME)
        self.now_s = now.timestamp()
        super().__init__(wall_s=lambda: self.now_s, steady_s=lambda: self.now_s)


@pytest.mark.fault(50)
@pytest.mark.parametrize(("symbol", "at", "state"), BY_HAND)
def test_hours_read_by_hand(symbol: str, at: str, state: str) -> None:
    calendar = MarketCalendar(clock=TestClock(at))
    assert calendar.read()[calendar.market_of(symbol)] == state


@pytest.mark.fault(50)
@pytest.mark.parametrize(("symbol", "at", "state"), BY_HAND)
def test_silence_is_told_while_a_market_is_open_and_never_when_it_is_closed(
    symbol: str, at: str, state: str
) -> None:
    """A busy minute, then twenty seconds of silence; it begins with the rest, or in trading.

    What has just opened is given the minute first: a feed may take as long for its first quotes.
    Result: stale exactly where the calendar read by hand says that the market trades.
    """
    clock = TestClock(at)
    clock.now_s -= BUSY_S if state == "closed" else 0
    calendar = MarketCalendar(clock=clock)
    staleness = Staleness(STALE_S)
    staleness.today = date_at(clock.now_ms())
    staleness.connect([symbol], clock.now_s)
    silenced: set[str] = set()
    for step in range(round((BUSY_S + SILENT_S) / MOMENT_S)):
        if step * MOMENT_S < BUSY_S:
            staleness.move(symbol, clock.now_s, is_first=step == 0, is_quote=True)
        open_markets = frozenset(each for each, now in calendar.read().items() if now == "open")
        silenced |= staleness.evaluate({symbol}, open_markets, clock.now_s).silenced
        clock.now_s += MOMENT_S
    assert silenced == ({symbol} if state == "open" else set())


@pytest.mark.fault(50)
def test_two_years_of_minutes(trial: Trial) -> None:
    """Stocks, against the two times a day on which a calendar on the wall has them change."""
    at = datetime(2026, 1, 1, tzinfo=EXCHANGE_TIME)
    changes = 0
    while at.year < 2028:
        change = BY_RULE.next_change("stocks", int(at.timestamp() * 1000))
        assert change is not None
        at = datetime.fromtimestamp(change.at_ms / 1000, EXCHANGE_TIME)
        if change.state == "open":
            assert (at.hour, at.minute) == (9, 30)
        else:
            assert (at.hour, at.minute) in {(16, 0), (13, 0)}
        changes += 1
        at += timedelta(seconds=1)
    # 251 trading days in each of the two years, and the first open of 2028.
    assert changes == 2 * (251 + 251) + 1
    trial.tell(f"{len(BY_HAND)} hours read by hand; {changes} opens and closes in two years")
