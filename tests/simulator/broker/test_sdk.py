"""The unmodified SDK against the simulator, over real sockets."""

import gc
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import anyio
import pytest
import tastytrade.dxfeed
from pydantic import ValidationError
from tastytrade import Account, AlertStreamer, DXLinkStreamer
from tastytrade.account import AccountBalance, CurrentPosition
from tastytrade.dxfeed import (
    Candle,
    Greeks,
    Profile,
    Quote,
    Summary,
    TheoPrice,
    TimeAndSale,
    Trade,
    Underlying,
)
from tastytrade.instruments import (
    Cryptocurrency,
    Equity,
    Future,
    FutureOption,
    FutureOptionProduct,
    FutureProduct,
    NestedFutureOptionChain,
    NestedOptionChain,
    Option,
    Warrant,
    get_future_option_chain,
    get_option_chain,
    get_quantity_decimal_precisions,
)
from tastytrade.market_data import get_market_data, get_market_data_by_type
from tastytrade.market_sessions import (
    ExchangeType,
    get_futures_holidays,
    get_market_holidays,
    get_market_sessions,
)
from tastytrade.metrics import (
    get_dividends,
    get_earnings,
    get_market_metrics,
    get_risk_free_rate,
)
from tastytrade.order import ComplexOrderType, InstrumentType, OrderStatus, PlacedOrder
from tastytrade.search import symbol_search
from tastytrade.streamer import MAP_EVENTS, UnderlyingYearGainSummary
from tastytrade.utils import TastytradeError
from tastytrade.watchlists import PairsWatchlist, PrivateWatchlist, PublicWatchlist

from gateway.simulator.app import Simulator
from gateway.simulator.broker.books.amounts import cents
from gateway.simulator.market.calendar import NEW_YORK
from tests.simulator.client import open_session, switch
from tests.waiting import eventually, scaled

# tastytrade 13.2.3 never closes the memory streams of its streamers; anyio says so when they are
# collected. Collected here, so that no later test hears of it.
UNCLOSED = "ignore:Unclosed <MemoryObject:ResourceWarning"
pytestmark = pytest.mark.filterwarnings(UNCLOSED)


@pytest.fixture(autouse=True)
def leftovers() -> Iterator[None]:
    """What the SDK leaves behind, collected in silence."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def own_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own event classes, which the gateway replaces in every process that it runs in."""
    for name in list(MAP_EVENTS):
        if own := getattr(tastytrade.dxfeed, name, None):
            monkeypatch.setitem(MAP_EVENTS, name, own)


