"""The line of a day: since the session began, as wide as the session is long."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from gateway.pages.panels.sparkline import CANDLE_MS, MOST_POINTS, draw, find_day
from gateway.streams.records import CandleHistory
from gateway.streams.sessions import EXCHANGE_TIME, date_at, trading_day_by_rule
from tests.pages.showing import OPENING_MS


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_TIME).timestamp() * 1000)


def candles(symbol: str, *stretches: tuple[str, str]) -> CandleHistory:
    """Five-minute candles that begin within these times, both included."""
    times = tuple(
        time_ms for begin, end in stretches for time_ms in range(ms(begin), ms(end) + 1, CANDLE_MS)
    )
    column = tuple(Decimal(each) for each in range(len(times)))
    return CandleHistory(
        symbol=symbol,
        updated_at="",
        time=times,
        open=column,
        high=column,
        low=column,
        close=column,
        volume=column,
    )


@pytest.mark.parametrize(
    ("symbol", "stretches", "day", "count", "width"),
    [
        # A half day fills the whole width, an ordinary one grows through it.
        ("XYZ", [("2026-11-27T09:30", "2026-11-27T12:55")], "2026-11-27", 42, 100),
        ("XYZ", [("2026-11-25T09:30", "2026-11-25T12:40")], "2026-11-25", 39, 49.4),
        # Before the open the last session is shown.
        ("XYZ", [("2026-11-24T09:30", "2026-11-24T15:55")], "2026-11-24", 78, 100),
        (
            "XYZ",
            [("2026-11-24T09:30", "2026-11-24T15:55"), ("2026-11-25T09:30", "2026-11-25T09:35")],
            "2026-11-25",
            2,
            1.3,
        ),
        # Futures begin at 18:00, and midnight is nothing to them.
        ("/RTYH27:XCME", [("2026-11-23T18:00", "2026-11-23T23:55")], "2026-11-24", 72, 25.8),
        ("/RTYH27:XCME", [("2026-11-23T18:00", "2026-11-24T00:05")], "2026-11-24", 74, 26.5),
        (
            "/RTYH27:XCME",
            [("2026-11-27T11:00", "2026-11-27T13:10"), ("2026-11-29T18:00", "2026-11-29T18:30")],
            "2026-11-30",
            7,
            2.2,
        ),
        # The pause of the grains is a part of their day.
        (
            "/ZCH27:XCBT",
            [("2026-11-24T20:00", "2026-11-25T08:40"), ("2026-11-25T09:30", "2026-11-25T14:15")],
            "2026-11-25",
            211,
            100,
        ),
        (".SPY261218C600", [("2026-11-25T09:30", "2026-11-25T16:10")], "2026-11-25", 81, 100),
    ],
)
def test_the_day_of_a_line(
    symbol: str, stretches: list[tuple[str, str]], day: str, count: int, width: float
) -> None:
    found, points = find_day(symbol, candles(symbol, *stretches), None)
    assert found is not None
    assert (found.day, len(points)) == (date.fromisoformat(day), count)
    places = [float(each.partition(",")[0]) for each in draw(points, None, found)["points"].split()]
    assert places[0] == 0
    assert places == sorted(places)
    assert places[-1] == width


def test_nothing_known_is_no_line() -> None:
    assert find_day("SPY", None, None) == (None, [])
    assert draw([], None)["points"] == ""


@pytest.mark.parametrize(
    ("prices", "base", "direction"),
    [
        (["1", "2"], None, "up"),
        (["2", "1"], None, "down"),
        (["1", "1"], None, ""),
        (["5", "6"], Decimal(7), "down"),
        (["5"], None, ""),
        ([], Decimal(7), ""),
    ],
)
def test_a_line_is_drawn(prices: list[str], base: Decimal | None, direction: str) -> None:
    points = [(OPENING_MS + index * 1000, Decimal(each)) for index, each in enumerate(prices)]
    drawn = draw(points, base)
    assert drawn["direction"] == direction
    assert (drawn["points"] == "") == (len(prices) < 2)
    for point in drawn["points"].split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 100
        assert 1 <= y <= 29


def test_a_line_grows_through_the_session_and_is_bounded() -> None:
    half = [(OPENING_MS + index * 60_000, Decimal(index)) for index in range(196)]
    points = draw(half, None, trading_day_by_rule("stocks", date_at(OPENING_MS)))["points"].split()
    assert points[-1].startswith("50.6,"), "195 of 385 minutes, after which the last candle begins"
    assert len(points) <= MOST_POINTS + 1
    around_the_clock = [(each - 3_600_000, price) for each, price in half]
    assert draw(around_the_clock, None)["points"].split()[-1].startswith("100,")
