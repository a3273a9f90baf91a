"""Option chains, market data and searches as the broker lists them, read row by row; pure.

Sources: Tastytrade's "Instruments" and "Market data", and recorded answers. A chain of shares has
an item for each root, one of futures its expirations under `option-chains`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from gateway.streams.documents import (
    Expiration,
    NetLiqPoint,
    OptionQuote,
    SearchResult,
)
from gateway.streams.records import format_time
from gateway.streams.upstream.rows import (
    Row,
    UnreadableRow,
    list_items,
    read_date,
    read_number,
    read_optional_text,
    read_rows,
    read_text,
    read_time,
)


class Strike(msgspec.Struct, frozen=True):
    """One strike: the broker's symbol and the streamer's of its call and its put."""

    strike: Decimal
    call: tuple[str, str | None] | None
    put: tuple[str, str | None] | None


class ListedExpiration(msgspec.Struct, frozen=True):
    """An expiration with all its strikes, ascending."""

    expiration: Expiration
    strikes: tuple[Strike, ...]


def read_chain(data: Any, underlying: str) -> list[ListedExpiration]:
    """Return all expirations of a nested chain, the nearest first.

    Raises:
        ValueError: when it is not one.
    """
    if isinstance(data, Mapping) and isinstance(data.get("option-chains"), list):
        items = data["option-chains"]
    else:
        items = list_items(data)
    found: list[ListedExpiration] = []
    for item in items:
        if not isinstance(item, Mapping):
            continue
        expirations = item.get("expirations")
        rows = expirations if isinstance(expirations, list) else []
        listed, _ = read_rows(rows, partial(_read_expiration, item, underlying))
        found += listed
    return sorted(found, key=lambda each: (each.expiration.date, each.expiration.root))


def _read_expiration(item: Row, underlying: str, row: Row) -> ListedExpiration:
    day = read_date(row, "expiration-date")
    if day is None:
        raise UnreadableRow("expiration-date")
    listed = row.get("strikes")
    strikes, _ = read_rows(listed if isinstance(listed, list) else [], _read_strike)
    days = read_number(row, "days-to-expiration")
    kind = read_optional_text(item, "option-chain-type")
    root = read_optional_text(row, "option-root-symbol") or read_optional_text(item, "root-symbol")
    expiration = Expiration(
        date=day,
        days=None if days is None else int(days),
        root=root or underlying,
        kind=read_optional_text(row, "expiration-type"),
        settlement=read_optional_text(row, "settlement-type"),
        is_standard=kind in (None, "Standard"),
        shares_per_contract=read_number(item, "shares-per-contract"),
        underlying=read_optional_text(row, "underlying-symbol") or underlying,
        strikes=len(strikes),
    )
    return ListedExpiration(expiration, tuple(sorted(strikes, key=lambda each: each.strike)))


def _read_strike(row: Row) -> Strike:
    strike = read_number(row, "strike-price")
    if strike is None:
        raise UnreadableRow("strike-price")
    return Strike(strike, _read_side(row, "call"), _read_side(row, "put"))


def _read_side(row: Row, side: str) -> tuple[str, str | None] | None:
    symbol = read_optional_text(row, side)
    return None if symbol is None else (symbol, read_optional_text(row, f"{side}-streamer-symbol"))


def pick_expiration(
    listed: Sequence[ListedExpiration], day: date | None, root: str | None
) -> ListedExpiration | None:
    """Return the expiration of a day and root; without a day the nearest that is not over.

    Standard contracts come first.
    """
    able = [
        each
        for each in listed
        if (day is None or each.expiration.date == day)
        and (root is None or each.expiration.root == root)
        and (day is not None or each.expiration.days is None or each.expiration.days >= 0)
    ]
    return min(able, key=lambda e: (e.expiration.date, not e.expiration.is_standard), default=None)


def pick_strikes(strikes: Sequence[Strike], price: Decimal | None, count: int) -> Sequence[Strike]:
    """Return so many strikes around a price; around the middle one when it is not known."""
    if len(strikes) <= count:
        return strikes
    at = len(strikes) // 2
    if price is not None:
        at = bisect_left([each.strike for each in strikes], price)
    begin = min(max(0, at - count // 2), len(strikes) - count)
    return strikes[begin : begin + count]


def read_option(row: Row, symbol: str | None, broker_symbol: str) -> OptionQuote:
    """Return an option's market data."""
    interest = read_number(row, "open-interest")
    return OptionQuote(
        symbol=symbol,
        broker_symbol=broker_symbol,
        bid=read_number(row, "bid"),
        ask=read_number(row, "ask"),
        last=read_number(row, "last"),
        mark=read_number(row, "mark"),
        volatility=read_number(row, "volatility"),
        delta=read_number(row, "delta"),
        gamma=read_number(row, "gamma"),
        theta=read_number(row, "theta"),
        vega=read_number(row, "vega"),
        open_interest=None if interest is None else int(interest),
        volume=read_number(row, "volume"),
    )


def read_volatilities(data: Any) -> dict[tuple[date, str | None], Decimal]:
    """Return the implied volatility of each expiration date and settlement, from metrics."""
    found: dict[tuple[date, str | None], Decimal] = {}
    for item in list_items(data):
        rows = item.get("option-expiration-implied-volatilities") if isinstance(item, dict) else []
        for row in rows if isinstance(rows, list) else []:
            if not isinstance(row, dict):
                continue
            day, value = read_date(row, "expiration-date"), read_number(row, "implied-volatility")
            if day is not None and value is not None:
                found[day, read_optional_text(row, "settlement-type")] = value
    return found


def read_points(items: Iterable[Any]) -> list[NetLiqPoint]:
    """Return the points of a net liquidating value's history, oldest first."""
    points, _ = read_rows(items, _read_point)
    return sorted(points, key=lambda each: each.time)


def _read_point(row: Row) -> NetLiqPoint:
    at, close = read_time(row, "time"), read_number(row, "total-close")
    if at is None or close is None:
        raise UnreadableRow("time")
    return NetLiqPoint(
        time=format_time(round(at.timestamp() * 1000)),
        open=read_number(row, "total-open"),
        high=read_number(row, "total-high"),
        low=read_number(row, "total-low"),
        close=close,
    )


def read_result(row: Row) -> SearchResult:
    """Return what a search has found.

    Raises:
        UnreadableRow: when it has no symbol.
    """
    has_options = row.get("options")
    return SearchResult(
        symbol=read_text(row, "symbol"),
        description=read_optional_text(row, "description"),
        instrument_type=read_optional_text(row, "instrument-type"),
        market=read_optional_text(row, "listed-market"),
        has_options=has_options if isinstance(has_options, bool) else None,
    )
