"""Whatever a row holds, a record comes out that says only what is known."""

import json
import math
import random
from decimal import Decimal
from typing import Any

import pytest
import tastytrade.dxfeed as dx
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.markets import SessionState
from gateway.streams.records import (
    GreeksUpdate,
    MarketUpdate,
    QuoteUpdate,
    SummaryUpdate,
    TheoUpdate,
    TradeUpdate,
    UnderlyingUpdate,
    encode,
)
from gateway.streams.upstream.normalize import Normalizer, normalize_balance
from gateway.streams.upstream.sdk import EVENT_CLASSES, EVENT_TYPES, parse_balance, wire_fields
from tests.faults.trial import Trial

NOW_MS = 1_795_188_600_123
OPTION = ".SPXW260318C7015"

FIELDS = {name: list(wire_fields(name)) for name in EVENT_TYPES}
# A candle is a part of a series; see test_candles.
LONE_TYPES = [name for name in EVENT_TYPES if name != "Candle"]


def make_events(event_type: str, symbol: str = "SPY", **values: Any) -> list[Any]:
    """What comes of a row in which the rest is as when nothing is known."""
    assert set(values) <= set(FIELDS[event_type])
    row = [values.get(name, "NaN") for name in FIELDS[event_type]]
    row[0] = symbol
    return EVENT_CLASSES[event_type].from_stream(row)


def normalize(normalizer: Normalizer, event_type: str, *args: Any, **values: Any) -> Any:
    """The last record of one event."""
    (event,) = make_events(event_type, *args, **values)
    return normalizer.normalize(event, NOW_MS)[-1]


def known(record: Any) -> dict[str, Any]:
    """The values of a record that are not null."""
    body = json.loads(encode(record), parse_float=Decimal, parse_constant=pytest.fail)
    for name in ("type", "symbol", "updated_at", "source", "stale", "refused", "last_at"):
        body.pop(name, None)
    return {name: value for name, value in body.items() if value is not None}


# What comes out


def test_a_one_sided_option_quote() -> None:
    row = [OPTION, 0, 0, 0, 0, "", 0, "\0", "NaN", Decimal("0.05"), "NaN", 3]
    (event,) = EVENT_CLASSES["Quote"].from_stream(row)
    normalizer = Normalizer()
    normalize(normalizer, "Quote", OPTION, bidPrice=Decimal("0.01"), askPrice=Decimal("0.04"))
    (record,) = normalizer.normalize(event, NOW_MS)
    assert known(record) == {"ask": Decimal("0.05"), "ask_size": 3}
    assert record.updated_at == "2026-11-20T15:30:00.123Z"
    assert not normalizer.refused


def test_an_index_without_quotes_and_with_unknown_open_interest_keeps_its_previous_close() -> None:
    normalizer = Normalizer()
    summary = normalize(normalizer, "Summary", "SPX", prevDayClosePrice=Decimal("6000.50"))
    assert known(summary) == {"prev_close": Decimal("6000.50")}
    (event,) = make_events("Trade", "SPX", price=Decimal("6030.5025"))
    quote, trade = normalizer.normalize(event, NOW_MS)
    assert known(trade) == {"price": Decimal("6030.5025")}
    assert known(quote) == {
        "last": Decimal("6030.5025"),
        "prev_close": Decimal("6000.50"),
        "change": Decimal("30.0025"),
        "change_pct": Decimal("0.5000"),
    }


def test_a_quote_merges_three_events_and_null_replaces_what_was_known() -> None:
    normalizer = Normalizer()
    normalize(normalizer, "Quote", bidPrice=1, askPrice=2, bidSize=3, askSize=4)
    normalize(normalizer, "Trade", price=5, dayVolume=6)
    (event,) = make_events(
        "Summary", dayOpenPrice=7, dayHighPrice=8, dayLowPrice=9, prevDayClosePrice=10
    )
    quote, _ = normalizer.normalize(event, NOW_MS)
    names = [
        "bid",
        "ask",
        "bid_size",
        "ask_size",
        "last",
        "volume",
        "open",
        "high",
        "low",
        "prev_close",
    ]
    expected: dict[str, Any] = dict(zip(names, range(1, 11), strict=True))
    expected |= {"change": -5, "change_pct": Decimal("-50.0000")}
    assert known(quote) == expected
    quote = normalize(normalizer, "Quote", askPrice=2)
    assert quote.bid is quote.bid_size is quote.ask_size is None
    assert quote.last == 5
    normalizer.forget(["SPY", "never seen"])
    assert known(normalize(normalizer, "Quote", bidPrice=1)) == {"bid": 1}


