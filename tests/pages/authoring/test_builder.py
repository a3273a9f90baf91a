"""The builder of a page: ids, places, symbols, and no builder outside a page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from gateway.pages.authoring.builder import (
    Builder,
    PageError,
    check_symbols,
    current_builder,
    open_builder,
    plain_id,
)
from gateway.pages.layout import Group, Static


def test_an_id_is_given_once() -> None:
    builder = Builder()
    assert [builder.new_id(each) for each in ("metric", "chart", "metric")] == [
        "metric",
        "chart",
        "metric2",
    ]


def test_a_group_holds_what_is_added_within_it_also_after_an_error() -> None:
    builder = Builder()
    inside, outside = Static(Markup("in")), Static(Markup("out"))
    with builder.open_group("columns", "t.html", {}):
        builder.add(inside)
    with pytest.raises(ZeroDivisionError), builder.open_group("columns", "t.html", {}):
        raise ZeroDivisionError
    builder.add(outside)
    assert builder.nodes == [Group("t.html", (inside,), {}), outside]
    assert builder.group is None


def test_there_is_a_builder_within_a_page_alone() -> None:
    with open_builder() as outer:
        with open_builder() as inner:
            assert current_builder("metric") is inner
        assert current_builder("metric") is outer
    with pytest.raises(PageError, match=r"metric\(\) is called outside a page"):
        current_builder("metric")


def test_symbols_are_canonical_and_each_stands_once() -> None:
    assert check_symbols("metric", ("spy", "QQQ", "SPY")) == ("SPY", "QQQ")


@pytest.mark.parametrize("symbol", [7, None, ["SPY"], "SPY{=5m}", "no symbol at all"])
def test_what_is_no_symbol_is_refused(symbol: object) -> None:
    with pytest.raises(PageError, match="metric"):
        check_symbols("metric", (symbol,))


@given(st.text(max_size=12))
def test_an_id_is_plain_in_css(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]*", plain_id(text))
