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
from gateway.streams.upstream.sdk import EVENT_CLASSES, EVENT_TYPES, parse_balance
from tests.faults.trial import Trial
from tests.streams.upstream.reading import FIELDS, NOW_MS, OPTION, known, make_events, normalize

# A candle is a part of a series; see test_candles.
LONE_TYPES = [name for name in EVENT_TYPES if name != "Candle"]


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


def test_every_record_says_when_its_event_proves_nothing() -> None:
    for event_type in LONE_TYPES:
        for stale in (True, False):
            (event,) = make_events(event_type)
            records = Normalizer().normalize(event, NOW_MS, stale=stale)
            assert {each.stale for each in records} == {stale}


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
