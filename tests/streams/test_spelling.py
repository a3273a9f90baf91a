"""Each way in which a platform writes an instrument becomes dxFeed's, or a sentence names it."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.products import PRODUCTS, format_future
from gateway.streams.spelling import respell

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("symbol", "spellings"),
    [
        (
            ".SPY261218C600",
            [
                *("SPY 261218C00600000", "SPY261218C00600000", "-SPY261218C600", "SPY261218C600"),
                *(".SPY261218C600.00", "SPY_121826C600", "SPY20261218C600", "O:SPY261218C00600000"),
                *("OPRA:SPY261218C600.0", "SPY 12/18/2026 600.00 C", "SPY 12/18/26 C600"),
                *("SPY DEC 18 2026 $600 CALL", "SPY DEC18'26 600 CALL", "SPY 18DEC26 600 C"),
                *("SPY 600 CALL 12/18/26", "SPY 100 18 DEC 26 600 CALL", "SPY 2026-12-18 600 C"),
                "SPY 100 (WEEKLYS) 18 DEC 26 600 CALL",
            ],
        ),
        (".SPY261218P59.5", ["SPY 261218P00059500", "SPY 12/18/26 59.50 PUT"]),
        (".SPY7261218C600", ["SPY7 261218C00600000"]),
        (".BRKB261218C400", ["BRKB 261218C00400000", "BRK.B 12/18/26 400 C", ".BRK/B261218C400"]),
        ("./LOF27C60:XNYM", ["./CLF7 LOF7 261216C60", "./LOF7C60", "./LOF27C60.0"]),
        ("./OZBN25C142.5:XCBT", ["./ZBU5 OZBN5 250620C142.5"]),
        ("/ESZ26:XCME", ["/ESZ6", "ESZ6", "ESZ26", "@ESZ26:XCME", "ESZ26:XCME", "ES Z6"]),
        ("/ESZ26:XCME", ["CME_MINI:ESZ2026", "ES 12-26", "ES DEC 26", "/ES DEC 2026", "ESZ6.CME"]),
        ("/6EZ26:XCME", ["6EZ6", "/6EZ26", "CME:6EZ2026"]),
        ("/ZNH27:XCBT", ["/ZNH7", "ZNH7 COMDTY"]),
        ("/ES:XCME", ["ES:XCME", "@ES:XCME"]),
        ("BTC/USD:CXTALP", ["BTC/USD", "BTCUSD", "BTC-USD", "COINBASE:BTCUSD", "X:BTCUSD"]),
        ("SPX", ["$SPX", "^SPX", "^GSPC", "SPX.X", "$SPX.X", ".SPX", ".INX", "I:SPX", "SPX INDEX"]),
        ("$TICK", ["$TICK"]),
        ("BRK/B", ["BRK.B", "BRK-B", "BRK B", "BRKB", "BRK_B", "NYSE:BRK.B"]),
        ("BAC/PRL", ["BAC-PL", "BAC.PRL", "BAC-PRL", "BAC^L", "BAC.PR.L", "BAC-P-L"]),
        ("ABC/WS", ["ABC.WS", "ABC-WT", "ABC-WS"]),
        ("AAPL", ["NASDAQ:AAPL", "AAPL:US", "AAPL@NASDAQ", "AAPL.US", "AAPL.OQ", "AAPL US EQUITY"]),
        ("AAPL&Q", ["AAPL&Q"]),
    ],
)
def test_spellings(symbol: str, spellings: list[str]) -> None:
    for each in spellings:
        assert respell(each, TODAY) == symbol, each
    assert respell(symbol) == symbol


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/ES", "as in /ESZ26:XCME"),
        ("ES1!", "as in /ESZ26:XCME"),
        ("GC=F", "as in /GCG27:XCEC"),
        ("/XYZZ6", "needs its exchange, as in /ESZ26:XCME"),
        ("./XYZZ6C100", "needs its exchange, as in ./EW4X26C6000:XCME"),
        ("BTCUSDT", "as in BTC/USD:CXTALP"),
        ("SPY 269918C00600000", "a date that does not exist"),
        ("SPY 13/45/26 600 C", "a date that does not exist"),
        ("SPY 261218C00000000", "a strike of 0"),
        ("ES 13-26", "a month that does not exist"),
    ],
)
def test_what_cannot_be_converted_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        respell(text, TODAY)


@given(
    st.sampled_from(["SPY", "SPXW", "AAPL1", "F", "BRKB"]),
    st.dates(date(2020, 1, 1), date(2049, 12, 31)),
    st.sampled_from("CP"),
    st.integers(1, 99_999_999),
)
def test_every_option_of_the_exchange_becomes_one_symbol(
    root: str, day: date, side: str, strike: int
) -> None:
    blanks = f"{root} {day:%y%m%d}{side}{strike:08d}"
    price = f"{strike / 1000:.3f}".rstrip("0").rstrip(".")
    symbol = f".{root}{day:%y%m%d}{side}{price}"
    assert respell(blanks) == respell(blanks.replace(" ", "")) == symbol == respell(symbol)


@given(st.sampled_from(sorted(PRODUCTS)), st.sampled_from("FGHJKMNQUVXZ"), st.integers(2025, 2033))
def test_every_future_is_found_by_its_short_name(root: str, letter: str, year: int) -> None:
    symbol = format_future(PRODUCTS[root], letter, year)
    for text in (f"/{root}{letter}{year % 10}", f"{root}{letter}{year % 100}", symbol):
        assert respell(text, TODAY) == symbol
