import math
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.market.book import GREEKS, QUOTE, SUMMARY, TRADE, Book
from gateway.simulator.market.market import Market
from gateway.simulator.market.pricing import RATE, years_until
from gateway.simulator.market.universe import Kind, list_universe

UNIVERSE = list_universe(date(2026, 11, 20))
START = 1_795_190_400.0  # 2026-11-20 16:00 UTC
CALL, PUT, FAR = ".SPY261218C600", ".SPY261218P600", ".SPXW261127C7500"


def make_market(seed: int = 7, *, rate: float = 1.0, is_open: bool = True) -> Market:
    return Market(UNIVERSE, seed=seed, now=START, rate=rate, is_open=is_open)


def is_on_tick(price: float, tick: float) -> bool:
    return Decimal(str(price)) % Decimal(str(tick)) == 0


def check(book: Book) -> None:
    """What must hold of any book at any time."""
    item, option = book.instrument, book.option
    if item is not None:
        tick = item.tick
    else:
        assert option is not None
        tick = option.tick if min(book.last, book.ask) < 3 else option.tick_above
    assert is_on_tick(book.last, tick)
    assert book.last > 0
    if book.has_quote:
        assert is_on_tick(book.ask, tick)
        assert book.ask_size > 0
        if math.isnan(book.bid):
            assert book.kind is Kind.OPTION
            assert math.isnan(book.bid_size)
        else:
            assert is_on_tick(book.bid, tick)
            assert 0 < book.bid < book.ask
            assert book.bid_size > 0
    else:
        assert book.kind is Kind.INDEX
        assert math.isnan(book.bid)
        assert math.isnan(book.ask)
    assert book.day_low <= book.last <= book.day_high
    assert book.day_low <= book.day_open <= book.day_high


@settings(max_examples=8)
@given(st.integers(), st.lists(st.floats(0.001, 30.0), min_size=1, max_size=15))
def test_books_hold_together_while_the_market_moves(seed: int, steps: list[float]) -> None:
    market = make_market(seed)
    watched = (CALL, PUT, FAR, ".TSLA261218P350", ".SPXW261218C6000")
    for symbol in watched:
        market.watch(symbol)
    now = START
    symbols = [*UNIVERSE.instruments, *watched]
    for step in steps:
        now += step
        before = {symbol: book.volume for symbol in symbols if (book := market.find(symbol))}
        changed = market.advance(now)
        for symbol in symbols:
            book = market.find(symbol)
            assert book is not None
            check(book)
            assert book.volume >= before[symbol]
            if book.volume > before[symbol]:
                assert changed[symbol] & TRADE


@settings(max_examples=10)
@given(st.integers(), st.lists(st.floats(0.01, 5.0), min_size=1, max_size=10))
def test_the_same_seed_and_instants_give_the_same_market(seed: int, steps: list[float]) -> None:
    one, two = make_market(seed), make_market(seed)
    now = START
    for step in steps:
        now += step
        assert one.advance(now) == two.advance(now)
    for symbol in (*UNIVERSE.instruments, CALL):
        a, b = one.find(symbol), two.find(symbol)
        assert a is not None
        assert b is not None
        shown = ("bid", "ask", "bid_size", "ask_size", "last", "volume", "time_ms", "sequence")
        assert [repr(getattr(a, name)) for name in shown] == [
            repr(getattr(b, name)) for name in shown
        ]


def test_other_seeds_give_other_markets() -> None:
    prices = {seed: make_market(seed).mark("SPY") for seed in range(5)}
    assert len(set(prices.values())) == 5


@settings(max_examples=20)
@given(
    st.sampled_from([option for option in UNIVERSE.options.values() if option.is_call]),
    st.integers(0, 50),
)
def test_quotes_greeks_and_theory_agree(call: object, seed: int) -> None:
    market = make_market(seed)
    symbol: str = call.symbol  # type: ignore[attr-defined]
    a = market.find(symbol)
    b = market.find(symbol[: symbol.rindex("C")] + "P" + symbol[symbol.rindex("C") + 1 :])
    assert a is not None
    assert b is not None
    assert a.option is not None
    assert a.theoretical is not None
    assert b.theoretical is not None
    spot = market.find(a.option.underlying)
    assert spot is not None
    life = years_until(a.option.expiry, market.now)
    forward = float(spot.mark) * math.exp(-spot.dividend * life) - a.option.strike * math.exp(
        -RATE * life
    )
    assert a.theoretical.price - b.theoretical.price == pytest.approx(forward, abs=1e-4)
    assert a.volatility == b.volatility
    for book in (a, b):
        assert book.theoretical is not None
        low = 0.0 if math.isnan(book.bid) else book.bid
        assert low - 0.01 <= book.theoretical.price <= book.ask + 0.01
        check(book)