def test_every_other_type() -> None:
    normalizer = Normalizer()
    cases: list[tuple[str, dict[str, Any], dict[str, Any], type[Any]]] = [
        (
            "Trade",
            {"price": 1, "size": Decimal("0.5"), "dayVolume": 3, "dayTurnover": 4, "time": 5}
            | {"tickDirection": "UP", "extendedTradingHours": True},
            {"price": 1, "size": Decimal("0.5"), "volume": 3, "turnover": 4, "time": 5}
            | {"tick_direction": "UP", "extended_hours": True},
            TradeUpdate,
        ),
        (
            "Summary",
            {"dayOpenPrice": 1, "dayHighPrice": 2, "dayLowPrice": 3, "dayClosePrice": 4}
            | {"prevDayClosePrice": 5, "prevDayVolume": 6, "openInterest": 7},
            {"open": 1, "high": 2, "low": 3, "close": 4, "prev_close": 5, "prev_volume": 6}
            | {"open_interest": 7},
            SummaryUpdate,
        ),
        (
            "Greeks",
            {"price": 1, "volatility": 2, "delta": -3, "gamma": 4, "theta": -5, "rho": 6, "vega": 7}
            | {"time": 8},
            {"price": 1, "volatility": 2, "delta": -3, "gamma": 4, "theta": -5, "rho": 6, "vega": 7}
            | {"time": 8},
            GreeksUpdate,
        ),
        (
            "TheoPrice",
            {"price": 1, "underlyingPrice": 2, "delta": 3, "gamma": 4, "dividend": 5}
            | {"interest": -6, "time": 7},
            {"price": 1, "underlying_price": 2, "delta": 3, "gamma": 4, "dividend": 5}
            | {"interest": -6, "time": 7},
            TheoUpdate,
        ),
        (
            "Underlying",
            {"volatility": 1, "frontVolatility": 2, "backVolatility": 3, "callVolume": 4}
            | {"putVolume": 5, "optionVolume": 6, "putCallRatio": 7, "time": 8},
            {"volatility": 1, "front_volatility": 2, "back_volatility": 3, "call_volume": 4}
            | {"put_volume": 5, "option_volume": 6, "put_call_ratio": 7, "time": 8},
            UnderlyingUpdate,
        ),
    ]
    for event_type, values, expected, cls in cases:
        record = normalize(normalizer, event_type, **values)
        assert type(record) is cls
        assert known(record) == expected
        # And with nothing known, everything is null.
        assert known(normalize(normalizer, event_type)) == {}
    assert not normalizer.refused


@pytest.mark.parametrize("event_type", ["Greeks", "TheoPrice", "Underlying"])
def test_a_removed_event_has_no_values(event_type: str) -> None:
    """An empty snapshot is BEGIN|END|REMOVE, with zeros in it that mean nothing."""
    zeros = dict.fromkeys(FIELDS[event_type][3:], 0)
    assert known(normalize(Normalizer(), event_type, OPTION, eventFlags=14, **zeros)) == {}
    assert known(normalize(Normalizer(), event_type, OPTION, eventFlags=12, **zeros)) != {}


def test_impossible_values_become_null_and_are_counted() -> None:
    normalizer = Normalizer()
    record = normalize(
        normalizer, "Quote", bidPrice=-1, askPrice=Decimal("1E+308"), bidSize=-2, askSize=5
    )
    assert known(record) == {"ask_size": 5}
    record = normalize(normalizer, "Underlying", callVolume=-1, putVolume=10**30)
    assert known(record) == {}
    assert normalizer.refused == {
        ("Quote", "negative price"): 1,
        ("Quote", "too large"): 1,
        ("Quote", "negative size"): 1,
        ("Underlying", "negative size"): 1,
        ("Underlying", "too large"): 1,
    }
    (event,) = make_events("Quote")
    event = event.model_copy(update={"bid_price": Decimal("NaN"), "ask_size": Decimal("Infinity")})
    assert known(Normalizer().normalize(event, NOW_MS)[0]) == {}


