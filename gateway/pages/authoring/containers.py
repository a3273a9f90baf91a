"""What panels stand in: columns side by side, sections with a heading, tabs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway.pages.authoring.builder import PageError, current_builder
from gateway.pages.layout import Group

MOST_COLUMNS = 6
MOST_TABS = 8
"""The style sheet has a rule for each place."""


@contextmanager
def columns(count: int) -> Iterator[None]:
    """Place the panels of the block side by side, `count` in a row; fewer where it is narrow."""
    builder = current_builder("columns")
    if count not in range(1, MOST_COLUMNS + 1):
        raise PageError(
            f"columns({count!r}): write how many stand side by side, 1 to {MOST_COLUMNS}: "
            "with columns(2):"
        )
    with builder.open_group("columns", "containers/columns.html", {"count": count}):
        yield


@contextmanager
def section(title: str) -> Iterator[None]:
    """Place the panels of the block below a heading; directly within `tabs()`, on a tab."""
    builder = current_builder("section")
    if not str(title).strip():
        raise PageError('section(): give it a title: with section("Indices"):')
    id = builder.new_id("section")
    is_tab = builder.group == "tabs"
    template = "containers/tab.html" if is_tab else "containers/section.html"
    with builder.open_group("section", template, {"title": title.strip(), "id": id}):
        yield


@contextmanager
def tabs() -> Iterator[None]:
    """Show one of the sections of the block at a time; a row of tabs chooses which."""
    builder = current_builder("tabs")
    sections: list[Mapping[str, Any]] = []
    options = {"id": builder.new_id("tabs"), "sections": sections}
    with builder.open_group("tabs", "containers/tabs.html", options):
        yield
        sections += [node.options for node in builder.nodes if isinstance(node, Group)]
        if not 1 <= len(sections) <= MOST_TABS:
            raise PageError(
                f"tabs() has {len(sections)} sections, and can have 1 to {MOST_TABS}: "
                'write `with section("Title"):` inside it'
            )
