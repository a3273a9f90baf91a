"""Market hours as REST gives them: sessions, their neighbours, ranges and holidays; pure."""

from datetime import date, timedelta

from gateway.simulator.broker.catalogue.naming import Body, iso
from gateway.simulator.market.calendar import (
    Session,
    current_session,
    find_session,
    list_half_days,
    list_holidays,
    local_day,
    next_session,
    previous_session,
)
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import Kind

YEARS = 2  # of holidays, this one included
MOST_DAYS = 366  # of one range


def describe_current(market: Market, collection: str) -> Body:
    """Return the session of now with its state and its neighbours.

    The state is what the market does, even where a test opened it by hand.
    """
    now = market.now
    session = current_session(collection, now)
    day = session.day if session is not None else local_day(now)
    phase = market.phase(Kind.EQUITY if collection == "Equity" else Kind.FUTURE)
    body: Body = {"instrument-collection": collection, "state": phase.value}
    if session is not None:
        body |= _times(session)
    return body | {
        "next-session": describe(next_session(collection, day)),
        "previous-session": describe(previous_session(collection, day)),
    }


def describe(session: Session) -> Body:
    """Return one session."""
    day = session.day.isoformat()
    return {"instrument-collection": session.collection, "session-date": day} | _times(session)


def list_range(collection: str, first: date, last: date) -> list[Body]:
    """Return the sessions of some days; not more than a year's."""
    days = min((last - first).days + 1, MOST_DAYS)
    found = (find_session(collection, first + timedelta(days=n)) for n in range(max(days, 0)))
    return [describe(session) for session in found if session is not None]


def list_closed_days(market: Market, collection: str) -> Body:
    """Return holidays and half days of this year and the next."""
    year = local_day(market.now).year
    years = range(year, year + YEARS)
    holidays = [day for each in years for day in list_holidays(each)]
    half_days = [day for each in years for day in list_half_days(each)]
    if collection != "Equity":
        # Futures are only shortened on most holidays.
        closed = [day for day in holidays if find_session(collection, day) is None]
        half_days = sorted([*half_days, *(day for day in holidays if day not in closed)])
        holidays = closed
    return {
        "market-half-days": [day.isoformat() for day in half_days],
        "market-holidays": [day.isoformat() for day in holidays],
    }


def _times(session: Session) -> Body:
    return {
        "start-at": iso(session.start_s),
        "open-at": iso(session.open_s),
        "close-at": iso(session.close_s),
        "close-at-ext": iso(session.extended_s),
    }