def test_each_value_is_counted_once_however_often_its_record_goes_out() -> None:
    """A quote is one record of three events: what one of them brought is not counted with each."""
    normalizer = Normalizer()
    normalize(normalizer, "Quote", bidPrice=-1, askPrice=2, askSize=1)
    normalize(normalizer, "Trade", price=-3, dayVolume=-4)
    normalize(normalizer, "Summary", dayHighPrice=-5, openInterest=-6)
    for _ in range(10):
        normalize(normalizer, "Quote", bidPrice=1, askPrice=2)
    assert normalizer.refused == {
        ("Quote", "negative price"): 1,
        ("Trade", "negative price"): 1,
        ("Trade", "negative size"): 1,
        ("Summary", "negative price"): 1,
        ("Summary", "negative size"): 1,
    }
    normalize(normalizer, "Quote", bidPrice=3, askPrice=2)
    assert normalizer.suspicious == {("Quote", "crossed"): 1}


@pytest.mark.parametrize("event_type", ["Quote", "Trade", "Summary"])
def test_after_a_restart_a_quote_is_stale_until_every_part_has_come(event_type: str) -> None:
    normalizer = Normalizer()
    parts: dict[str, dict[str, Any]] = {
        "Quote": {"bidPrice": 1},
        "Trade": {"price": 2},
        "Summary": {"dayOpenPrice": 3},
    }

    def take(name: str) -> QuoteUpdate:
        (event,) = make_events(name, **parts[name])
        quote = normalizer.normalize(event, NOW_MS)[0]
        assert isinstance(quote, QuoteUpdate)
        return quote

    for name in parts:
        assert not take(name).stale
    normalizer.restart()
    assert normalizer.is_old("SPY")
    for name in set(parts) - {event_type}:
        assert take(name).stale
    assert not normalizer.give_up("Greeks", ["SPY", "never seen"], NOW_MS, stale=())
    (given_up,) = normalizer.give_up(event_type, ["SPY"], NOW_MS, stale=())
    assert not given_up.stale
    assert not normalizer.is_old("SPY")
    expected = {"bid": 1, "last": 2, "open": 3}
    del expected[{"Quote": "bid", "Trade": "last", "Summary": "open"}[event_type]]
    assert known(given_up) == expected
    assert not take(event_type).stale


def test_every_record_says_when_its_event_proves_nothing() -> None:
    for event_type in LONE_TYPES:
        for stale in (True, False):
            (event,) = make_events(event_type)
            records = Normalizer().normalize(event, NOW_MS, stale=stale)
            assert {each.stale for each in records} == {stale}


@pytest.mark.parametrize("symbol", ["$TICK", "TICK", "$ADD", "ADD", "TICK{=5m}"])
def test_an_index_below_zero_is_shown_and_counted(symbol: str) -> None:
    """In every event that has prices: an index such as the TICK is below zero half of the time."""
    for event_type, values, name in (
        ("Trade", {"price": Decimal(-432), "size": Decimal(0)}, "price"),
        ("Summary", {"dayLowPrice": Decimal(-1000), "prevDayClosePrice": Decimal(-7)}, "low"),
        ("Quote", {"bidPrice": Decimal(-432)}, "bid"),
        ("Candle", {"low": Decimal(-432), "time": 1_795_188_600_000, "eventFlags": 0}, "low"),
    ):
        normalizer = Normalizer()
        record = normalize(normalizer, event_type, symbol, **values)
        assert getattr(record, name) == (-1000 if event_type == "Summary" else -432)
        assert not normalizer.refused
        assert normalizer.suspicious[event_type, "below zero"] >= 1
        assert b"refused" not in encode(record)


@pytest.mark.parametrize("symbol", [OPTION, "BTC/USD:CXTALP"])
def test_what_is_surely_wrong_is_null_and_named_in_the_record(symbol: str) -> None:
    normalizer = Normalizer()
    (event,) = make_events("Trade", symbol, price=Decimal(-1), size=Decimal(5))
    quote, trade = normalizer.normalize(event, NOW_MS)
    assert trade.price is None  # type: ignore[union-attr]
    assert json.loads(encode(trade))["refused"] == ["price"]
    assert json.loads(encode(quote))["refused"] == ["last"]
    quote = normalize(normalizer, "Quote", symbol, bidPrice=Decimal(-2), askSize=Decimal(-1))
    assert json.loads(encode(quote))["refused"] == ["last", "bid", "ask_size"]
    normalize(normalizer, "Trade", symbol, price=Decimal(3))
    quote = normalize(normalizer, "Quote", symbol, bidPrice=Decimal(2))
    assert b"refused" not in encode(quote), "right values have come since"


