"""The map from the broker's symbols to the feed's, filled from the simulator's instruments."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from gateway.streams.upstream.instruments import (
    Instrument,
    InstrumentKey,
    Instruments,
    read_instrument,
)
from gateway.streams.upstream.rows import UnreadableRow
from tests.simulation import Simulator
from tests.streams.running import running
from tests.waiting import eventually


@asynccontextmanager
async def asking(simulator: Simulator) -> AsyncIterator[Instruments]:
    async with running(simulator.settings()) as up:
        await up.upstream.session.ready()
        instruments = Instruments(up.upstream.logins[0].budget)
        task = asyncio.create_task(instruments.run())
        try:
            yield instruments
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_every_type_is_found_many_at_once_where_that_can_be(simulator: Simulator) -> None:
    want = {
        InstrumentKey("Equity", "BRK/B"): "BRK/B",
        InstrumentKey("Equity", "SPX"): "SPX",
        InstrumentKey("Future", "/ESZ6"): "/ESZ26:XCME",
        InstrumentKey("Cryptocurrency", "BTC/USD"): "BTC/USD:CXTALP",
        InstrumentKey("Equity Option", "SPY   261218P00570000"): ".SPY261218P570",
        InstrumentKey("Equity", "NOTHING"): None,
    }
    async with asking(simulator) as instruments:

        def find() -> dict[InstrumentKey, str | None]:
            found = {key: instruments.find(key) for key in want}
            return {k: None if each is None else each.streamer_symbol for k, each in found.items()}

        await eventually(lambda: find() == want, 10)
        future = instruments.find(InstrumentKey("Future", "/ESZ6"))
        assert future is not None
        assert (future.multiplier, future.index_equivalent) == (Decimal("50.0"), Decimal(506))
        find()
        # Not by the simulator's count: the gateway beside it asks for what is held.
        unknown = {InstrumentKey("Equity", "NOTHING")}
        assert instruments._wanted.keys() <= unknown, "what is known is not asked for again"


async def test_what_cannot_be_asked_for_is_not(simulator: Simulator) -> None:
    async with asking(simulator) as instruments:
        assert instruments.find(InstrumentKey("Tokenized Thing", "X")) is None
        assert not instruments._wanted


@pytest.mark.parametrize("symbol", ["", "two words", "SPY{=5m}", "ß", "." * 70])
def test_a_name_that_the_feed_cannot_have_is_refused(symbol: str) -> None:
    row: Any = {"instrument-type": "Equity", "symbol": "X", "streamer-symbol": symbol}
    with pytest.raises(UnreadableRow):
        read_instrument(row)


def test_an_equivalent_in_another_fund_says_nothing_about_spy() -> None:
    row: Any = {
        "instrument-type": "Future",
        "symbol": "/NQZ6",
        "streamer-symbol": "/NQZ26:XCME",
        "future-etf-equivalent": {"symbol": "QQQ", "share-quantity": 820},
        "notional-multiplier": "20.0",
    }
    assert read_instrument(row) == Instrument(
        key=InstrumentKey("Future", "/NQZ6"),
        streamer_symbol="/NQZ26:XCME",
        multiplier=Decimal("20.0"),
    )


def test_what_a_point_of_a_future_option_is_worth() -> None:
    row: Any = {
        "instrument-type": "Future Option",
        "symbol": "./ESZ6 E3AZ6 261218P5850",
        "streamer-symbol": "./E3AZ26P5850:XCME",
        "multiplier": "1.0",
        "notional-value": "0.5",
        "display-factor": "0.01",
    }
    assert read_instrument(row).multiplier == 50
