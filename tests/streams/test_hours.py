"""The real calendar of the New York Stock Exchange: holidays, short days, clock changes."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.streams.hours import MarketHours, read_sessions
from tests.waiting import eventually

# pandas_market_calendars 5 reads an attribute that pandas 3.1 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Series.dt.weekday is deprecated")

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def hours_around(now: datetime) -> MarketHours:
    hours = MarketHours()
    hours._sessions = read_sessions(now.astimezone(UTC))
    return hours


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_fixed_answer(mode: str) -> None:
    hours = MarketHours("open" if mode == "open" else "closed")
    for text in ("2026-11-26T12:00", "2026-11-28T12:00", "2026-11-25T12:00"):
        assert hours.is_open(at(text)) is (mode == "open")


@pytest.mark.parametrize(
    ("day", "closes"),
    [
        ("2026-11-25", "16:00"),
        ("2026-11-26", None),  # Thanksgiving
        ("2026-11-27", "13:00"),  # the day after
        ("2026-11-28", None),  # Saturday
        ("2026-11-29", None),  # Sunday
        ("2026-12-24", "13:00"),
        ("2026-12-25", None),
        ("2027-01-01", None),
        ("2026-07-03", None),  # Independence Day, observed
        ("2026-03-06", "16:00"),  # winter time
        ("2026-03-09", "16:00"),  # summer time, since Sunday
        ("2026-10-30", "16:00"),
        ("2026-11-02", "16:00"),
    ],
)
def test_sessions(day: str, closes: str | None) -> None:
    hours = hours_around(at(f"{day}T12:00"))
    opens = at(f"{day}T09:30")
    second = timedelta(seconds=1)
    assert not hours.is_open(opens - second)
    assert hours.is_open(opens) is (closes is not None)
    if closes is not None:
        end = at(f"{day}T{closes}")
        assert hours.is_open(end - second)
        assert not hours.is_open(end)
        assert hours.is_open((end - second).astimezone(UTC))
        assert not hours.is_open(end + timedelta(hours=2))


@pytest.mark.parametrize("hour", ["00:30", "23:30"])
def test_at_night_the_date_in_utc_is_another(hour: str) -> None:
    hours = hours_around(at(f"2026-11-25T{hour}"))
    assert hours.is_open(at("2026-11-25T12:00"))
    assert hours.is_open(at("2026-11-27T12:00"))


def test_the_calendar_reaches_days_ahead() -> None:
    """It is read again each day; a laptop that slept over a weekend still has Monday."""
    hours = hours_around(at("2026-11-25T23:00"))
    assert hours.is_open(at("2026-11-30T10:00"))
    assert hours.is_open(at("2026-12-04T10:00"))


def test_unread_is_closed() -> None:
    """No alarm without knowledge."""
    assert not MarketHours().is_open(at("2026-11-25T12:00"))


async def test_run_reads_the_calendar_until_cancelled() -> None:
    hours = MarketHours()
    reading = asyncio.create_task(hours.run())
    await eventually(lambda: bool(hours._sessions) or reading.done(), timeout_s=20)
    assert not reading.done()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_fixed_answer_reads_no_calendar() -> None:
    hours = MarketHours("open")
    await hours.run()
    assert not hours._sessions
