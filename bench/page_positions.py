"""Positions for `bench.page_server`: each of them is valued anew so many times a second."""

import asyncio
import random
import time
from collections.abc import Iterator
from decimal import Decimal

from gateway.pages import page, positions
from gateway.streams.account_records import PositionUpdate
from gateway.streams.hub.hub import Hub
from gateway.streams.records import format_time

SLICE_S = 0.05

GROUP = 4
"""Positions on one underlying."""

ACCOUNT = "5WX00001"


@page("/held", title="Held")
def held() -> None:
    """The positions of every account."""
    positions()


class Book:
    """So many positions; each mark moves by cents."""

    def __init__(self, count: int) -> None:
        self._chance = random.Random(11)
        self._open = [Decimal(self._chance.randrange(500, 60_000)) / 100 for _ in range(count)]
        self._marks = list(self._open)
        self.count = count

    def value(self, index: int) -> PositionUpdate:
        """Move the mark of a position, and return the record with it."""
        self._marks[index] += Decimal(self._chance.choice((-2, -1, 1, 2))) / 100
        mark, opened = self._marks[index], self._open[index]
        gain = (mark - opened) * 100
        symbol = f"P{index:03d}"
        return PositionUpdate(
            account=ACCOUNT,
            symbol=symbol,
            broker_symbol=symbol,
            instrument_type="Equity",
            underlying=f"U{index // GROUP:03d}",
            description=symbol,
            quantity=Decimal(100),
            multiplier=Decimal(1),
            average_open_price=opened,
            day_basis=opened,
            mark=mark,
            mark_source="last",
            value=mark * 100,
            pnl_open=gain,
            pnl_open_pct=gain / opened,
            pnl_day=gain,
            realized_day=Decimal(0),
            delta=Decimal(100),
            gamma=Decimal(0),
            theta=Decimal("-1.25"),
            vega=Decimal("2.5"),
            beta_delta=mark / 6,
            implied_volatility_rank=Decimal("0.25"),
            expires_at=None,
            days_to_expiration=None,
            updated_at=format_time(time.time_ns() // 1_000_000),
            source="rest",
        )

    def value_all(self) -> Iterator[PositionUpdate]:
        """Each position once."""
        return map(self.value, range(self.count))


async def feed_positions(hub: Hub, count: int, rate: float) -> None:
    """Publish for ever: each position so many times a second, evenly spread."""
    book = Book(count)
    for record in book.value_all():
        hub.publish(record)
    begun_s, done = time.monotonic(), 0
    while True:
        await asyncio.sleep(SLICE_S)
        due = int((time.monotonic() - begun_s) * rate * count)
        for number in range(done, due):
            hub.publish(book.value(number % count))
        done = due
