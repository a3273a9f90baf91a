"""Lists are cut where their writer meant it, and nothing of them is lost without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.lists import split_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("aapl, msft;ibm\tf\nc", ["AAPL", "MSFT", "IBM", "F", "C"]),
        ('"AAPL","MSFT",', ["AAPL", "MSFT"]),
        ("“AAPL”; ‘MSFT’ «IBM»", ["AAPL", "MSFT", "IBM"]),
        ("AAPL\u00a0MSFT\u200b,\ufeffIBM\u2028F", ["AAPL", "MSFT", "IBM", "F"]),
        ("['SPY', 'QQQ']", ["SPY", "QQQ"]),
        ("- AAPL\n* MSFT\n3. IBM\n• F", ["AAPL", "MSFT", "IBM", "F"]),
        ("###Tech,NASDAQ:AAPL,NYSE:IBM", ["NASDAQ:AAPL", "NYSE:IBM"]),
        ("| AAPL | MSFT |", ["AAPL", "MSFT"]),
        ("SPY   261218C00600000 QQQ", ["SPY 261218C00600000", "QQQ"]),
        ("SPY\t261218C00600000", ["SPY 261218C00600000"]),
        ("BRK B, F C", ["BRK B", "F", "C"]),
        ("SPY Dec 18, 2026 600 Call, QQQ", ["SPY DEC 18 2026 600 CALL", "QQQ"]),
        ("SPY|20261218|600.00C", ["SPY20261218C600.00"]),
        ("spy{=5m,tho=true},qqq", ["SPY{=5m,tho=true}", "QQQ"]),
        (" , ;\n", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert list(split_names(text)) == names


@pytest.mark.parametrize(
    "text", ["SPY 600C 12/18", "SPY DEC 600 CALL", "AAPL\t100\t229.48", "SPY 12/18 600C"]
)
def test_a_part_of_something_is_never_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="no instrument as it is written"):
        list(split_names(text))


@given(st.text(max_size=200))
def test_no_letter_is_lost(text: str) -> None:
    try:
        names = list(split_names(text))
    except ValueError:
        return
    letters = [each for each in text.upper() if each.isascii() and each.isalpha()]
    assert len(letters) == sum(each.isalpha() and each.isascii() for each in "".join(names).upper())
