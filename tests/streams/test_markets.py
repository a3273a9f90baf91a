"""Which hours a symbol keeps, by what it looks like, and by what it is on."""

from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams import markets
from gateway.streams.markets import MARKETS, MAX_LEARNED, Market, learn_underlying, market_of
from gateway.streams.sessions import HOURS


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    yield
    markets._learned.clear()
    markets._market_of.cache_clear()


@pytest.mark.parametrize(
    ("market", "symbols"),
    [
        ("stocks", "SPY QQQ BRK/B SPX $TICK BF.B F .AAPL261218C200 .F261218C12.75 .TLT261218P90"),
        ("index options", ".SPX261218C6000 .SPXW260318C7015 .XSP261218P600"),
        ("index options", ".VIX261216C20 .VIXW261209C20 .NDX261218C25000"),
        ("index options", ".NDXP261218C25000 .RUT261218C2400 .RUTW261218C2400"),
        ("index options", ".DJX261218C450 .OEX261218C3000 VIX"),
        ("index options", ".SPY261218C600 .SPY261218C600.5 .QQQ261218P500"),
        ("index options", ".IWM261218C240 .DIA261218C450 .XLF261218C50 .EEM261218C45"),
        ("index options", ".VXX261218C50"),
        ("index futures", "/ESZ26:XCME /MESZ26:XCME /NQH27:XCME /M2KZ26:XCME /YMZ26:XCBT /ES:XCME"),
        ("index futures", "./E3AZ26C6000:XCME ./ESZ26P6000:XCME ./EW4X26C6000:XCME"),
        ("index futures", "./EWZ26C6000:XCME ./E1DZ26P6000:XCME ./EX2Z26C6000:XCME"),
        ("index futures", "./QN3Z26C25000:XCME ./Q2BZ26C25000:XCME ./QNEZ26C25000:XCME"),
        ("index futures", "./RTMZ26C2400:XCME ./R3EZ26C2400:XCME ./OYMZ26C45000:XCBT"),
        ("currency futures", "/6EZ26:XCME /6JH7:XCME /M6EZ26:XCME /6LZ26:XCME /6ZZ26:XCME"),
        ("currency futures", "./EUUZ26C1.1:XCME ./GBUZ26C1.3:XCME ./JPUZ26P0.0065:XCME"),
        ("currency futures", "./CAUZ26C0.73:XCME ./1EUZ26C1.1:XCME ./WE2Z26C1.1:XCME"),
        ("currency futures", "./MO3Z26C1.1:XCME ./WJ1Z26P0.0065:XCME"),
        ("interest rate futures", "/ZNZ26:XCBT /ZBH27:XCBT /10YZ26:XCBT /2YYZ26:XCBT /SR3H7:XCME"),
        ("interest rate futures", "./OZNZ26C110:XCBT ./OZBN25C142.5:XCBT ./OUBZ26C120:XCBT"),
        ("interest rate futures", "./OTNZ26C110:XCBT ./ZN1Z26C110:XCBT ./WY3Z26C110:XCBT"),
        ("interest rate futures", "./VY2Z26C110:XCBT ./SR3H27C96:XCME ./S0H27C96:XCME"),
        ("energy and metal futures", "/CLZ26:XNYM /GCG27:XCEC /NGZ26:XNYM ./LOZ26C70:XNYM"),
        ("energy and metal futures", "./LO1Z26C70:XNYM ./OGZ26C4000:XCEC ./G1MZ26C4000:XCEC"),
        ("energy and metal futures", "./ONZ26C4:XNYM ./LNZ26C4:XNYM ./SOZ26C50:XCEC"),
        ("energy and metal futures", "./HXEZ26C5:XCEC /CLZ26"),
        ("grain futures", "/ZCZ26:XCBT /ZSX26:XCBT /KEZ26:XCBT /XCZ26:XCBT /MZCZ26:XCBT"),
        ("grain futures", "./OZCH27C450:XCBT ./OZSF27C1000:XCBT ./OKEZ26C550:XCBT"),
        ("grain futures", "./OZWZ26C550:XCBT ./OZMZ26C300:XCBT ./OZLZ26C50:XCBT"),
        ("grain futures", "./ZC1Z26C450:XCBT ./ZS5X26C1000:XCBT ./OZOZ26C350:XCBT"),
        (
            "livestock futures",
            "/LEZ26:XCME /HEZ26:XCME /GFX26:XCME ./LEZ26C200:XCME ./HEZ26P80:XCME",
        ),
        ("crypto futures", "/BTCZ26:XCME /MBTZ26:XCME /METZ26:XCME ./BTCZ26C100000:XCME"),
        ("volatility futures", "/VXZ26:XCBF /VXMZ26:XCBF /VX48Z26:XCBF"),
        ("other futures", "/NEWZ26:XCME ./NEWZ26C1:XCBT /SM75Z26:XSML /LBRX26:XCME /IBHYZ26:XCBF"),
        ("crypto", "BTC/USD:CXTALP ETH/USD:CXTALP"),
    ],
)
def test_markets(market: Market, symbols: str) -> None:
    for symbol in symbols.split():
        assert market_of(symbol) == market, symbol
        assert market_of(f"{symbol}{{=5m,tho=true}}") == market, "candles as their instrument"