def test_what_somebody_offers_a_size_of_is_never_below_zero() -> None:
    normalizer = Normalizer()
    normalize(
        normalizer, "Quote", bidPrice=600, askPrice=601, bidSize=Decimal(1), askSize=Decimal(1)
    )
    assert normalize(normalizer, "Trade", price=Decimal("-600.25")).price is None
    assert normalize(normalizer, "Summary", dayLowPrice=Decimal(-1)).low is None
    assert normalizer.refused.total() == 2
    normalizer.forget(["SPY"])
    assert normalize(normalizer, "Trade", price=Decimal(-1)).price == -1


# Extended hours

CLOSE_MS = 1_795_210_800_000


def after_hours(state: SessionState | None, *, time: int, is_extended: bool = True) -> QuoteUpdate:
    """The quote after a regular trade at the close and one of extended hours."""
    normalizer = Normalizer()
    normalizer.session_states = {"stocks": state}
    normalize(normalizer, "Trade", "AAPL", price=Decimal("229.48"), time=CLOSE_MS)
    quote = normalize(
        normalizer,
        "TradeETH",
        "AAPL",
        price=Decimal("299.90"),
        time=time,
        extendedTradingHours=is_extended,
    )
    assert isinstance(quote, QuoteUpdate)
    return quote


def test_after_the_close_the_extended_price_stands_beside_the_regular_one() -> None:
    states: tuple[SessionState | None, ...] = ("closed", None)
    for state in states:
        quote = after_hours(state, time=CLOSE_MS + 3_600_000)
        assert quote.last == Decimal("229.48")
        assert quote.extended_last == Decimal("299.90")
        assert quote.extended_change == Decimal("70.42")
        assert quote.last_at == "extended"


@pytest.mark.parametrize(
    ("state", "time", "is_extended"),
    [
        ("open", CLOSE_MS + 1, True),
        ("closed", CLOSE_MS - 3_600_000, True),
        ("closed", CLOSE_MS + 1, False),
    ],
)
def test_in_regular_hours_and_before_the_last_trade_there_is_no_extended_price(
    state: SessionState, time: int, is_extended: bool
) -> None:
    quote = after_hours(state, time=time, is_extended=is_extended)
    assert (quote.extended_last, quote.extended_change, quote.last_at) == (None, None, "regular")


def test_the_extended_price_goes_when_the_market_opens() -> None:
    normalizer = Normalizer()
    normalizer.session_states = {"stocks": "closed"}
    normalize(normalizer, "Trade", price=Decimal(1), time=CLOSE_MS)
    quote = normalize(
        normalizer, "TradeETH", price=Decimal(2), time=CLOSE_MS + 1, extendedTradingHours=True
    )
    assert quote.extended_last == 2
    normalizer.session_states = {"stocks": "open"}
    quote = normalizer.with_session(quote)
    assert (quote.market, quote.extended_last, quote.last_at) == ("open", None, "regular")
    normalizer.session_states = {"stocks": "closed"}
    assert normalizer.with_session(quote).extended_last == 2


def test_futures_trade_below_zero_and_a_crossed_quote_is_passed_on() -> None:
    for symbol in ("/CLZ26:XNYM", "./CLZ26C60:XNYM"):
        record = normalize(Normalizer(), "Quote", symbol, bidPrice=Decimal("-37.63"), askPrice=-40)
        assert (record.bid, record.ask) == (Decimal("-37.63"), Decimal(-40))


@pytest.mark.parametrize(
    ("last", "prev_close", "percent"),
    [
        ("1", "0", None),
        ("0", "0", None),
        ("0", "4", "-100.0000"),
        ("1E+18", "1E-300", None),
        ("1", "1E-30", None),
        ("1", "3", "-66.6667"),
    ],
)
def test_change_in_percent(last: str, prev_close: str, percent: str | None) -> None:
    normalizer = Normalizer()
    normalize(normalizer, "Trade", price=Decimal(last))
    (event,) = make_events("Summary", prevDayClosePrice=Decimal(prev_close))
    record = normalizer.normalize(event, NOW_MS)[0]
    assert isinstance(record, QuoteUpdate)
    assert record.change is not None
    assert record.change_pct == (None if percent is None else Decimal(percent))


