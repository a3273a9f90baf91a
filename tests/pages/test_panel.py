"""What every panel checks of how it is called."""

from collections.abc import Callable

import pytest

from gateway.pages import PageError, chart, greeks
from tests.pages.showing import place


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: chart("QQQ", interval="2m"), r'chart\("QQQ", interval="1m"\)'),
        (lambda: chart("QQQ", kind="bars"), "kind is one of candles, line, not 'bars'"),
        (lambda: chart("QQQ", hours="night"), "hours is one of regular, all"),
        (lambda: greeks("SPY"), r'no option: write it like greeks\(".SPY261218C600"\)'),
        (lambda: greeks(), "name its options"),
    ],
)
def test_a_wrong_word_says_which_there_are(call: Callable[[], None], words: str) -> None:
    with pytest.raises(PageError, match=words):
        place(call)