@pytest.mark.parametrize("month", "FGHJKMNQUVXZ")
@pytest.mark.parametrize(
    ("future", "option"),
    [("ZC", "OZC"), ("ZS", "OZS"), ("KE", "OKE"), ("6E", "EUU"), ("YM", "OYM"), ("ES", "EW4")],
)
def test_an_option_has_the_market_of_its_future(future: str, option: str, month: str) -> None:
    venue = "XCME" if future in {"6E", "ES"} else "XCBT"
    for year in ("26", "7"):
        on = market_of(f"/{future}{month}{year}:{venue}")
        assert on != "other futures"
        assert market_of(f"./{option}{month}{year}C450:{venue}") == on
        assert market_of(f"./{option}{month}{year}P450.5:{venue}") == on


def test_what_the_chain_says_counts_more_than_the_root() -> None:
    """A series that no table has, and one that the table has wrongly."""
    assert market_of("./NEWZ26C450:XCBT") == "other futures"
    learn_underlying("./NEWZ26C450:XCBT", "/ZCH27:XCBT")
    assert market_of("./NEWZ26C450:XCBT") == "grain futures"
    assert market_of("./NEWF27P400:XCBT{=5m}") == "grain futures", "of all months"
    learn_underlying("./OZCH27C450:XCBT", "/ESH27:XCME")
    assert market_of("./OZCH27C450:XCBT") == "index futures"
    assert market_of("/ZCH27:XCBT") == "grain futures", "a future is on nothing"


@pytest.mark.parametrize(
    ("option", "future"),
    [
        ("/ZCH27:XCBT", "/ESH27:XCME"),
        (".SPY261218C600", "/ESH27:XCME"),
        ("./NEWZ26C1", "SPY"),
        ("", ""),
    ],
)
def test_what_is_no_option_on_a_future_teaches_nothing(option: str, future: str) -> None:
    before = market_of(option)
    learn_underlying(option, future)
    assert market_of(option) == before
    assert not markets._learned


def test_learned_roots_are_bounded() -> None:
    for number in range(MAX_LEARNED + 10):
        learn_underlying(f"./R{number}AZ26C1:XCBT", "/ZCH27:XCBT")
    assert len(markets._learned) == MAX_LEARNED


@pytest.mark.parametrize(
    ("symbol", "day", "market"),
    [
        (".SPXW261218C6000", "2026-12-17", "index options"),
        (".SPXW261218C6000", "2026-12-18", "stocks"),
        (".XSP261218C600{=5m}", "2026-12-18", "stocks"),
        (".SPX261218C6000", "2026-12-18", "index options"),  # settles in the morning
        (".SPY261218C600", "2026-12-18", "index options"),
        (".AAPL261218C200", "2026-12-18", "stocks"),
        ("/ESZ26:XCME", "2026-12-18", "index futures"),
    ],
)
def test_on_its_last_day_an_option_may_end_earlier(symbol: str, day: str, market: Market) -> None:
    assert market_of(symbol, date.fromisoformat(day)) == market


def test_every_market_has_hours() -> None:
    assert set(HOURS) | {"crypto"} == set(MARKETS)


@given(st.text(max_size=64), st.none() | st.dates())
def test_any_text_has_a_market(symbol: str, day: date | None) -> None:
    assert market_of(symbol, day) in MARKETS
