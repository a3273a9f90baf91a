"""Which hours a symbol keeps, by what it looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.markets import ALWAYS_OPEN, MARKETS, Market, market_of
from gateway.streams.upstream.calendar import _CALENDARS


@pytest.mark.parametrize(
    ("market", "symbols"),
    [
        ("stocks", "SPY QQQ BRK/B SPX $TICK .SPY261218C600 .SPXW260318C7015 BF.B F"),
        ("index futures", "/ESZ26:XCME /MESZ26:XCME /NQH27:XCME /M2KZ26:XCME /YMZ26:XCBT /ES:XCME"),
        ("index futures", "./E3AZ26C6000:XCME ./ESZ26P6000:XCME /SM75Z26:XSML"),
        ("currency futures", "/6EZ26:XCME /6JH7:XCME /M6EZ26:XCME"),
        ("interest rate futures", "/ZNZ26:XCBT /ZBH27:XCBT /10YZ26:XCBT /2YYZ26:XCBT /SR3H7:XCME"),
        ("energy and metal futures", "/CLZ26:XNYM /GCG27:XCEC /NGZ26:XNYM ./LOZ26C70:XNYM"),
        ("grain futures", "/ZCZ26:XCBT /ZSX26:XCBT /KEZ26:XCBT"),
        ("livestock futures", "/LEZ26:XCME /HEZ26:XCME /GFX26:XCME"),
        ("crypto futures", "/BTCZ26:XCME /MBTZ26:XCME /METZ26:XCME"),
        ("volatility futures", "/VXZ26:XCBF"),
        ("crypto", "BTC/USD:CXTALP ETH/USD:CXTALP"),
    ],
)
def test_markets(market: Market, symbols: str) -> None:
    for symbol in symbols.split():
        assert market_of(symbol) == market
        assert market_of(f"{symbol}{{=5m,tho=true}}") == market, "candles as their instrument"


def test_every_market_has_hours() -> None:
    assert set(_CALENDARS) | {ALWAYS_OPEN} == set(MARKETS)


@given(st.text(max_size=64))
def test_any_text_has_a_market(symbol: str) -> None:
    assert market_of(symbol) in MARKETS
