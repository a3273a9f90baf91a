"""Options in words."""

import pytest

from gateway.pages.rendering.options import describe_option


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        (".SPY261218C600", ("SPY", "18 Dec 26 600 C")),
        (".SPXW260318P7015.5", ("SPXW", "18 Mar 26 7015.5 P")),
        (".AAPL1261218C200", ("AAPL1", "18 Dec 26 200 C")),
        (".SPY269918C600", ("SPY269918C600", "")),
        ("./ESZ26C6000:XCME", ("/ESZ26C6000:XCME", "")),
    ],
)
def test_options_in_words(symbol: str, words: tuple[str, str]) -> None:
    assert describe_option(symbol) == words