async def test_every_event_type_arrives(simulator: Simulator) -> None:
    async with open_session(simulator.addresses) as session:
        chain = (await NestedOptionChain.get(session, "SPY"))[0]
        strikes = chain.expirations[5].strikes
        option = strikes[len(strikes) // 2].call_streamer_symbol
        with anyio.fail_after(scaled(10)):
            async with DXLinkStreamer(session) as streamer:
                for kind in (Quote, Trade, Summary, Profile, TimeAndSale):
                    await streamer.subscribe(kind, ["SPY", "SPX", option])
                await streamer.subscribe(Underlying, ["SPY"])
                await streamer.subscribe(Greeks, [option])
                await streamer.subscribe(TheoPrice, [option])
                quote = await streamer.get_event(Quote)
                assert quote.event_symbol == "SPY"
                assert quote.bid_price < quote.ask_price
                assert quote.bid_time == 0
                trades = {(await streamer.get_event(Trade)).event_symbol for _ in range(3)}
                assert trades == {"SPY", "SPX", option}
                summary = await streamer.get_event(Summary)
                assert summary.day_low_price is not None
                assert (await streamer.get_event(Profile)).description
                sale = await streamer.get_event(TimeAndSale)
                assert sale.bid_price < sale.ask_price
                underlying = await streamer.get_event(Underlying)
                assert 0 < underlying.volatility < 2
                greeks, theory = (
                    await streamer.get_event(Greeks),
                    await streamer.get_event(TheoPrice),
                )
                assert 0 < greeks.delta < 1
                assert abs(greeks.price - theory.price) < Decimal("0.5")
                for _ in range(20):
                    await streamer.get_event(Quote)


async def test_candles(simulator: Simulator) -> None:
    async with open_session(simulator.addresses) as session:
        start = datetime.now(UTC) - timedelta(hours=3)
        with anyio.fail_after(scaled(10)):
            async with DXLinkStreamer(session) as streamer:
                await streamer.subscribe_candle(["SPY"], "5m", start)
                first = await streamer.get_event(Candle)
                assert first.event_symbol == "SPY{=5m,tho=true}"
                assert first.snapshot_begin
                times = [first.time]
                while not (candle := await streamer.get_event(Candle)).snapshot_end:
                    times.append(candle.time)
                assert times == sorted(times, reverse=True)
                assert len(times) >= 35
                live = await streamer.get_event(Candle)
                assert live.time >= first.time
                assert not live.event_flags
                await streamer.unsubscribe_candle("SPY", "5m")
                await streamer.subscribe_candle(["SPY"], "1d", start, extended_trading_hours=True)
                while (await streamer.get_event(Candle)).event_symbol != "SPY{=d}":
                    pass


async def test_unsubscribing_all_closes_and_subscribing_opens_again(simulator: Simulator) -> None:
    async with open_session(simulator.addresses) as session:
        with anyio.fail_after(scaled(10)):
            async with DXLinkStreamer(session) as streamer:
                await streamer.subscribe(Quote, ["SPY"])
                await streamer.get_event(Quote)
                await streamer.unsubscribe(Quote, ["SPY"])
                await streamer.unsubscribe_all(Quote)
                # The SDK forgets the channel when CHANNEL_CLOSED comes.
                await eventually(lambda: "Quote" not in streamer._subscription_state)
                await streamer.subscribe(Quote, ["QQQ"])
                while (await streamer.get_event(Quote)).event_symbol != "QQQ":
                    pass


async def test_rest(closed: Simulator) -> None:
    async with open_session(closed.addresses) as session:
        assert (await session.get_customer()).email
        assert await session.validate()
        accounts = await Account.get(session)
        assert [account.account_number for account in accounts] == closed.addresses.accounts
        for account in accounts:
            assert await Account.get(session, account.account_number) == account
            assert (await account.get_trading_status(session)).is_closed is False
            balance = await account.get_balances(session)
            positions = await account.get_positions(session, include_marks=True)
            total = sum(
                position.multiplier
                * position.quantity
                * (1 if position.quantity_direction == "Long" else -1)
                * (
                    (position.mark_price or 0)
                    - (
                        position.average_daily_market_close_price or 0
                        if position.instrument_type is InstrumentType.FUTURE
                        else 0
                    )
                )
                for position in positions
            )
            assert balance.net_liquidating_value == cents(balance.cash_balance + total)
        (only,) = await accounts[0].get_positions(session, symbol="AAPL")
        assert (only.symbol, only.mark) == ("AAPL", None)
        spies = await accounts[0].get_positions(session, underlying_symbols=["SPY"])
        assert len(spies) == 3
        options = await accounts[0].get_positions(
            session, instrument_type=InstrumentType.EQUITY_OPTION
        )
        assert {position.instrument_type for position in options} == {InstrumentType.EQUITY_OPTION}
        with pytest.raises(TastytradeError, match="not_permitted"):
            await Account.get(session, "5WZ")
        with pytest.raises(TastytradeError, match="record_not_found"):
            await accounts[0].get_balances(session, "EUR")


async def test_instruments_and_market_data(closed: Simulator) -> None:
    async with open_session(closed.addresses) as session:
        (chain,) = await NestedOptionChain.get(session, "AAPL")
        strike = chain.expirations[0].strikes[3]
        option = await Option.get(session, strike.put)
        assert option.streamer_symbol == strike.put_streamer_symbol
        assert sum(map(len, (await get_option_chain(session, "AAPL")).values())) > 400
        spy, spx = await Equity.get(session, ["SPY", "SPX", "NOPE"])
        assert (spy.is_etf, spx.is_index) == (True, True)
        assert (await Equity.get(session, "AAPL")).description == "Apple Inc."
        futures = await Future.get(session)
        assert await Future.get(session, futures[0].symbol) == futures[0]
        assert {coin.symbol for coin in await Cryptocurrency.get(session)} >= {"BTC/USD"}
        assert (await Cryptocurrency.get(session, "BTC/USD")).streamer_symbol == "BTC/USD:CXTALP"
        data = await get_market_data_by_type(
            session,
            equities=["SPY", "NOPE"],
            indices=["VIX"],
            options=[strike.call],
            futures=[futures[0].symbol],
            cryptocurrencies=["BTC/USD"],
        )
        assert len(data) == 5
        assert (await get_market_data(session, "SPY", InstrumentType.EQUITY)).last
        (metric,) = await get_market_metrics(session, ["SPY", "NOPE"])
        assert metric.beta == 1
        assert await get_risk_free_rate(session) == Decimal("0.04")
        for missing in (NestedOptionChain.get, get_option_chain, Option.get, Equity.get):
            with pytest.raises(TastytradeError, match="record_not_found"):
                await missing(session, "NOPE")


async def test_balances_and_positions_are_pushed(simulator: Simulator) -> None:
    at = simulator.addresses
    await switch(at, "account", push_s=0.05, push_marks=True)
    async with open_session(at) as session:
        accounts = await Account.get(session)
        with anyio.fail_after(scaled(10)):
            async with AlertStreamer(session) as streamer:
                await streamer.subscribe_accounts(accounts)
                await streamer.subscribe_quote_alerts()
                await streamer.subscribe_public_watchlists()
                async for balance in streamer.listen(AccountBalance):
                    assert balance.account_number in at.accounts
                    break
                async for position in streamer.listen(CurrentPosition):
                    assert position.mark
                    break
                await switch(at, "account", push_marks=False)
                await switch(at, "balance", account=at.accounts[1], cash_delta="1000.5")
                async for balance in streamer.listen(AccountBalance):
                    if balance.cash_balance == Decimal("9732.40"):
                        break


async def test_a_fill_is_pushed_whole(simulator: Simulator) -> None:
    at = simulator.addresses
    leg = {"action": "Buy to Open", "symbol": "KO", "quantity": 10}
    async with open_session(at) as session:
        accounts = await Account.get(session)
        with anyio.fail_after(scaled(10)):
            async with AlertStreamer(session) as streamer:
                await streamer.subscribe_accounts(accounts)
                placed = await switch(
                    at, "order", account=at.accounts[0], legs=[leg], type="Market", until="Routed"
                )
                await switch(at, "order", do="fill", account=at.accounts[0], id=placed["done"])
                async for order in streamer.listen(PlacedOrder):
                    if order.status is OrderStatus.FILLED:
                        assert order.id == placed["done"]
                        assert order.legs[0].remaining_quantity == 0
                        break
                async for position in streamer.listen(CurrentPosition):
                    assert position.symbol == "KO"
                    assert position.quantity == 10
                    break
                async for summary in streamer.listen(UnderlyingYearGainSummary):
                    assert summary.symbol == "KO"
                    assert summary.yearly_realized_gain == 0
                    break


async def test_wrong_credentials(simulator: Simulator) -> None:
    session = open_session(simulator.addresses)
    session.provider_secret = "wrong"
    async with session:
        with pytest.raises(TastytradeError, match="Client secret mismatch"):
            await Account.get(session)


async def test_what_an_account_did_and_does(closed: Simulator) -> None:
    async with open_session(closed.addresses) as session:
        account = (await Account.get(session))[0]
        today = datetime.now(NEW_YORK).date()
        live = await account.get_order_history(
            session, start_date=today, statuses=[OrderStatus.LIVE, OrderStatus.FILLED]
        )
        assert {order.status for order in live} >= {OrderStatus.LIVE, OrderStatus.FILLED}
        filled = next(order for order in live if order.status is OrderStatus.FILLED)
        assert await account.get_order(session, filled.id) == filled
        assert filled.legs[0].fills
        tied = await account.get_live_complex_orders(session)
        assert [order.type for order in tied] == [ComplexOrderType.OCO]
        # The SDK 13.2.3 cannot read a rule that has not triggered: every live order is lost.
        with pytest.raises(ValidationError):
            await account.get_live_orders(session)
        history = await account.get_history(session)
        assert {each.transaction_type for each in history} == {"Trade"}
        assert await account.get_transaction(session, history[0].id) == history[0]
        charged = sum((each.value - each.net_value for each in history), Decimal(0))
        fees = await account.get_total_fees(session, today)
        assert fees.total_fees == -charged
        requirements = await account.get_margin_requirements(session)
        balance = await account.get_balances(session)
        assert -requirements.margin_requirement == balance.maintenance_requirement
        points = await account.get_net_liquidating_value_history(session, time_back="1m")
        assert points[-1].total_close == balance.net_liquidating_value
        snapshots = await account.get_balance_snapshots(
            session, start_date=today - timedelta(days=10)
        )
        assert len(snapshots) >= 4


async def test_lists_hours_and_search(closed: Simulator) -> None:
    async with open_session(closed.addresses) as session:
        own = await PrivateWatchlist.get(session)
        assert [each.name for each in own][:2] == ["Tech", "Macro"]
        assert (await PrivateWatchlist.get(session, "A/B of banks")).watchlist_entries
        assert await PublicWatchlist.get(session, counts_only=True)
        assert (await PairsWatchlist.get(session))[0].pairs_equations
        sessions = await get_market_sessions(session, [ExchangeType.NYSE, ExchangeType.CME])
        assert [each.instrument_collection for each in sessions] == ["Equity", "CME"]
        assert (await get_market_holidays(session)).holidays
        assert (await get_futures_holidays(session, ExchangeType.CME)).half_days
        assert (await symbol_search(session, "AAP"))[0].symbol == "AAPL"
        assert (await symbol_search(session, "gold"))[0].description
        assert await symbol_search(session, "/ES")


async def test_futures_and_options_on_them(closed: Simulator) -> None:
    async with open_session(closed.addresses) as session:
        front, after = await Future.get(session, product_codes=["ES"])
        assert (front.active_month, after.active_month) == (True, False)
        assert front.roll_target_symbol == after.symbol
        chain = await NestedFutureOptionChain.get(session, "ES")
        (listed,) = chain.option_chains
        strike = listed.expirations[0].strikes[0]
        option = await FutureOption.get(session, strike.put)
        assert option.streamer_symbol == strike.put_streamer_symbol
        assert option.notional_value / option.display_factor == 50
        assert await get_future_option_chain(session, "/ES")
        products = await FutureProduct.get(session)
        assert await FutureProduct.get(session, "ES", "CME") in products
        assert await FutureOptionProduct.get(session)
        assert (await Warrant.get(session))[0].symbol == "SIMWW"
        assert await get_quantity_decimal_precisions(session)
        (data,) = await get_market_data_by_type(session, future_options=[strike.call])
        assert data.open_interest
        morning, evening = await NestedOptionChain.get(session, "SPX")
        assert (morning.root_symbol, evening.root_symbol) == ("SPX", "SPXW")
        assert (await get_dividends(session, "KO"))[0].amount > 0
        assert (await get_earnings(session, "AAPL", date(2020, 1, 1)))[0].eps > 0
        (metric,) = await get_market_metrics(session, ["AAPL"])
        assert metric.earnings is not None
        expiries = metric.option_expiration_implied_volatilities or []
        assert len({each.implied_volatility for each in expiries}) == len(expiries)
