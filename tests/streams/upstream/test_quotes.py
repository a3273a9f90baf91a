"""A quote merged of three events: what is known, derived and fresh."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.streams.markets import SessionState
from gateway.streams.records import (
    QuoteUpdate,
)
from gateway.streams.upstream.normalize import Normalizer
from tests.streams.upstream.reading import NOW_MS, known, make_events, normalize


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
