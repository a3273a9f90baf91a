"""The broker's hours against ours: what counts, what is doubted, and what is harmless."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.streams.markets import Market
from gateway.streams.sessions import EXCHANGE_TIME, Sessions, trading_day_by_rule
from gateway.streams.upstream.market_time import (
    CurrentSession,
    Holidays,
    MarketTime,
    Times,
    describe,
    fetch_market_time,
    find_corrections,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EXCHANGE_TIME)


def ms(text: str) -> int:
    return int(at(text).timestamp() * 1000)


NOW_MS = ms("2026-11-24T12:00")

# As the exchanges publish them.
EQUITY = Holidays(
    market_holidays=(date(2026, 11, 26), date(2026, 12, 25)),
    market_half_days=(date(2026, 11, 27), date(2026, 12, 24)),
)


def session(collection: str, *bounds: tuple[str, str]) -> CurrentSession:
    """Current, next and previous session, each as begin and end."""
    now, *others = [Times(open_at=at(begin), close_at=at(end)) for begin, end in bounds]
    times = [now, *others, None, None]
    return CurrentSession(
        instrument_collection=collection,
        open_at=now.open_at,
        close_at=now.close_at,
        next_session=times[1],
        previous_session=times[2],
    )


def states(answers: MarketTime, market: Market, *times: str) -> list[str | None]:
    sessions = Sessions(find_corrections(answers, NOW_MS))
    return [sessions.state_at(market, ms(each)) for each in times]


def test_agreement_corrects_nothing() -> None:
    answers = MarketTime(
        (
            session(
                "Equity",
                ("2026-11-24T09:30", "2026-11-24T16:00"),
                ("2026-11-25T09:30", "2026-11-25T16:00:30"),
                ("2026-11-23T09:30", "2026-11-23T16:00"),
            ),
            session("CME", ("2026-11-23T18:00", "2026-11-24T17:00")),
            session("CFE", ("2026-11-24T09:30", "2026-11-24T17:00")),
        ),
        {
            "Equity": EQUITY,
            "CME": Holidays(market_holidays=(date(2026, 11, 26),)),
            "CFE": Holidays(market_half_days=(date(2026, 11, 26), date(2026, 11, 27))),
        },
    )
    assert find_corrections(answers, NOW_MS) == {}


def test_an_early_close_that_no_table_foresaw() -> None:
    answers = MarketTime((session("Equity", ("2026-11-24T09:30", "2026-11-24T14:00")),))
    times = ("2026-11-24T13:59", "2026-11-24T14:00", "2026-11-24T14:14", "2026-11-24T14:15")
    assert states(answers, "stocks", *times) == ["open", "closed", "closed", "closed"]
    assert states(answers, "index options", *times) == ["open", "open", "open", "closed"]
    assert states(answers, "index futures", times[1]) == ["open"]


def test_a_day_of_mourning_lies_between_two_sessions() -> None:
    answers = MarketTime(
        (
            session(
                "Equity",
                ("2026-11-24T09:30", "2026-11-24T16:00"),
                ("2026-11-27T09:30", "2026-11-27T13:00"),
            ),
        )
    )
    assert states(answers, "stocks", "2026-11-25T10:00", "2026-11-27T10:00") == ["closed", "open"]
    assert set(find_corrections(answers, NOW_MS)) == {
        ("stocks", date(2026, 11, 25)),
        ("index options", date(2026, 11, 25)),
    }


def test_a_holiday_that_the_broker_does_not_have() -> None:
    """Its list of the year counts for days of that year."""
    shorter = Holidays(market_holidays=EQUITY.market_holidays)
    answers = MarketTime(holidays={"Equity": shorter})
    assert states(answers, "stocks", "2026-11-27T15:00", "2026-11-26T10:00") == ["open", "closed"]


def test_what_the_list_does_not_reach_stays() -> None:
    of_last_year = Holidays(market_holidays=(date(2025, 12, 25),))
    assert find_corrections(MarketTime(holidays={"Equity": of_last_year}), NOW_MS) == {}
    assert find_corrections(MarketTime(holidays={"Equity": Holidays()}), NOW_MS) == {}


def test_an_unforeseen_holiday_of_a_futures_exchange_is_doubted() -> None:
    """It calls holiday what it cuts short as well: neither open nor closed."""
    answers = MarketTime(holidays={"CME": Holidays(market_holidays=(date(2026, 11, 25),))})
    assert states(answers, "index futures", "2026-11-25T10:00") == [None]
    assert states(answers, "grain futures", "2026-11-25T10:00") == ["open"]


def test_of_futures_the_end_counts_and_the_begin_does_not() -> None:
    answers = MarketTime((session("CME", ("2026-11-24T09:30", "2026-11-24T13:15")),))
    times = ("2026-11-23T20:00", "2026-11-24T13:14", "2026-11-24T13:15", "2026-11-24T18:00")
    assert states(answers, "index futures", *times) == ["open", "open", "closed", "open"]


@pytest.mark.parametrize(
    "bounds",
    [
        ("2026-11-24T16:00", "2026-11-24T09:30"),
        ("2026-11-20T09:30", "2026-11-24T16:00"),
        ("2027-06-01T09:30", "2027-06-01T12:00"),
    ],
)
def test_nonsense_and_what_is_far_away_count_for_nothing(bounds: tuple[str, str]) -> None:
    answers = MarketTime((session("Equity", bounds), session("Forex", bounds)))
    assert find_corrections(answers, NOW_MS) == {}


def test_a_time_without_a_zone_counts_for_nothing() -> None:
    naive = CurrentSession(
        instrument_collection="Equity",
        open_at=datetime(2026, 11, 24, 9, 30),  # noqa: DTZ001
        close_at=datetime(2026, 11, 24, 12, 0),  # noqa: DTZ001
    )
    assert find_corrections(MarketTime((naive,)), NOW_MS) == {}


ANSWERS: dict[str, Any] = {
    "/market-time/sessions/current": {
        "items": [
            {
                "instrument-collection": "Equity",
                "state": "Open",
                "start-at": "2026-11-24T13:15:00.000+00:00",
                "open-at": "2026-11-24T14:30:00.000+00:00",
                "close-at": "2026-11-24T21:00:00.000+00:00",
                "close-at-ext": "2026-11-25T01:00:00.000+00:00",
                "next-session": {
                    "instrument-collection": "Equity",
                    "session-date": "2026-11-25",
                    "open-at": "2026-11-25T14:30:00.000+00:00",
                    "close-at": "2026-11-25T20:00:00.000+00:00",
                },
                "previous-session": None,
            },
            {"instrument-collection": 7},
            None,
        ]
    },
    "/market-time/equities/holidays": {
        "market-half-days": ["2026-11-27"],
        "market-holidays": ["2026-11-26"],
    },
    "/market-time/futures/holidays/CME": {"market-holidays": "none"},
}


class Broker:
    """Answers a request of the SDK, or refuses it."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def _get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        self.asked.append(path)
        if path not in self.answers:
            raise UpstreamError(f"{path} was answered with status 404")
        return self.answers[path]

    async def call(self, request: Callable[[Any], Awaitable[Any]]) -> Any:
        return await request(self)


