"""Which records of the feed a position is valued with."""

from decimal import Decimal
from typing import Any

from gateway.streams.records import GreeksUpdate, Record, TheoUpdate
from gateway.streams.topics import Topic
from gateway.streams.upstream.budget import RequestBudget
from gateway.streams.upstream.held_position import HeldPosition, find_price, read_prices
from gateway.streams.upstream.instruments import Instrument, InstrumentKey, Instruments
from tests.streams.samples import AT, make_quote
from tests.streams.upstream.deskwork import SessionStandIn, make_row, to_row


def make_greeks(price: str | None) -> GreeksUpdate:
    values: dict[str, Any] = dict.fromkeys(
        ("volatility", "delta", "gamma", "theta", "rho", "vega", "time")
    )
    known = None if price is None else Decimal(price)
    return GreeksUpdate(symbol="X", updated_at=AT, price=known, **values)


def make_theo(price: str) -> TheoUpdate:
    values: dict[str, Any] = dict.fromkeys(
        ("underlying_price", "delta", "gamma", "dividend", "interest", "time")
    )
    return TheoUpdate(symbol="X", updated_at=AT, price=Decimal(price), **values)


def test_the_theoretical_price_is_the_greeks_where_the_feed_gives_no_other() -> None:
    assert read_prices(None, make_greeks("1.5"), None).theo == Decimal("1.5")
    assert read_prices(None, make_greeks("1.5"), make_theo("1.6")).theo == Decimal("1.6")
    assert read_prices(None, None, None).theo is None
    assert read_prices(make_quote("X", 3), make_greeks(None), None).theo is None


def test_an_underlying_is_priced_within_its_bid_and_ask() -> None:
    assert find_price(make_quote("SPY", 10, bid=Decimal(11), ask=Decimal(12))) == 11
    assert find_price(make_quote("SPY")) is None
    assert find_price(None) is None


def make_instruments() -> Instruments:
    session: Any = SessionStandIn()
    return Instruments(RequestBudget(session))


def test_a_contract_whose_row_says_one_gets_what_a_point_is_worth() -> None:
    instruments = make_instruments()
    key = InstrumentKey("Future", "/ESZ6")
    row = to_row(
        make_row("/ESZ6", 2, instrument_type="Future", streamer_symbol=None, multiplier="1.0")
    )
    held = HeldPosition(row)
    held.take(row, instruments)
    assert [held.symbol, held.holding.multiplier] == [None, 1]
    instruments.learn(
        [
            Instrument(
                key=key,
                streamer_symbol="/ESZ26:XCME",
                multiplier=Decimal(50),
                index_equivalent=Decimal(506),
            )
        ]
    )
    held.take(row, instruments)
    assert (held.symbol, held.underlying) == ("/ESZ26:XCME", "/ESZ26:XCME")
    assert [held.holding.multiplier, held.index_equivalent] == [50, 506]


def test_it_looks_at_its_own_prices_always_and_at_others_slowly() -> None:
    records: dict[Topic, Record] = {}
    instruments = make_instruments()
    instruments.learn([Instrument(key=InstrumentKey("Equity", "AAPL"), streamer_symbol="AAPL")])
    row = to_row(make_row("AAPL"))
    held = HeldPosition(row)
    held.take(row, instruments)
    assert held.look(records.get, is_slow=False)
    assert not held.look(records.get, is_slow=True)
    spy = make_quote("SPY", 600)
    records[spy.topic] = spy
    assert not held.look(records.get, is_slow=False)
    assert held.look(records.get, is_slow=True)
    quote = make_quote("AAPL", 1)
    records[quote.topic] = quote
    assert held.look(records.get, is_slow=False)
