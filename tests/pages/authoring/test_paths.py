"""What an address of a page writes it reads again, whatever a parameter holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.authoring.builder import PageError
from gateway.pages.authoring.paths import PagePath

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT | st.sampled_from(["BRK/B", "/ESZ26:XCME", "BTC/USD:CXTALP", "$TICK", "a%2Fb", ""]))
def test_every_value_of_a_parameter_goes_there_and_back(value: str) -> None:
    path = PagePath("/stock/{symbol}")
    assert path.match(path.format(lambda name: value)) == {"symbol": value}


@given(TEXT, TEXT)
def test_several_parameters_do_not_mix(left: str, right: str) -> None:
    path = PagePath("/pair/{left}/{right}")
    values = {"left": left, "right": right}
    assert path.match(path.format(values.__getitem__)) == values


def test_what_is_matched() -> None:
    path = PagePath("/stock/{symbol}")
    assert path.match("/stock/BRK%2FB") == {"symbol": "BRK/B"}
    assert path.match("/stock/brk%2fb") == {"symbol": "brk/b"}
    assert path.match("/st%6Fck/SPY") == {"symbol": "SPY"}
    assert path.match("/stock/BRK/B") is None
    assert path.match("/stock") is None
    assert path.match("/other/SPY") is None


@pytest.mark.parametrize("text", ["desk", "/a b", "/a/", "//", "/events", "/{A}"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(PageError, match=r"write the address as|is reserved"):
        PagePath(text)