def test_zero_for_a_time_is_unknown() -> None:
    for value in (0, -1, "NaN", 10**30):
        assert normalize(Normalizer(), "Trade", time=value).time is None


@pytest.mark.parametrize("value", ["abc", "", [], {}, [1], True, "0x10", "nan", "-NaN", b"x"])
def test_one_unreadable_field_hides_no_other(value: Any) -> None:
    record = normalize(Normalizer(), "Quote", bidPrice=value, askPrice=2)
    assert record.ask == 2
    assert record.bid in (None, 1)


def test_a_row_without_a_symbol_is_no_event() -> None:
    for symbol in ("NaN", None, 5):
        assert make_events("Quote", symbol) == []  # type: ignore[arg-type]


def test_unknown_classes_are_refused() -> None:
    profile: Any = dx.Profile
    event = profile.model_construct(event_symbol="SPY")
    with pytest.raises(TypeError, match="Profile"):
        Normalizer().normalize(event, NOW_MS)


# Fuzz

DOUBLES = st.floats() | st.floats(0, 10_000) | st.sampled_from([0.0, -0.0, 5e-324, 1.8e308])


def to_wire(value: Any) -> Any:
    """A value as it arrives: decimals for fractions, words for what JSON has no number for."""
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return Decimal(repr(value))
    return value


def check_record(record: MarketUpdate, row: dict[Any, Any]) -> None:
    """Nothing but finite numbers, and no 0 that was not in the row."""
    text = encode(record).decode()
    body = json.loads(text, parse_float=Decimal, parse_constant=pytest.fail)
    assert list(body) == ["type", *(each for each in record.__struct_fields__ if each in body)]
    assert set(body) | {"refused"} == {"type", *record.__struct_fields__}
    values = known(record)
    computed = {"change", "change_pct", "extended_change"}
    for name, value in values.items():
        if name in computed or isinstance(value, bool | str):
            continue
        assert any(
            value == each
            for each in row.values()
            if isinstance(each, int | Decimal) and not isinstance(each, bool)
        ), (name, value)
        assert abs(value) < 10**19
        assert math.isfinite(float(value))


@given(
    event_type=st.sampled_from(EVENT_TYPES),
    symbol=st.sampled_from(["SPY", OPTION, "/ESZ26:XCME", "BTC/USD:CXTALP", "<b>\r\n\0"]),
    data=st.data(),
)
def test_no_row_raises_or_invents(event_type: str, symbol: str, data: st.DataObject) -> None:
    value = DOUBLES | st.integers() | st.none() | st.booleans() | st.text(max_size=5)
    names = FIELDS[event_type]
    row = [to_wire(data.draw(value)) for _ in names]
    row[0] = symbol
    normalizer = Normalizer()
    for event in EVENT_CLASSES[event_type].from_stream(row):
        records = normalizer.normalize(event, NOW_MS)
        assert records or event_type == "Candle"
        for record in records:
            encode(record)
            assert record.symbol == symbol
            known(record)


