"""Containers: how many may stand side by side, and tabs hold sections."""

import pytest

from gateway.pages import columns, section, tabs, text
from gateway.pages.authoring.builder import PageError, open_builder
from gateway.pages.authoring.containers import MOST_COLUMNS, MOST_TABS
from gateway.pages.layout import Group


@pytest.mark.parametrize("count", [0, -1, MOST_COLUMNS + 1])
def test_too_few_or_too_many_columns_are_refused(count: int) -> None:
    with open_builder(), pytest.raises(PageError, match="columns"), columns(count):
        pass


def test_a_section_is_a_tab_directly_within_tabs_alone() -> None:
    with open_builder() as builder:
        with section("Alone"):
            text("x")
        with tabs(), section(" First "), section("Within"):
            text("x")
    alone, group = builder.nodes
    assert isinstance(alone, Group)
    assert isinstance(group, Group)
    assert alone.template.endswith("section.html")
    (tab,) = group.children
    assert isinstance(tab, Group)
    assert tab.template.endswith("tab.html")
    assert tab.options["title"] == "First"
    assert list(group.options["sections"]) == [tab.options]
    (within,) = tab.children
    assert isinstance(within, Group)
    assert within.template.endswith("section.html")


def place_tabs(count: int) -> None:
    with tabs():
        for index in range(count):
            with section(str(index)):
                text("x")


@pytest.mark.parametrize("count", [0, MOST_TABS + 1])
def test_tabs_have_a_bound(count: int) -> None:
    with open_builder(), pytest.raises(PageError, match=f"tabs.. has {count} sections"):
        place_tabs(count)


def test_a_section_has_a_title() -> None:
    with open_builder(), pytest.raises(PageError, match="give it a title"), section("  "):
        pass
