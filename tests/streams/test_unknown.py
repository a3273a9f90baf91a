"""A name that nobody answers is explained, with the one that was probably meant."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.symbols import parse_symbol
from gateway.streams.unknown import explain_unknown, suggest

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [
        ("MGC", "/MGCG27:XCEC"),
        ("ES", "/ESZ26:XCME"),
        ("/ES:XCME", "/ESZ26:XCME"),
        ("/GCZ25:XCEC", "/GCG27:XCEC"),
        ("/GCG27:XCME", "/GCG27:XCEC"),
        ("/ESV26:XCME", "/ESZ26:XCME"),
        ("BTC/USD:CXBITS", "BTC/USD:CXTALP"),
        ("DOGE", "DOGE/USD:CXTALP"),
        ("APPLE", "AAPL"),
        ("TICK", "$TICK"),
        ("$AAPL", "AAPL"),
        ("BAC/L", "BAC/PRL"),
        (".SPX261216C6000", ".SPXW261216C6000"),
        ("ZZZZZ", None),
        (".SPX261218C6000", None),
        ("$TICK", None),
    ],
)
def test_what_was_meant(symbol: str, meant: str | None) -> None:
    assert suggest(symbol, TODAY) == meant
    found = explain_unknown(symbol, TODAY)
    assert found.suggestion == meant
    assert found.reason.startswith("nothing is known under this name")
    assert (meant or "futures are written /ESZ26:XCME") in found.reason


def test_what_has_ended_says_so() -> None:
    assert "the option expired on 20 Nov 2026" in explain_unknown(".SPY261120C600", TODAY).reason
    assert "the contract of December 2025 has ended" in explain_unknown("/GCZ25:XCEC", TODAY).reason
    assert "options expire on no Saturday" in explain_unknown(".SPY261219C600", TODAY).reason


def test_candles_are_explained_as_their_instrument() -> None:
    assert explain_unknown("MGC{=5m}", TODAY).suggestion == "/MGCG27:XCEC{=5m}"


@given(st.text(st.sampled_from("ESZGCBTUD26./:$X"), max_size=12))
def test_a_suggestion_is_a_symbol_and_another(text: str) -> None:
    try:
        symbol = parse_symbol(text, TODAY)
    except ValueError:
        return
    meant = suggest(symbol, TODAY)
    assert meant is None or (meant != symbol and parse_symbol(meant) == meant)
