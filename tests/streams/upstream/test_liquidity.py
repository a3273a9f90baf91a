"""What the kind of an instrument says of how long it may be quiet."""

from datetime import date

import pytest

from gateway.streams.upstream.liquidity import BUSY_S, STEADY_S, longest_silence_s

TODAY = date(2026, 11, 28)
NEVER_S = float("inf")


@pytest.mark.parametrize(
    ("symbol", "silence_s"),
    [
        ("/ESZ26:XCME", BUSY_S),
        ("/ESZ6", BUSY_S),
        ("/MNQZ26:XCME", BUSY_S),
        ("/CLF27:XNYM", BUSY_S),
        ("/GCG27:XCEC", BUSY_S),
        ("/ESH27:XCME", STEADY_S),  # four months ahead
        ("/LEZ26:XCME", STEADY_S),
        ("/ESU27:XCME", NEVER_S),
        ("/ESU26:XCME", NEVER_S),  # expired
        ("/CLZ36:XNYM", NEVER_S),
        ("/ES", NEVER_S),
        ("BTC/USD:CXTALP", BUSY_S),
        ("DOGE/USD:CXTALP", STEADY_S),
        ("SPY", NEVER_S),
        ("BRK/B", NEVER_S),
        (".SPY261218C600", NEVER_S),
        ("./ESZ26C6000:XCME", NEVER_S),
    ],
)
def test_how_long_it_may_be_quiet(symbol: str, silence_s: float) -> None:
    assert longest_silence_s(symbol, TODAY) == silence_s


@pytest.mark.parametrize(
    ("symbol", "on", "silence_s"),
    [
        ("/ESH0:XCME", date(2029, 12, 20), BUSY_S),  # one digit, over the end of a decade
        ("/ESZ9:XCME", date(2030, 1, 5), NEVER_S),
        ("/ESH00:XCME", date(2099, 12, 20), BUSY_S),
    ],
)
def test_years_of_one_and_two_digits(symbol: str, on: date, silence_s: float) -> None:
    assert longest_silence_s(symbol, on) == silence_s


def test_without_a_date_nothing_is_known_of_futures() -> None:
    assert longest_silence_s("/ESZ26:XCME", None) == NEVER_S
    assert longest_silence_s("BTC/USD:CXTALP", None) == BUSY_S
