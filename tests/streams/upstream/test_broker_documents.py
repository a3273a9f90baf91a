"""Chains, histories and searches of the simulator: complete, kept, and honest when they fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from gateway.streams.documents import BrokerUnavailable, NotListed
from gateway.streams.topics import MAIN_LOGIN, Owner
from gateway.streams.upstream.broker_documents import BrokerDocuments
from tests.simulation import Simulator
from tests.streams.running import Running, running
from tests.waiting import eventually


@asynccontextmanager
async def asking(simulator: Simulator) -> AsyncIterator[tuple[Running, BrokerDocuments]]:
    await simulator.control("limits", rates=True)
    async with running(simulator.settings()) as up:
        await up.upstream.session.ready()
        yield up, up.upstream.documents


async def test_a_chain_is_whole_at_once(simulator: Simulator) -> None:
    async with asking(simulator) as (_, documents):
        chain = await documents.chain("SPY", strikes=16)
        assert chain.price is not None
        assert len(chain.rows) == 16
        strikes = [each.strike for each in chain.rows]
        assert strikes == sorted(strikes)
        assert strikes[0] < chain.price < strikes[-1]
        for row in chain.rows:
            for side in (row.call, row.put):
                assert side is not None
                assert side.symbol is not None
                assert side.symbol.startswith(".SPY")
                assert side.delta is not None
                assert side.open_interest is not None
        assert all(each.implied_volatility is not None for each in chain.expirations)
        assert chain.expiration in chain.expirations


async def test_what_the_feed_knows_is_newer(simulator: Simulator) -> None:
    async with asking(simulator) as (up, documents):
        chain = await documents.chain("SPY", strikes=2)
        call = chain.rows[0].call
        assert call is not None
        assert call.symbol is not None
        symbol = call.symbol
        await simulator.control("quote", symbol=symbol, bid="77.01", ask="77.02")
        with up.demand.acquire([symbol]):
            await eventually(lambda: (q := up.quote(symbol)) and q.bid == Decimal("77.01"), 10)
            chain = await documents.chain("SPY", strikes=2)
            call = chain.rows[0].call
            assert call is not None
            assert (call.bid, call.ask) == (Decimal("77.01"), Decimal("77.02"))


async def test_roots_of_an_index_and_options_on_futures(simulator: Simulator) -> None:
    async with asking(simulator) as (_, documents):
        chain = await documents.chain("SPX", strikes=4)
        assert {each.root for each in chain.expirations} == {"SPX", "SPXW"}
        chain = await documents.chain("/ES", strikes=4)
        assert chain.expiration is not None
        assert chain.expiration.underlying.startswith("/ES")
        assert all(row.call and row.call.bid is not None for row in chain.rows)
        tesla = await documents.chain("TSLA", strikes=4)
        assert {each.is_standard for each in tesla.expirations} == {True, False}


async def test_what_was_asked_a_moment_ago_is_not_asked_again(simulator: Simulator) -> None:
    async with asking(simulator) as (_, documents):
        await documents.search("SPY")
        await documents.chain("IWM", strikes=4)
        before = (await simulator.read())["requests"]
        await documents.search("SPY")
        await documents.chain("IWM", strikes=4)
        after = (await simulator.read())["requests"]
        for path in ("/symbols/search/SPY", "/option-chains/IWM/nested", "/market-data/by-type"):
            assert after[path] == before[path]


async def test_a_history_belongs_to_a_login(simulator: Simulator) -> None:
    account = simulator.hello["accounts"][0]
    async with asking(simulator) as (_, documents):
        history = await documents.net_liq(Owner(MAIN_LOGIN, account), "1d")
        assert len(history.points) > 2
        assert [p.time for p in history.points] == sorted(p.time for p in history.points)
        with pytest.raises(BrokerUnavailable):
            await documents.net_liq(Owner("other", account), "1d")


async def test_what_does_not_exist_and_what_cannot_be_asked(simulator: Simulator) -> None:
    async with asking(simulator) as (_, documents):
        with pytest.raises(NotListed):
            await documents.chain("NOPE", strikes=4)
        await simulator.control("rest", status=500, path="/option-chains")
        with pytest.raises(BrokerUnavailable, match="status 500"):
            await documents.chain("QQQ", strikes=4)
        await simulator.control("rest", status=200, path="/option-chains", kind="bare")
        with pytest.raises(BrokerUnavailable):
            await documents.chain("QQQ", strikes=4)
        await simulator.control("rest", status=None)
        assert (await documents.chain("QQQ", strikes=4)).rows