async def test_answers_are_read_as_far_as_they_can_be() -> None:
    broker = Broker(ANSWERS)
    answers = await fetch_market_time(broker.call)
    assert len(broker.asked) == 4
    assert len(answers.sessions) == 1
    assert set(answers.holidays) == {"Equity"}
    assert find_corrections(answers, NOW_MS).keys() == {
        ("stocks", date(2026, 11, 25)),
        ("index options", date(2026, 11, 25)),
    }
    assert states(answers, "stocks", "2026-11-25T14:59", "2026-11-25T15:00") == ["open", "closed"]


@pytest.mark.parametrize(
    "answers", [{}, dict.fromkeys(ANSWERS), dict.fromkeys(ANSWERS, ()), dict.fromkeys(ANSWERS, 7)]
)
async def test_a_broker_that_refuses_or_says_nonsense_is_harmless(answers: dict[str, Any]) -> None:
    assert await fetch_market_time(Broker(answers).call) == MarketTime((), {})


def test_days_in_words() -> None:
    day = date(2026, 11, 25)
    assert describe(None) == "closed"
    assert describe(trading_day_by_rule("stocks", day)) == "09:30 to 16:00"
    weekend = trading_day_by_rule("crypto futures", date(2026, 11, 30))
    assert weekend is not None
    assert describe(weekend._replace(spans=weekend.spans[:1])) == "not sure"
