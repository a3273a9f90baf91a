"""The past of an account: net liquidating value by the minute or the day, and snapshots; pure.

What is known is exact: the value now, and the last close, from which the day's profit and loss and
its deposits lead to now. Before that the value is a smooth made-up path.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from gateway.simulator.broker.books.accounts import Account
from gateway.simulator.broker.books.amounts import CENT, ZERO, cents, money
from gateway.simulator.broker.books.balances import balance, net_liq, value_positions
from gateway.simulator.broker.catalogue.naming import today
from gateway.simulator.market.calendar import (
    close_of,
    find_session,
    is_trading_day,
    previous_trading_day,
)
from gateway.simulator.market.market import Market

Body = dict[str, Any]
MINUTE_S = 60.0
DAY_S = 86_400.0
# How far back, and the time between two points.
BACK = {
    "1d": (1, 5 * MINUTE_S),
    "1w": (7, 30 * MINUTE_S),
    "1m": (30, 120 * MINUTE_S),
    "3m": (91, DAY_S),
    "6m": (182, DAY_S),
    "1y": (365, DAY_S),
    "all": (1_200, DAY_S),
}
MOST_POINTS = 2_000
INTERVAL = re.compile(r"(\d{1,4})([mhd]?)")


def last_close(market: Market) -> float:
    """Return the instant of the last regular close before the current day's session."""
    return close_of(previous_trading_day(today(market)))


def value_at_close(market: Market, account: Account) -> Decimal:
    """Return the net liquidating value at the last close, by taking the day back from now."""
    day, since = today(market), last_close(market)
    gained = (each.held.gain_today(each.mark, day) for each in value_positions(market, account))
    moved = account.deposits_since(since) + account.pending - account.fees_since(since)
    return net_liq(market, account) - sum(gained, ZERO) - moved


def describe_now(market: Market, account: Account) -> Body:
    """Return the point of now."""
    return _point(market.now, cents(net_liq(market, account)), account.pending)


def list_points(market: Market, account: Account, start_s: float, step_s: float) -> list[Body]:
    """Return points from an instant to now, oldest first."""
    now, closed_s = market.now, last_close(market)
    ending, base = net_liq(market, account), value_at_close(market, account)
    step_s = max(step_s, (now - start_s) / MOST_POINTS)
    points = []
    at = max(start_s, now - BACK["all"][0] * DAY_S)
    while at < now - 1:  # the last point is now itself
        if _is_shown(at, step_s):
            value = _value(account, at, (closed_s, base), (now, ending))
            points.append(_point(at, value, account.pending if at > closed_s else ZERO))
        at += step_s
    points.append(describe_now(market, account))
    return points


def start_of(market: Market, back: str) -> tuple[float, float] | None:
    """Return (first instant, seconds between points) of a `time-back`, or None if unknown."""
    if back not in BACK:
        return None
    days, step_s = BACK[back]
    if back != "1d":
        return market.now - days * DAY_S, step_s
    session = find_session("Equity", today(market))
    if session is None or session.open_s > market.now:
        session = find_session("Equity", previous_trading_day(today(market)))
    return (session.open_s if session is not None else market.now - DAY_S), step_s


def parse_interval(text: str) -> float | None:
    """Return the seconds of an interval (`5m`, `1h`, `1d`, a number alone: minutes), or None."""
    found = INTERVAL.fullmatch(text)
    if found is None or int(found[1]) == 0:
        return None
    return int(found[1]) * {"m": MINUTE_S, "h": 60 * MINUTE_S, "d": DAY_S}[found[2] or "m"]


def step_of(market: Market, start_s: float) -> float:
    """Return the seconds between two points of a history that begins at an instant."""
    age_s = market.now - start_s
    return next((step for days, step in BACK.values() if age_s <= days * DAY_S), DAY_S)


def list_snapshots(
    market: Market, account: Account, first: date, last: date, time_of_day: str
) -> list[Body]:
    """Return the balance at the open (BOD) or the close (EOD) of each trading day, oldest first."""
    now_body = balance(market, account)
    base = (last_close(market), value_at_close(market, account))
    ending = (market.now, net_liq(market, account))
    bodies, day = [], first
    while day <= last:
        at = close_of(day) - (6.5 * 3600 if time_of_day == "BOD" else 0)
        if is_trading_day(day) and at <= market.now:
            value = base[1] if at == base[0] else _value(account, at, base, ending)
            updated = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
            bodies.append(
                now_body
                | {"snapshot-date": day.isoformat(), "time-of-day": time_of_day}
                | {"net-liquidating-value": money(value), "margin-equity": money(value)}
                | {"updated-at": updated}
            )
        day += timedelta(days=1)
    return bodies


def _value(
    account: Account, at: float, base: tuple[float, Decimal], ending: tuple[float, Decimal]
) -> Decimal:
    closed_s, closed = base
    now, value = ending
    if at <= closed_s:
        return (closed * Decimal(str(_wave(account, at, closed_s)))).quantize(CENT)
    share = Decimal(str((at - closed_s) / (now - closed_s))) if now > closed_s else Decimal(1)
    deposited = account.deposits_since(closed_s)
    by_then = deposited - account.deposits_since(at)
    grown = (value - closed - deposited - account.pending) * share
    return (closed + by_then + grown + (account.pending if share == 1 else ZERO)).quantize(CENT)


def _wave(account: Account, at: float, until: float) -> float:
    """A factor that is 1 at `until` and wanders, falling slowly, into the past."""
    random = Random(account.number)
    age = (until - at) / DAY_S
    waves = ((0.015, 3.1), (0.03, 17.0), (0.06, 71.0))
    wander = sum(
        height * math.sin(age / length * math.tau) * (0.5 + random.random())
        for height, length in waves
    )
    return max(math.exp(wander - age * 0.0004), 0.05)


def _is_shown(at: float, step_s: float) -> bool:
    day = datetime.fromtimestamp(at, UTC).date()
    session = find_session("Equity", day)
    if step_s >= DAY_S:
        return session is not None
    return session is not None and session.open_s <= at <= session.close_s


def stamp(at: float) -> str:
    """Return an instant with a space and a short offset, as the real one writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def _point(at: float, value: Decimal, pending: Decimal) -> Body:
    own, wait, total = money(value - pending), money(pending), money(value)
    names = ("open", "high", "low", "close")
    body: Body = dict.fromkeys(names, own)
    body |= {f"pending-cash-{name}": wait for name in names}
    body |= {f"total-{name}": total for name in names}
    return body | {"time": stamp(at)}
