"""The SDK as it is, and what is done to it; its streams over sockets are in test_market_data."""

from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import tastytrade
import tastytrade.dxfeed as dx
from pydantic import SecretStr
from tastytrade.account import AccountBalance
from tastytrade.dxfeed.event import NAN_VALUES, REMOVE_EVENT
from tastytrade.streamer import MAP_EVENTS

from gateway.clock import SYSTEM_CLOCK
from gateway.errors import ConfigurationError
from gateway.settings import BrokerSettings
from gateway.streams.upstream.drops import DropStats
from gateway.streams.upstream.sdk import (
    EVENT_CLASSES,
    EVENT_TYPES,
    MarketStream,
    install_event_classes,
    open_sdk_session,
    wire_fields,
)
from tests.simulation import Simulator

OPTION = ".SPXW260318C7015"

# As tastytrade 13.2.3 asks for them and reads them.
FIELDS = {
    "Quote": "eventSymbol eventTime sequence timeNanoPart bidTime bidExchangeCode askTime "
    "askExchangeCode bidPrice askPrice bidSize askSize",
    "Trade": "eventSymbol eventTime time timeNanoPart sequence exchangeCode dayId tickDirection "
    "extendedTradingHours price change size dayVolume dayTurnover",
    "TradeETH": "eventSymbol eventTime time timeNanoPart sequence exchangeCode dayId tickDirection "
    "extendedTradingHours price change size dayVolume dayTurnover",
    "Summary": "eventSymbol eventTime dayId dayClosePriceType prevDayId prevDayClosePriceType "
    "openInterest dayOpenPrice dayHighPrice dayLowPrice dayClosePrice prevDayClosePrice "
    "prevDayVolume",
    "Greeks": "eventSymbol eventTime eventFlags index time sequence price volatility delta gamma "
    "theta rho vega",
    "TheoPrice": "eventSymbol eventTime eventFlags index time sequence price underlyingPrice delta "
    "gamma dividend interest",
    "Underlying": "eventSymbol eventTime eventFlags index time sequence volatility frontVolatility "
    "backVolatility callVolume putVolume optionVolume putCallRatio",
    "Candle": "eventSymbol eventTime eventFlags index time sequence count volume vwap bidVolume "
    "askVolume impVolatility openInterest open high low close",
}

# The SDK's shape: these fail when an upgrade moves what `normalize` leans on.


def test_the_sdk_has_the_shape_that_was_tried() -> None:
    assert tastytrade.VERSION.startswith("13.2.")
    assert frozenset({"NaN", "Infinity", "-Infinity"}) == NAN_VALUES
    assert REMOVE_EVENT == 2
    assert isinstance(MAP_EVENTS, dict)
    assert set(EVENT_TYPES) - {"TradeETH"} < set(MAP_EVENTS)
    for name in EVENT_TYPES:
        original = dx.Trade if name == "TradeETH" else getattr(dx, name)
        lenient = EVENT_CLASSES[name]
        assert issubclass(lenient, original)
        assert lenient.__name__ == name
        assert list(lenient.model_fields) == list(original.model_fields)
        assert lenient.model_json_schema()["title"] == name
        properties = list(original.model_json_schema()["properties"])
        assert list(wire_fields(name)) == properties == FIELDS[name].split()
        # One validator, in the place of the SDK's.
        validators = "field_validators"
        assert list(getattr(original.__pydantic_decorators__, validators)) == ["change_nan_to_none"]
        assert list(getattr(lenient.__pydantic_decorators__, validators)) == ["change_nan_to_none"]
        required = [key for key, field in lenient.model_fields.items() if field.is_required()]
        assert required == ["event_symbol"]


def test_the_sdk_still_needs_all_this() -> None:
    """When one of these fails, a part of `normalize` can go."""
    row = [OPTION, 0, 0, 0, 0, "", 0, "", "NaN", 0.05, "NaN", 3]
    assert dx.Quote.from_stream(row) == []  # a one-sided quote is dropped
    row = ["BTC/USD:CXTALP", 0, 1, 0, 1, "A", 1, "UP", False, 60000.5, 1, 0.0123, 1.5, 1]
    assert dx.Trade.from_stream(row) == []  # and so is a trade of a fraction of a coin
    with pytest.raises(TypeError):
        dx.Trade.from_stream([*row[:-1], []])
    with pytest.raises(KeyError):
        AccountBalance.model_validate({"unsettled-cryptocurrency-fiat-effect": "Debit"})


def test_installing_replaces_the_sdks_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cls in list(MAP_EVENTS.items()):
        monkeypatch.setitem(MAP_EVENTS, name, cls)
    order = [name for name in MAP_EVENTS if name != "TradeETH"]
    for _ in range(2):
        install_event_classes()
        assert list(MAP_EVENTS) == [*order, "TradeETH"]  # channel numbers follow from it
        assert {name: MAP_EVENTS[name] for name in EVENT_TYPES} == EVENT_CLASSES


def test_values_that_are_read_as_none_are_counted_where_the_connection_says() -> None:
    """By kind, for the connection whose frame is read; a row that nobody reads counts nowhere."""
    values = ["NaN", "Infinity", "-Infinity", "abc", [], True, None, 5]
    row: list[Any] = [OPTION, 0, 0, 0, 0, "", 0, "", 1, 0.05, 2, 3]
    rows = [[*row[:8], value, *row[9:]] for value in values]
    for each in rows:
        EVENT_CLASSES["Quote"].from_stream(each)
    nulled = DropStats()
    stream = MarketStream(
        SimpleNamespace(client_kwargs={}),  # type: ignore[arg-type]
        clock=SYSTEM_CLOCK,
        dropped=DropStats(),
        nulled=nulled,
        on_frame=lambda: None,
        on_channel_closed=lambda _: None,
    )
    channel = next(n for n, name in stream._channels_reversed.items() if name == "Quote")
    for each in rows:
        stream._map_message(["Quote", each], channel)
    stream.close_queues()
    assert nulled == {
        ("Quote", "unknown"): 1,
        ("Quote", "not finite"): 2,
        ("Quote", "unreadable"): 3,
    }


async def test_the_simulator_may_only_lead_to_loopback(simulator: Simulator) -> None:
    async with open_sdk_session(simulator.settings().broker) as sdk:
        redirect = sdk.client_kwargs["event_hooks"]["request"][0]
        with pytest.raises(ConfigurationError, match="loopback"):
            await redirect(httpx2.Request("GET", "https://example.com/"))
        request = httpx2.Request("GET", "https://api.tastyworks.com/customers/me?x=1")
        await redirect(request)
        assert str(request.url) == f"{simulator.hello['rest']}/customers/me?x=1"
        request = httpx2.Request("GET", "wss://streamer.tastyworks.com")
        await redirect(request)
        assert str(request.url) == simulator.hello["account_ws"]


def test_without_credentials_the_error_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="TT_SECRET and TT_REFRESH"):
        open_sdk_session(BrokerSettings())


async def test_production_requests_are_left_alone() -> None:
    settings = BrokerSettings(secret=SecretStr("s"), refresh=SecretStr("r"))
    async with open_sdk_session(settings) as sdk:
        hook = sdk.client_kwargs["event_hooks"]["request"][0]
        request = httpx2.Request("GET", "https://api.tastyworks.com/customers/me")
        await hook(request)
        assert str(request.url) == "https://api.tastyworks.com/customers/me"