def test_far_options_have_no_bid() -> None:
    book = make_market().find(FAR)
    assert book is not None
    assert math.isnan(book.bid)
    assert book.ask == 0.05
    assert book.mark == Decimal("0.025")


def test_a_closed_market_stands_still() -> None:
    market = make_market(is_open=False)
    market.watch(CALL)
    before = market.mark("SPY"), market.mark(CALL)
    assert market.advance(START + 3600) == {}
    assert (market.mark("SPY"), market.mark(CALL)) == before
    market.set_open(True, START + 3600)
    assert market.advance(START + 3602)
    assert market.now == START + 3602


def test_pace() -> None:
    def count(market: Market) -> int:
        steps = (market.advance(START + n * 0.01) for n in range(1, 501))
        return sum("SPY" in changed and changed["SPY"] & QUOTE == QUOTE for changed in steps)

    slow, lively, flood = make_market(rate=0.2), make_market(), make_market()
    flood.set_pace(flood_per_s=50)
    frozen = make_market(rate=0)
    assert frozen.period_s == 1.0
    assert count(frozen) == 0
    assert count(flood) == pytest.approx(250, abs=2)
    assert 1 <= count(slow) < 10 < count(lively) < 40
    flood.set_pace(rate=2.0, flood_per_s=0)
    assert flood.period_s < lively.period_s


def test_watching_is_counted() -> None:
    market = make_market()
    market.set_pace(flood_per_s=100)
    market.watch(CALL)
    market.watch(CALL)
    market.watch("SPY")
    market.unwatch(CALL)
    assert market.advance(START + 1)[CALL] & (QUOTE | GREEKS) == QUOTE | GREEKS
    market.unwatch(CALL)
    market.unwatch(CALL)
    assert CALL not in market.advance(START + 2)


def test_a_quote_by_hand_stays() -> None:
    market = make_market()
    bits = market.set_quote("SPY", bid=math.nan, ask=612.34, last=999.0)
    assert bits == QUOTE | TRADE | SUMMARY
    market.advance(START + 5)
    book = market.find("SPY")
    assert book is not None
    assert (repr(book.bid), book.ask, book.last, book.day_high) == ("nan", 612.34, 999.0, 999.0)
    market.set_frozen(["SPY"], is_frozen=False)
    market.advance(START + 15)
    assert book.bid < book.ask < 650


def test_an_index_quoted_by_hand_loses_the_quote_again() -> None:
    market = make_market()
    market.set_quote("SPX", bid=1.0, ask=2.0)
    assert market.mark("SPX") == Decimal("1.5")
    market.set_frozen(["SPX"], is_frozen=False)
    book = market.find("SPX")
    assert book is not None
    assert not book.has_quote


def test_a_book_without_any_price_is_worth_nothing() -> None:
    market = make_market()
    market.set_quote("SPY", bid=5.0, ask=math.nan)
    assert market.mark("SPY") == 5
    book = market.find("SPY")
    assert book is not None
    book.bid = book.last = math.nan
    assert book.mark == 0


@pytest.mark.parametrize("symbol", ["NOPE", ".SPY261218C1", ""])
def test_unknown_symbols(symbol: str) -> None:
    market = make_market()
    assert market.find(symbol) is None
    market.watch(symbol)
    market.unwatch(symbol)
    with pytest.raises(KeyError):
        market.mark(symbol)
    with pytest.raises(KeyError):
        market.set_quote(symbol, bid=1, ask=2)
    with pytest.raises(KeyError):
        market.set_frozen([symbol], is_frozen=True)


def test_a_new_day_begins() -> None:
    market = make_market()
    book = market.find("SPY")
    assert book is not None
    market.advance(START + 60)
    last, volume, day = book.last, book.volume, book.day_id
    changed = market.advance(START + 24 * 3600)
    assert changed["SPY"] & SUMMARY
    assert (book.day_id, book.prev_close, book.prev_volume) == (day + 1, last, volume)
    check(book)


def test_indices_follow() -> None:
    market = make_market(rate=20)
    first = {symbol: float(market.mark(symbol)) for symbol in ("SPY", "SPX", "/ESZ26:XCME")}
    market.advance(START + 600)
    moves = [float(market.mark(symbol)) / price - 1 for symbol, price in first.items()]
    assert moves[1] == pytest.approx(moves[0], abs=2e-4)
    assert moves[2] == pytest.approx(moves[0], abs=2e-4)