@pytest.mark.fault(9)
def test_ten_thousand_plausible_rows(trial: Trial) -> None:
    """With one normalizer, so that merging is fuzzed too; the seed is fixed."""
    draw = random.Random(20_261_120)
    normalizer = Normalizer()
    symbols = ["SPY", OPTION, "/ESZ26:XCME", "BTC/USD:CXTALP"]
    known_rows: dict[tuple[str, str], dict[str, Any]] = {}

    def make_value(name: str) -> Any:
        kind = draw.random()
        if name in ("bidExchangeCode", "askExchangeCode", "exchangeCode"):
            return draw.choice(["", "\0", "Q"])
        if name in ("tickDirection", "dayClosePriceType", "prevDayClosePriceType"):
            return draw.choice(["ZERO_UP", "UNDEFINED", "FINAL"])
        if name == "extendedTradingHours":
            return draw.random() < 0.5
        if name in ("eventTime", "sequence", "index", "timeNanoPart", "dayId", "prevDayId"):
            return draw.randrange(10**9)
        if name == "eventFlags":
            return draw.choice([0, 0, 0, 4, 8, 12, 14])
        if kind < 0.25:
            return draw.choice(["NaN", "Infinity", "-Infinity", None])
        if kind < 0.3:
            return draw.choice([-1, Decimal("-0.01"), Decimal("1.8E+308"), Decimal("5E-324")])
        if kind < 0.5:
            return draw.randrange(1, 10**6)
        return Decimal(draw.randrange(1, 10**8)).scaleb(-draw.randrange(8))

    count = 0
    for _ in range(10_000):
        event_type, symbol = draw.choice(LONE_TYPES), draw.choice(symbols)
        row = {name: make_value(name) for name in FIELDS[event_type]}
        row["eventSymbol"] = symbol
        (event,) = EVENT_CLASSES[event_type].from_stream(list(row.values()))
        known_rows[event_type, symbol] = row
        merged: dict[Any, Any] = {
            (kind, key): value
            for kind in (event_type, "Quote", "Trade", "TradeETH", "Summary")
            for key, value in known_rows.get((kind, symbol), {}).items()
        }
        for record in normalizer.normalize(event, NOW_MS):
            count += 1
            check_record(record, merged)
            # No 0 is ever in these rows, so none may come out, except a change of nothing.
            zeros = {name for name, value in known(record).items() if value == 0}
            assert zeros - {"extended_hours"} <= {"change", "change_pct", "extended_change"}
            if isinstance(record, QuoteUpdate) and record.last is None:
                assert record.change is record.change_pct is None
    assert count > 10_000
    reasons = {reason for _, reason in normalizer.refused}
    assert reasons == {"negative price", "negative size", "too large"}

    trial.tell(f"10,000 fuzzed rows, {count} records: nothing that was not in a row, no 0")


# Balances

BALANCE = {
    "account-number": "5WX00001",
    "net-liquidating-value": "100000.00",
    "derivative-buying-power": "50000.00",
    "equity-buying-power": "60000.00",
    "cash-balance": "70000.00",
}


def test_a_balance_with_what_matters() -> None:
    balance = parse_balance(dict(BALANCE))
    assert balance is not None
    record = normalize_balance(balance, "rest", NOW_MS)
    assert record is not None
    body = encode(record).decode()
    assert '"balance":100000.00,"buying_power":50000.00,' in body
    assert '"equity_buying_power":60000.00,"cash":70000.00,"currency":"USD"' in body
    assert record.timestamp == NOW_MS


@pytest.mark.parametrize("name", sorted(BALANCE))
@pytest.mark.parametrize("value", ["NaN", "Infinity", None, "abc", [], ...])
def test_a_balance_with_something_missing(name: str, value: Any) -> None:
    data: dict[str, Any] = {key: each for key, each in BALANCE.items() if key != name}
    if value is not ...:
        data[name] = value
    balance = parse_balance(data)
    record = balance and normalize_balance(balance, "rest", NOW_MS)
    if name == "net-liquidating-value":
        assert not record
    elif record:
        assert b":0" not in encode(record)
        known_values = json.loads(encode(record), parse_constant=pytest.fail)
        assert known_values["balance"] == 100000


@pytest.mark.parametrize(
    "data",
    [
        *[None, [], "x", 5, {}, {"account-number": None}],
        BALANCE | {"unsettled-cryptocurrency-fiat-effect": "Debit"},
        BALANCE | {"pending-cash-effect": "Debit"},
        BALANCE | {"pending-cash-effect": "Debit", "pending-cash": "abc"},
        BALANCE | {"pending-cash-effect": "Debit", "pending-cash": None},
        BALANCE | {"pending-cash-effect": "Debit", "pending-cash": []},
    ],
)
def test_what_is_no_balance(data: Any) -> None:
    assert parse_balance(data) is None


@given(
    st.dictionaries(
        st.sampled_from(
            [*BALANCE, "pending-cash", "pending-cash-effect", "snapshot-date", "updated-at"]
        ),
        st.sampled_from(["Debit", "Credit", "None", "1.5", "-1", "NaN", "sNaN", "", "1E+99"])
        | st.none()
        | st.floats()
        | st.integers()
        | st.lists(st.integers()),
    )
)
def test_no_balance_raises(data: dict[str, Any]) -> None:
    balance = parse_balance(data)
    record = balance and normalize_balance(balance, "rest", NOW_MS)
    if record:
        json.loads(encode(record), parse_constant=pytest.fail)
        assert record.account == data["account-number"]
